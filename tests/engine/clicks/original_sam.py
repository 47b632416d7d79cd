"""The published package segment-anything (Apache-2.0), without the part that needs torchvision."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import partial
from types import ModuleType

import pytest

NAME = "segment_anything"


def original() -> ModuleType:
    """Its builders; the package's own start imports torchvision, so it is passed by."""
    pytest.importorskip("torch", reason="needs PyTorch")
    if NAME not in sys.modules:
        found = importlib.util.find_spec(NAME)
        if found is None or not found.submodule_search_locations:
            pytest.skip("needs the package segment-anything")
        package = importlib.util.module_from_spec(found)  # made, but its start is not run
        sys.modules[NAME] = package
    return importlib.import_module(f"{NAME}.build_sam")


def tiny():
    """A small network of the published build: 64 px, 3 blocks of which one sees everything."""
    import torch

    original()
    parts = importlib.import_module(f"{NAME}.modeling")
    torch.manual_seed(3)
    net = parts.Sam(
        image_encoder=parts.ImageEncoderViT(
            img_size=64, patch_size=8, embed_dim=32, depth=3, num_heads=4, mlp_ratio=2, out_chans=32,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), use_rel_pos=True, window_size=3,
            global_attn_indexes=[1],
        ),
        prompt_encoder=parts.PromptEncoder(
            embed_dim=32, image_embedding_size=(8, 8), input_image_size=(64, 64), mask_in_chans=16
        ),
        mask_decoder=parts.MaskDecoder(
            num_multimask_outputs=3,
            transformer=parts.TwoWayTransformer(depth=2, embedding_dim=32, mlp_dim=64, num_heads=8),
            transformer_dim=32, iou_head_depth=3, iou_head_hidden_dim=32,
        ),
    ).eval()  # fmt: skip
    with torch.no_grad():
        for tensor in net.parameters():  # relative positions and tokens are zero in a fresh network
            tensor.add_(0.3 * torch.randn_like(tensor) * (tensor.std() + 0.2 if tensor.numel() > 1 else 1))
    return net
