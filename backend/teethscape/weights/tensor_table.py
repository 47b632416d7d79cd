"""Published checkpoints tensor by tensor: what is missing, what is foreign, what has another shape.

`layout` recognises a network by digests; here are the names themselves, for the networks of
the teethdreamer engine. zero123-xl and CLIP are told from TeethDreamer's own table, which
holds the same networks (specification, section 3.2).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from teethscape.errors import BadInputError
from teethscape.weights.tensors import Contents, TensorInfo

_DATA = Path(__file__).parent / "data" / "teethdreamer_tensors.json"
_HARMLESS = Path(__file__).parent / "data" / "harmless_names.json"
Shape = tuple[int, ...]
#: Tables of the noise schedule: they are computed anew, and half precision would spoil them.
SCHEDULE = frozenset({
    "betas", "alphas", "alphas_cumprod", "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod",
    "posterior_variance", "posterior_log_variance_clipped",
})  # fmt: skip
_CLIP = "clip_image_encoder.model."
#: What TeethDreamer keeps of CLIP's text part; nothing reads it.
TEXT = frozenset(
    _CLIP + name
    for name in (
        "positional_embedding", "text_projection", "logit_scale", "token_embedding.weight",
        "ln_final.weight", "ln_final.bias",
    )
)  # fmt: skip
#: A file is taken for a network when it has this share of the network's names.
_LIKELY = 0.5
_SHOWN = 3


@dataclass(frozen=True)
class Table:
    """What a published file holds.

    Attributes:
        model: id of the known model.
        shapes: by name, what must be there.
        optional: names that may be absent, because nothing reads them.
        alone: nothing else may be there; else the rest is left out.
    """

    model: str
    shapes: Mapping[str, Shape]
    optional: frozenset[str] = frozenset()
    alone: bool = True

    def likeness(self, names: set[str]) -> float:
        """Share of the names that a file has."""
        return len(names & set(self.shapes)) / len(self.shapes)


@dataclass(frozen=True)
class Differences:
    """What a file has otherwise than its table; names in the file's words.

    Attributes:
        missing: needed and absent.
        foreign: present without a place.
        reshaped: with another shape, as "name (2x3, not 2x4)".
    """

    missing: tuple[str, ...]
    foreign: tuple[str, ...]
    reshaped: tuple[str, ...]

    def words(self) -> list[str]:
        """In words; empty when nothing differs."""
        named = (("missing", self.missing), ("not known", self.foreign), ("of another shape", self.reshaped))
        return [f"{_counted(names)} {_shown(names)} {kind}" for kind, names in named if names]


def _counted(names: tuple[str, ...]) -> str:
    return "1 tensor is" if len(names) == 1 else f"{len(names)} tensors are"


def _shown(names: tuple[str, ...]) -> str:
    return f"({', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''})"


@cache
def teethdreamer() -> Table:
    """TeethDreamer.ckpt."""
    content = json.loads(_DATA.read_text("utf-8"))["tensors"]
    return Table(
        "teethdreamer", {name: tuple(shape) for name, shape in content.items()}, SCHEDULE | TEXT, alone=True
    )


@cache
def zero123() -> Table:
    """What of zero123-xl.ckpt starts a fine-tuning: its UNet, autoencoder and projection."""
    kept = {
        name: shape
        for name, shape in teethdreamer().shapes.items()
        if name.startswith(("model.diffusion_model.", "first_stage_model.", "cc_projection."))
        and "_conditions." not in name
    }
    kept["model.diffusion_model.input_blocks.0.0.weight"] = (320, 8, 3, 3)
    kept["cc_projection.weight"] = (768, 772)
    return Table("zero123-xl", kept, alone=False)


@cache
def clip() -> Table:
    """The picture part of ViT-L-14.pt."""
    part = _CLIP + "visual."
    shapes = teethdreamer().shapes.items()
    kept = {"visual." + name.removeprefix(part): shape for name, shape in shapes if name.startswith(part)}
    return Table("clip-vit-l-14", kept, alone=False)


def table_of(tensors: Iterable[TensorInfo]) -> Table | None:
    """The table of the network that a file holds or was meant to hold; None for other files."""
    names = {tensor.name for tensor in tensors}
    tables = sorted((teethdreamer(), zero123(), clip()), key=lambda table: -len(table.shapes))
    best = max(tables, key=lambda table: table.likeness(names))
    return best if best.likeness(names) >= _LIKELY else None


def compare(tensors: Iterable[TensorInfo], table: Table) -> Differences:
    """What a file has otherwise than a table."""
    found = {tensor.name: tensor.shape for tensor in tensors}
    missing = [name for name in table.shapes if name not in found and name not in table.optional]
    foreign = [name for name in found if name not in table.shapes] if table.alone else []
    reshaped = [
        f"{name}: {_size(found[name])}, not {_size(shape)}"
        for name, shape in table.shapes.items()
        if name in found and found[name] != shape
    ]
    return Differences(tuple(missing), tuple(foreign), tuple(reshaped))


def _size(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "one number"


def require_table(name: str, contents: Contents, table: Table) -> None:
    """Refuse a file that differs from what was published, or that carries code.

    Args:
        name: of the file, for the message.
        contents: what it holds.
        table: what it must hold.

    Raises:
        BadInputError: it differs, or opening it with PyTorch would call foreign functions.
    """
    harmful = [full for full in contents.foreign if full not in harmless_names()]
    if harmful:
        raise BadInputError(
            "weights_code",
            f"{name} would call {_shown(tuple(harmful))[1:-1]} if PyTorch opened it; nothing of it was run.",
            "It is not the published file. Do not open it with other programs; download it again.",
        )
    words = compare(contents.tensors, table).words()
    if words:
        raise BadInputError(
            "weights_differ",
            f"{name} is not {table.model} as published: {'; '.join(words)}.",
            "Download it again, or look into it with: teethscape weights inspect FILE --tensors",
        )


@cache
def harmless_names() -> frozenset[str]:
    """Full names that training programs leave in checkpoints; none of them does anything when it is called.

    Whole names: the packages that they come from also hold functions that run code.
    """
    return frozenset(json.loads(_HARMLESS.read_text("utf-8"))["names"])
