"""``teethscape weights inspect``: what a file of weights holds, as JSON values and as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from teethscape.errors import BadInputError, UsageError
from teethscape.segmentation.toothseg.expected import shape_differences
from teethscape.segmentation.toothseg.spec import NetworkSpec
from teethscape.segmentation.toothseg.spec import recognise as recognise_network
from teethscape.weights.catalogue import known_models
from teethscape.weights.layout import groups_of, recognise
from teethscape.weights.open_file import open_weights
from teethscape.weights.tensors import TensorInfo


def inspect_file(path: Path) -> dict[str, Any]:
    """Look into a file without running anything that is in it.

    Args:
        path: a checkpoint (.pth .ckpt .pt .bin), .safetensors, .onnx or .npz file.

    Returns:
        JSON values: form, known model, ToothSeg network if it looks like one and what it then
        lacks, tensors with shape, type and bytes, plain values beside them, and the names of
        Python objects that only running the file would make.

    Raises:
        BadInputError: the file cannot be read.
    """
    with open_weights(path) as weights:
        contents = weights.contents
    network, differences = toothseg_network(contents.tensors)
    return {
        "file": path.name,
        "bytes": path.stat().st_size,
        "form": contents.kind.value,
        "model": recognise(contents.tensors),
        "toothseg": network.to_json() if network else None,
        "toothseg_differences": list(differences),
        "parameters": sum(t.elements for t in contents.tensors),
        "other_tensors": contents.others,
        "foreign_objects": list(contents.foreign),
        "notes": dict(contents.notes),
        "tensors": [
            {"name": t.name, "shape": list(t.shape), "dtype": t.dtype, "bytes": t.bytes}
            for t in contents.tensors
        ],
        "groups": {name: [g.tensors, g.elements] for name, g in groups_of(contents.tensors).items()},
    }


def toothseg_network(tensors: Iterable[TensorInfo]) -> tuple[NetworkSpec | None, tuple[str, ...]]:
    """Which ToothSeg network tensors look like, and what keeps them from being all of it."""
    shapes = {t.name: t.shape for t in tensors}
    try:
        return recognise_network(shapes), shape_differences(shapes)
    except (BadInputError, UsageError):
        return None, ()


def describe(found: dict[str, Any], every_tensor: bool) -> Iterator[str]:
    """The same as lines of text.

    Args:
        found: what `inspect_file` returned.
        every_tensor: a line per tensor, not per group of names.
    """
    model = found["model"]
    yield f"{found['file']}: {found['form']}, {found['bytes'] / 1e6:.1f} MB"
    yield f"known model: {known_models()[model].title if model else 'none'}"
    if found["toothseg"]:
        yield "ToothSeg network: " + ", ".join(f"{name} {value}" for name, value in found["toothseg"].items())
    yield from (f"  but {difference}" for difference in found["toothseg_differences"])
    yield f"{len(found['tensors'])} tensors, {found['parameters']:,} numbers ({_types(found)})"
    if found["other_tensors"]:
        yield f"{found['other_tensors']} tensors beside the weights, such as an optimiser's"
    yield from (f"{name} = {value}" for name, value in found["notes"].items())
    if every_tensor:
        yield from (_line(tensor) for tensor in found["tensors"])
    else:
        for name, (tensors, elements) in found["groups"].items():
            yield f"  {name:<48} {tensors:5d} tensors {elements:14,d}"
    if found["foreign_objects"]:
        yield "Objects in the file that are no tensors; they were not made, and nothing was run:"
        yield from (f"  {name}" for name in found["foreign_objects"])


def _types(found: dict[str, Any]) -> str:
    return ", ".join(sorted({tensor["dtype"] for tensor in found["tensors"]})) or "none"


def _line(tensor: dict[str, Any]) -> str:
    return f"  {tensor['name']:<72} {' x '.join(map(str, tensor['shape'])) or 'scalar':<24} {tensor['dtype']}"
