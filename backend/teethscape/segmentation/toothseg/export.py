"""Write a trained ToothSeg network as ONNX, so that it runs without torch (needs torch and onnx)."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from teethscape.dental.files import storage_errors, write_bytes
from teethscape.segmentation.toothseg.checkpoints import load_trained
from teethscape.segmentation.toothseg.losses import probabilities
from teethscape.segmentation.toothseg.predict import ONNX_CARD


class _Answer(nn.Module):
    """The network with probabilities instead of logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Picture (1, c, h, w) to probabilities (1, planes, h, w)."""
        return probabilities(self.network(image))


def export_onnx(checkpoint: Path, output: Path) -> Path:
    """Write ``output`` with input ``image`` and output ``chances``, both of the trained size.

    The card (network, size, classes) travels in the file's metadata.

    Raises:
        BadInputError: the checkpoint is no ToothSeg network, or the place cannot be written.
    """
    import onnx

    network, card = load_trained(checkpoint)
    part = output.with_name(f".{output.name}.part")
    with storage_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
    example = torch.zeros(1, network.spec.inputs, *card.size)
    with warnings.catch_warnings():
        # The exporter remarks that sizes and planes become constants, which is what is wanted.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Answer(network).eval(), (example,), str(part),
            input_names=["image"], output_names=["chances"], opset_version=17, dynamo=False,
        )  # fmt: skip
    model = onnx.load(str(part))
    onnx.helper.set_model_props(model, {ONNX_CARD: json.dumps(card.to_json())})
    onnx.checker.check_model(model)
    part.unlink()
    write_bytes(output, model.SerializeToString())
    return output
