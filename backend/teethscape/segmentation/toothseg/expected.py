"""Names and shapes of all tensors of a ToothSeg network, without torch."""

from __future__ import annotations

from collections.abc import Iterator

from teethscape.segmentation.toothseg.spec import (
    REDUCTION,
    Gates,
    ModelType,
    NetworkSpec,
    Shapes,
    our_name,
    recognise,
)

_Named = Iterator[tuple[str, tuple[int, ...]]]


def expected_shapes(spec: NetworkSpec) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of a network's state dict."""
    found = dict(_plain(spec))
    if spec.model is not ModelType.UNET:
        found |= dict(_gates(spec))
    if spec.model is ModelType.NAC:
        found |= dict(_context(spec))
    return found


def shape_differences(shapes: Shapes) -> tuple[str, ...]:
    """What keeps tensors from being the whole ToothSeg network that they look like, in words.

    Raises:
        BadInputError: they do not look like one.
    """
    wanted = expected_shapes(recognise(shapes))
    there = {our_name(name, shapes): tuple(shape) for name, shape in shapes.items()}
    lacking = [f"{name} is missing" for name in wanted if name not in there]
    other = [
        f"{name} is {_text(there[name])}, not {_text(shape)}"
        for name, shape in wanted.items()
        if name in there and there[name] != shape
    ]
    return (*lacking, *other, *(f"{name} is unknown" for name in there if name not in wanted))


def summed_up(differences: tuple[str, ...], count: int = 3) -> str:
    """The first differences, and how many more there are."""
    more = len(differences) - count
    return "; ".join(differences[:count]) + (f"; and {more} more" if more > 0 else "")


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"


def _plain(spec: NetworkSpec) -> _Named:
    b, f = spec.base, 2 if spec.bilinear else 1
    yield from _double("inc", spec.inputs, b, b)
    for level, width in enumerate((b, 2 * b, 4 * b, 8 * b), start=1):
        deeper = 2 * width // (f if level == 4 else 1)
        yield from _double(f"down{level}.maxpool_conv.1", width, deeper, deeper)
    for level, width in enumerate((16 * b, 8 * b, 4 * b, 2 * b), start=1):
        out = width // 2 // (f if level < 4 else 1)
        if not spec.bilinear:
            yield f"up{level}.up.weight", (width, width // 2, 2, 2)
            yield f"up{level}.up.bias", (width // 2,)
        yield from _double(f"up{level}.conv", width, width // 2 if spec.bilinear else out, out)
    yield from _conv("outc.conv", b, spec.outputs, 1)


def _gates(spec: NetworkSpec) -> _Named:
    f = 2 if spec.bilinear else 1
    for number, times in enumerate((8, 4, 2, 1), start=1):
        skip, name = times * spec.base, f"scAG{number}"
        yield f"{name}.mlp.1.weight", (skip // REDUCTION, skip, 1, 1)
        yield f"{name}.mlp.3.weight", (skip, skip // REDUCTION, 1, 1)
        if spec.gates is Gates.OLD:
            yield f"{name}.conv.weight", (1, 2, 7, 7)
            continue
        yield f"{name}.conv_spatial.weight", (1, 2, 7, 7)
        yield f"{name}.conv_query.weight", (skip, 2 * skip // f, 1, 1)
        yield from _norm(f"{name}.bn_query", skip)


def _context(spec: NetworkSpec) -> _Named:
    width = 16 * spec.base // (2 if spec.bilinear else 1)
    for branch in range(1, 5):
        yield from _conv(f"bottleneck_nac.branch{branch}", width, width, 3)
    yield from _conv("bottleneck_nac.weight_gen.1", width, width // 4, 1)
    yield from _conv("bottleneck_nac.weight_gen.3", width // 4, 4, 1)


def _double(name: str, inputs: int, middle: int, outputs: int) -> _Named:
    yield f"{name}.double_conv.0.weight", (middle, inputs, 3, 3)
    yield from _norm(f"{name}.double_conv.1", middle)
    yield f"{name}.double_conv.3.weight", (outputs, middle, 3, 3)
    yield from _norm(f"{name}.double_conv.4", outputs)


def _norm(name: str, width: int) -> _Named:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (width,)
    yield f"{name}.num_batches_tracked", ()


def _conv(name: str, inputs: int, outputs: int, side: int) -> _Named:
    yield f"{name}.weight", (outputs, inputs, side, side)
    yield f"{name}.bias", (outputs,)
