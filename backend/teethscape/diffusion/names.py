"""Published names of TeethDreamer's tensors, and where each stands in our networks.

Only names differ, and few forms: 1x1 convolutions that diffusers keeps as matrices, CLIP's
one matrix for query, key and value, and its transposed projection. Both directions use the
same table, so that what we train is written under the published names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cache

from teethscape.weights.tensor_table import SCHEDULE, TEXT

_CLIP = "clip_image_encoder.model."
#: Names that a checkpoint may lack and that are not loaded.
UNUSED = SCHEDULE | TEXT


class Form(str, Enum):
    """How a published tensor lies in our networks."""

    SAME = "same"
    MATRIX = "matrix"  # (n, m, 1, 1) -> (n, m)
    TRANSPOSED = "transposed"
    THREE = "three"  # rows of query, key and value -> three tensors

    __str__ = str.__str__


@dataclass(frozen=True)
class Place:
    """Where a published tensor stands.

    Attributes:
        targets: names in our networks; three for `Form.THREE`.
        form: how it lies there.
    """

    targets: tuple[str, ...]
    form: Form = Form.SAME


def place_of(name: str) -> Place:
    """The place of a published tensor.

    Raises:
        KeyError: no published checkpoint has such a tensor, or nothing uses it.
    """
    if name.startswith(_CLIP + "visual."):
        return _clip(name.removeprefix(_CLIP + "visual."))
    for prefix, part, rename in (
        ("model.diffusion_model.", "unet.", _unet),
        ("first_stage_model.", "vae.", _vae),
    ):
        if name.startswith(prefix):
            new = rename(name.removeprefix(prefix))
            form = (
                Form.MATRIX if re.search(r"attentions\.0\.to_.*weight", new) and part == "vae." else Form.SAME
            )
            return Place((part + new,), form)
    if name.split(".")[0] in _OWN:
        return Place((name,))
    raise KeyError(name)


_OWN = {"time_embed", "cc_projection", "spatial_volume", "normal_volume", "volume_merge", "volume_frustum"}
_RESNET = {
    "in_layers.0": "norm1", "in_layers.2": "conv1", "emb_layers.1": "time_emb_proj", "out_layers.0": "norm2",
    "out_layers.3": "conv2", "skip_connection": "conv_shortcut",
}  # fmt: skip
_UNET_ENDS = {
    "time_embed.0": "time_embedding.linear_1", "time_embed.2": "time_embedding.linear_2",
    "input_blocks.0.0": "conv_in", "out.0": "conv_norm_out", "out.2": "conv_out",
}  # fmt: skip
_MIDDLE = {"0": "resnets.0", "1": "attentions.0", "2": "resnets.1"}


def _unet(name: str) -> str:
    if name.startswith(("middle_conditions.", "output_conditions.")):
        return name
    stem, leaf = name.rsplit(".", 1)
    if stem in _UNET_ENDS:
        return f"body.{_UNET_ENDS[stem]}.{leaf}"
    return f"body.{_unet_block(stem)}.{leaf}"


def _unet_block(stem: str) -> str:
    kind, number, *rest = stem.split(".")
    if kind == "middle_block":
        return f"mid_block.{_MIDDLE[number]}.{_inner(rest)}"
    if kind == "input_blocks":
        level, place = divmod(int(number) - 1, 3)
        if place == 2:
            return f"down_blocks.{level}.downsamplers.0.conv"
        return f"down_blocks.{level}.{_layer(rest[0], place)}.{_inner(rest[1:])}"
    if kind == "output_blocks":
        level, place = divmod(int(number), 3)
        if rest[1] == "conv":
            return f"up_blocks.{level}.upsamplers.0.conv"
        return f"up_blocks.{level}.{_layer(rest[0], place)}.{_inner(rest[1:])}"
    raise KeyError(stem)


def _layer(part: str, place: int) -> str:
    return f"{'resnets' if part == '0' else 'attentions'}.{place}"


def _inner(parts: list[str]) -> str:
    inner = ".".join(parts)
    return _RESNET.get(inner, inner)


@cache
def _vae_rules() -> tuple[tuple[re.Pattern[str], str], ...]:
    rules = [
        (r"\bmid\.block_1\.", "mid_block.resnets.0."),
        (r"\bmid\.block_2\.", "mid_block.resnets.1."),
        (r"\bmid\.attn_1\.norm\.", "mid_block.attentions.0.group_norm."),
        (r"\bmid\.attn_1\.([qkv])\.", r"mid_block.attentions.0.to_\1."),
        (r"\bmid\.attn_1\.proj_out\.", "mid_block.attentions.0.to_out.0."),
        (r"\bnorm_out\.", "conv_norm_out."),
        (r"\bnin_shortcut\.", "conv_shortcut."),
        (r"\bdown\.(\d)\.block\.", r"down_blocks.\1.resnets."),
        (r"\bdown\.(\d)\.downsample\.", r"down_blocks.\1.downsamplers.0."),
    ]
    for level in range(4):  # the published decoder counts its levels from the picture
        rules.append((rf"\bup\.{level}\.block\.", f"up_blocks.{3 - level}.resnets."))
        rules.append((rf"\bup\.{level}\.upsample\.", f"up_blocks.{3 - level}.upsamplers.0."))
    return tuple((re.compile(old), new) for old, new in rules)


def _vae(name: str) -> str:
    for pattern, new in _vae_rules():
        name = pattern.sub(new, name)
    return name


_CLIP_ENDS = {
    "class_embedding": "vision_model.embeddings.class_embedding",
    "positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "conv1.weight": "vision_model.embeddings.patch_embedding.weight",
}
_CLIP_LAYER = {
    "attn.out_proj": "self_attn.out_proj", "ln_1": "layer_norm1", "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2",
}  # fmt: skip


def _clip(name: str) -> Place:
    """A tensor of CLIP's picture side, without the beginning of its name."""
    if name in _CLIP_ENDS:
        return Place(("clip." + _CLIP_ENDS[name],))
    if name == "proj":
        return Place(("clip.visual_projection.weight",), Form.TRANSPOSED)
    stem, leaf = name.rsplit(".", 1)
    if stem in ("ln_pre", "ln_post"):
        where = "pre_layrnorm" if stem == "ln_pre" else "post_layernorm"
        return Place((f"clip.vision_model.{where}.{leaf}",))
    found = re.fullmatch(r"transformer\.resblocks\.(\d+)\.(.+)", stem)
    if found is None:
        raise KeyError(name)
    layer = f"clip.vision_model.encoder.layers.{found[1]}"
    if leaf.startswith("in_proj_"):
        kind = leaf.removeprefix("in_proj_")
        return Place(tuple(f"{layer}.self_attn.{part}_proj.{kind}" for part in "qkv"), Form.THREE)
    return Place((f"{layer}.{_CLIP_LAYER[found[2]]}.{leaf}",))
