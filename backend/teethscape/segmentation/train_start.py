"""Begin a training from an exported network, such as the one that ships (needs torch).

An export holds every convolution with its batch norm folded in. The norm is put back so that the network
answers as the export does: its statistics are those of the convolution on some training pictures, and scale
and offset undo them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from teethscape.errors import BadInputError
from teethscape.segmentation.train_network import SegmentationNetwork

Weights = tuple[NDArray, NDArray]
_ROOT = "network"
#: The last layers are the convolutions without a norm.
_NO_NORM = ("pixels", "kinds")
_ADVICE = "Give an ONNX file that `teethscape train segmenter` wrote."


@dataclass(frozen=True, eq=False)
class Export:
    """An exported network.

    Attributes:
        path: the file, for messages.
        folded: weight and bias of each convolution with its batch norm, by the name of the pair.
        plain: weight and bias of each other layer, by its name.
    """

    path: Path
    folded: dict[str, Weights]
    plain: dict[str, Weights]


def read_export(path: Path) -> Export:
    """Read an ONNX file that ``teethscape train segmenter`` wrote.

    Raises:
        BadInputError: it is no such network.
    """
    weights = _layers(path)
    modules = dict(SegmentationNetwork().named_modules())
    folded = {name: f"{name}.0" for name, module in modules.items() if _is_pair(module)}
    plain = [name for name, module in modules.items() if isinstance(module, nn.Linear) or name in _NO_NORM]
    missing = sorted({*folded.values(), *plain} - set(weights))
    if missing:
        words = f"{path.name} is no network of this kind: {missing[0]} is missing."
        raise BadInputError("weights_differ", words, _ADVICE)
    return Export(
        path, {name: weights[own] for name, own in folded.items()}, {name: weights[name] for name in plain}
    )


def load_export(network: SegmentationNetwork, export: Export, pictures: Iterable[Tensor]) -> None:
    """Give a network the weights of an exported one.

    Args:
        network: takes them.
        export: the other one.
        pictures: batches (n, 3, h, w) uint8 on which the batch norms' statistics are taken.

    Raises:
        BadInputError: layers of the export have other sizes.
    """
    for name, (weight, bias) in (export.folded | export.plain).items():
        _set(network.get_submodule(name), weight, bias, export.path)
    pairs = [pair for name in export.folded if isinstance(pair := network.get_submodule(name), nn.Sequential)]
    _restore_norms(pairs, network, list(pictures))


def _is_pair(module: nn.Module) -> bool:
    """Whether a module is a convolution and its batch norm."""
    kinds = [type(child) for child in module.children()]
    return kinds == [nn.Conv2d, nn.BatchNorm2d]


def _layers(path: Path) -> dict[str, Weights]:
    """Weight and bias of every convolution and linear layer of an export, by the layer's name."""
    import onnx  # only training has it
    from google.protobuf.message import DecodeError
    from onnx import numpy_helper

    try:
        graph = onnx.load(str(path)).graph
    except (OSError, DecodeError) as error:
        raise BadInputError("weights_damaged", f"{path} is no ONNX file: {error}", _ADVICE) from error
    values = {
        tensor.name.removesuffix("_half"): numpy_helper.to_array(tensor) for tensor in graph.initializer
    }
    out = {}
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm") and len(node.input) == 3:
            layer = _layer(node.name)
            if all(name in values for name in node.input[1:]):
                out[layer] = (values[node.input[1]], values[node.input[2]])
    return out


def _layer(node: str) -> str:
    """``/network/blocks.0/blocks.0.0/first/first.0/Conv`` to ``blocks.0.0.first.0``."""
    parts = [part for part in node.split("/") if part and part != _ROOT][:-1]
    name = ""
    for part in parts:
        # Members of a sequence repeat the sequence's own name.
        own = part.split(".")[0]
        known = name.split(".")
        at = max((k for k, piece in enumerate(known) if piece == own), default=-1)
        name = ".".join([*known[:at], part]) if at >= 0 else f"{name}.{part}".lstrip(".")
    return name


def _set(module: nn.Module, weight: NDArray, bias: NDArray, path: Path) -> None:
    """Weight and bias of a layer; a convolution's bias goes to its batch norm."""
    layer, offset = (module[0], module[1]) if isinstance(module, nn.Sequential) else (module, module)
    for own, name, value in ((layer, "weight", weight), (offset, "bias", bias)):
        wanted = own.get_parameter(name)
        if tuple(wanted.shape) != value.shape:
            raise BadInputError(
                "weights_differ",
                f"{path.name} has a layer of {value.shape}, not {tuple(wanted.shape)}.",
                _ADVICE,
            )
        with torch.no_grad():
            wanted.copy_(torch.from_numpy(value.astype(np.float32)))


@dataclass
class _Sums:
    """Means of a convolution's outputs and of their squares over pictures, each (channels,)."""

    mean: Tensor
    square: Tensor

    def watch(self, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        """Add the outputs for one batch; a forward hook."""
        self.mean = self.mean + output.mean(dim=(0, 2, 3))
        self.square = self.square + (output**2).mean(dim=(0, 2, 3))


def _restore_norms(pairs: list[nn.Sequential], network: SegmentationNetwork, pictures: list[Tensor]) -> None:
    """Give batch norms their convolutions' statistics, and scale and offset that undo what these change."""
    sums = [_Sums(torch.zeros(()), torch.zeros(())) for _ in pairs]
    hooks = [pair[0].register_forward_hook(some.watch) for pair, some in zip(pairs, sums, strict=True)]
    norms = [pair[1] for pair in pairs]
    with torch.no_grad():
        for norm in norms:
            _set_norm(norm, torch.zeros(()), torch.ones(()))
        network.eval()
        for batch in pictures:
            network(batch.float() / 255)
        for norm, some in zip(norms, sums, strict=True):
            mean = some.mean / len(pictures)
            _set_norm(norm, mean, some.square / len(pictures) - mean**2)
            norm.get_parameter("bias").add_(mean)
    for hook in hooks:
        hook.remove()


def _set_norm(norm: nn.Module, mean: Tensor, variance: Tensor) -> None:
    """Statistics of a batch norm, and the scale that undoes the variance."""
    assert isinstance(norm, nn.BatchNorm2d)  # noqa: S101 - as chosen above
    whole = variance.clamp_min(1e-6)
    norm.get_buffer("running_mean").copy_(mean)
    norm.get_buffer("running_var").copy_(whole - norm.eps)
    norm.get_parameter("weight").copy_(torch.sqrt(whole))
