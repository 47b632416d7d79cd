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
from teethscape.weights.catalogue import model_of_file
from teethscape.weights.tensors import Contents, TensorInfo

_DATA = Path(__file__).parent / "data" / "teethdreamer_tensors.json"
_HARMLESS = Path(__file__).parent / "data" / "harmless_names.json"
Shape = tuple[int, ...]
#: Tables of the noise schedule: they are computed anew, and half precision would spoil them.
SCHEDULE = frozenset({
    "betas", "alphas", "alphas_cumprod", "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod",
    "posterior_variance", "posterior_log_variance_clipped",
})  # fmt: skip
#: The first convolution of the UNet; its last input channels are the photos' latents.
FIRST = "model.diffusion_model.input_blocks.0.0.weight"
PHOTO_CHANNELS = 16
PROJECTION = "cc_projection.weight"
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
    kept[FIRST] = (320, 8, 3, 3)
    kept[PROJECTION] = (768, 772)
    return Table("zero123-xl", kept, alone=False)


@cache
def clip() -> Table:
    """The picture part of ViT-L-14.pt."""
    part = _CLIP + "visual."
    shapes = teethdreamer().shapes.items()
    kept = {"visual." + name.removeprefix(part): shape for name, shape in shapes if name.startswith(part)}
    return Table("clip-vit-l-14", kept, alone=False)


def table_of(tensors: Iterable[TensorInfo], file: str = "") -> Table | None:
    """The table of the network that a file holds or was meant to hold; None for other files.

    Args:
        tensors: of the file.
        file: its name; that of a published file tells what the file was meant to hold.
    """
    shapes = {tensor.name: tensor.shape for tensor in tensors}
    tables = sorted((teethdreamer(), zero123(), clip()), key=lambda table: -len(table.shapes))
    model = model_of_file(file)
    named = [table for table in tables if model is not None and table.model == model.id]
    if named:
        return named[0]
    best = max(tables, key=lambda table: table.likeness(set(shapes)))
    if best.likeness(set(shapes)) < _LIKELY:
        return None
    return teethdreamer() if best is zero123() and _is_fine_tuned(shapes) else best


def _is_fine_tuned(shapes: Mapping[str, Shape]) -> bool:
    """Whether a network has what TeethDreamer alone has; a damaged one may have lost the most of it."""
    grown = any(shapes.get(name) == teethdreamer().shapes.get(name, ()) for name in (FIRST, PROJECTION))
    return grown or any(("depth" in n or "volume" in n) and n in teethdreamer().shapes for n in shapes)


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
    require_no_code(name, contents.foreign)
    words = compare(contents.tensors, table).words()
    if words:
        raise BadInputError(
            "weights_differ",
            f"{name} is not {table.model} as published: {'; '.join(words)}.",
            "Download it again, or look into it with: teethscape weights inspect FILE --tensors",
        )


def require_no_code(name: str, names: Iterable[str]) -> None:
    """Refuse a file that carries code.

    Args:
        name: of the file, for the message.
        names: full names in its pickle that count.

    Raises:
        BadInputError: opening it with PyTorch would call foreign functions.
    """
    harmful = tuple(full for full in names if full not in harmless_names())
    if harmful:
        raise BadInputError(
            "weights_code",
            f"{name} would call {_shown(harmful)[1:-1]} if PyTorch opened it; nothing of it was run.",
            "Do not open it with other programs. Download it again, or ask for its state_dict alone.",
        )


@cache
def harmless_names() -> frozenset[str]:
    """Full names that training programs leave in checkpoints; none of them does anything when it is called.

    Whole names: the packages that they come from also hold functions that run code.
    """
    return frozenset(json.loads(_HARMLESS.read_text("utf-8"))["names"])
