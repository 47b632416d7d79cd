"""Write a trained network as an ONNX file that onnxruntime alone can run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from teethscape.segmentation.train_network import SegmentationNetwork


class _Answer(nn.Module):
    """The network with probabilities instead of logits."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pixels (n, 5, h, w), kinds (n, 7, h / 2, w / 2), views (n, 6) and "upside down" (n, 1)."""
        pixels, kinds, views, turned = self.network(image)
        return torch.sigmoid(pixels), _shares(kinds), torch.softmax(views, dim=1), torch.sigmoid(turned)


def _shares(logits: Tensor) -> Tensor:
    """Softmax over the channels (n, c, h, w); the runtime's own takes five times as long along these."""
    grown = torch.exp(logits - logits.amax(dim=1, keepdim=True))
    return grown / grown.sum(dim=1, keepdim=True)


def _halve_weights(path: Path) -> None:
    """Store large float32 weights as float16 followed by a cast, which the runtime folds away on loading."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < 256:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + "_half"))
        casts.append(onnx.helper.make_node("Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def export_network(network: SegmentationNetwork, path: Path) -> None:
    """Write ``path``: input ``image`` (1, 3, h, w), outputs ``maps``, ``kinds``, ``views``, ``turned``."""
    part = path.with_suffix(".part.onnx")
    example = torch.zeros(1, 3, 288, 384)
    torch.onnx.export(
        _Answer(network).eval(),
        (example,),
        str(part),
        input_names=["image"],
        output_names=["maps", "kinds", "views", "turned"],
        dynamic_axes={
            "image": {2: "height", 3: "width"},
            "maps": {2: "height", 3: "width"},
            "kinds": {2: "half_height", 3: "half_width"},
        },
        opset_version=17,
        dynamo=False,
    )
    _halve_weights(part)
    part.replace(path)
