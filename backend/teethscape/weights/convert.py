"""Any file of weights becomes a safetensors file, tensor by tensor, without running what is in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from teethscape.dental.files import atomic_writer
from teethscape.errors import BadInputError
from teethscape.weights.damage import damaged
from teethscape.weights.open_file import open_weights
from teethscape.weights.safetensors_file import write_safetensors
from teethscape.weights.tensors import ITEM_BYTES, Contents, TensorInfo, WeightsFile

#: Called with the share (0..1) of the bytes that are written.
Watch = Callable[[float], None]


def convert(source: Path, target: Path, notes: dict[str, str], half: bool, watch: Watch) -> Contents:
    """Write the weights proper of a file as safetensors.

    Args:
        source: any file that `open_weights` reads.
        target: the file to write; the old one stays until the new one is whole.
        notes: texts for the file's ``__metadata__``.
        half: store float32 and float64 in half precision.
        watch: told of the progress; raising from it stops.

    Returns:
        What the source held.

    Raises:
        BadInputError: it holds no tensors, or some that cannot be stored.
    """
    with open_weights(source) as weights:
        infos = _storable(weights, source)
        total = max(sum(info.bytes for info in infos), 1)
        done = 0

        def watched(name: str) -> Iterator[bytes]:
            nonlocal done
            for piece in weights.chunks(name):
                done += len(piece)
                watch(done / total)
                yield piece

        targets = [_halved(info) if half else info for info in infos]
        chunks = _in_half(watched, {info.name: info.dtype for info in infos}) if half else watched
        with atomic_writer(target) as stream:
            write_safetensors(stream, targets, chunks, {"format": "pt", **notes})
        return weights.contents


def _storable(weights: WeightsFile, source: Path) -> tuple[TensorInfo, ...]:
    infos = weights.contents.tensors
    if not infos:
        raise BadInputError(
            "weights_empty", f"{source.name} holds no tensors.", "Choose the file with the weights."
        )
    for info in infos:
        if info.dtype not in ITEM_BYTES:
            raise damaged(source, f"{info.name} has elements of type {info.dtype}")
    return infos


def _halved(info: TensorInfo) -> TensorInfo:
    return replace(info, dtype="float16") if info.dtype in ("float32", "float64") else info


def _in_half(
    chunks: Callable[[str], Iterable[bytes]], types: dict[str, str]
) -> Callable[[str], Iterator[bytes]]:
    """The same pieces rounded to half precision; no piece ends within an element."""
    import numpy as np

    def halved(name: str) -> Iterator[bytes]:
        if types[name] not in ("float32", "float64"):
            yield from chunks(name)
            return
        size, rest = ITEM_BYTES[types[name]], b""
        for piece in chunks(name):
            data = rest + piece
            whole = len(data) // size * size
            rest = data[whole:]
            with np.errstate(over="ignore"):
                yield np.frombuffer(data[:whole], types[name]).astype("<f2").tobytes()

    return halved
