"""Published SAM checkpoints for transformers' ``SamModel``: names and sizes.

The tensors themselves are alike in both; only their names differ. Sizes (width, depth,
heads, windows) are read from the shapes, so that ViT-B, L and H need no table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_DATA = Path(__file__).parent / "data" / "sam_names.json"
_BLOCK = re.compile(r"image_encoder\.blocks\.(\d+)\.attn\.rel_pos_h$")


@cache
def _table() -> tuple[list[tuple[re.Pattern[str], str]], dict[str, list[str]]]:
    content = json.loads(_DATA.read_text("utf-8"))
    return [(re.compile(pattern), new) for pattern, new in content["rules"]], content["twice"]


def target_names(name: str) -> list[str]:
    """The names in ``SamModel`` of a tensor of a published checkpoint.

    Raises:
        KeyError: no published checkpoint has such a name.
    """
    rules, twice = _table()
    if name in twice:
        return twice[name]
    for pattern, new in rules:
        if pattern.search(name):
            return [pattern.sub(new, name)]
    raise KeyError(name)


def renamed(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """A state dictionary for ``SamModel``; the tensors are shared, not copied.

    Raises:
        KeyError: a name is unknown.
    """
    return {new: tensor for name, tensor in tensors.items() for new in target_names(name)}


def sizes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, dict[str, Any]]:
    """Keyword arguments of transformers' three SAM configurations.

    Args:
        shapes: shape of every tensor of a published checkpoint.

    Returns:
        ``vision``, ``prompt`` and ``mask`` arguments.

    Raises:
        KeyError: a tensor that every checkpoint has is missing.
    """
    _, rows, _, width = shapes["image_encoder.pos_embed"]
    patch = shapes["image_encoder.patch_embed.proj.weight"][-1]
    reach = {int(m[1]): shape for name, shape in shapes.items() if (m := _BLOCK.match(name))}
    whole = 2 * rows - 1  # blocks that see the whole picture know all distances; the others those of a window
    local = [shape[0] for shape in reach.values() if shape[0] != whole]
    prompt_width = shapes["prompt_encoder.no_mask_embed.weight"][1]
    return {
        "vision": {
            "hidden_size": width,
            "num_hidden_layers": len(reach),
            "num_attention_heads": width // reach[0][1],
            "global_attn_indexes": [index for index in sorted(reach) if reach[index][0] == whole],
            "window_size": (local[0] + 1) // 2 if local else 0,
            "image_size": rows * patch,
            "patch_size": patch,
            "mlp_dim": shapes["image_encoder.blocks.0.mlp.lin1.weight"][0],
            "output_channels": prompt_width,
            "num_pos_feats": prompt_width // 2,
        },
        "prompt": {"hidden_size": prompt_width, "image_size": rows * patch, "patch_size": patch,
                   "mask_input_channels": 4 * shapes["prompt_encoder.mask_downscaling.0.weight"][0]},
        "mask": {
            "hidden_size": prompt_width,
            "mlp_dim": shapes["mask_decoder.transformer.layers.0.mlp.lin1.weight"][0],
            "iou_head_hidden_dim": shapes["mask_decoder.iou_prediction_head.layers.0.weight"][0],
            "num_multimask_outputs": shapes["mask_decoder.mask_tokens.weight"][0] - 1,
        },
    }  # fmt: skip
