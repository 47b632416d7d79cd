"""Any file of weights becomes a safetensors file, tensor by tensor, without running what is in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from teethscape.dental.files import atomic_writer
from teethscape.errors import BadInputError
from teethscape.weights.damage import damaged
from teethscape.weights.open_file import open_weights
from teethscape.weights.safetensors_file import write_safetensors
from teethscape.weights.tensor_table import SCHEDULE, Table
from teethscape.weights.tensors import ITEM_BYTES, Contents, TensorInfo, WeightsFile

#: Called with the share (0..1) of the bytes that are written.
Watch = Callable[[float], None]


@dataclass(frozen=True)
class Storing:
    """How tensors are stored.

    Attributes:
        half: float32 and float64 in half precision.
        exact: names that keep their type even so.
        only: names to store; None for all.
    """

    half: bool = False
    exact: frozenset[str] = frozenset()
    only: frozenset[str] | None = None

    @classmethod
    def of(cls, table: Table) -> Storing:
        """A network of the teethdreamer engine: in half precision, without what is not its own."""
        return cls(True, SCHEDULE, frozenset(table.shapes))

    def info(self, info: TensorInfo) -> TensorInfo:
        """The tensor as it is stored."""
        halved = self.half and info.dtype in ("float32", "float64") and info.name not in self.exact
        return replace(info, dtype="float16") if halved else info


def convert(source: Path, target: Path, notes: dict[str, str], storing: Storing, watch: Watch) -> Contents:
    """Write the weights proper of a file as safetensors.

    Args:
        source: any file that `open_weights` reads.
        target: the file to write; the old one stays until the new one is whole.
        notes: texts for the file's ``__metadata__``.
        storing: which tensors, and in which precision.
        watch: told of the progress; raising from it stops.

    Returns:
        What the source held.

    Raises:
        BadInputError: it holds no tensors, or some that cannot be stored.
    """
    with open_weights(source) as weights:
        infos = _storable(weights, source, storing)
        total = max(sum(info.bytes for info in infos), 1)
        done = 0

        def watched(name: str) -> Iterator[bytes]:
            nonlocal done
            for piece in weights.chunks(name):
                done += len(piece)
                watch(done / total)
                yield piece

        targets = [storing.info(info) for info in infos]
        halved = {info.name: info.dtype for info in infos if storing.info(info) != info}
        chunks = _in_half(watched, halved) if halved else watched
        with atomic_writer(target) as stream:
            write_safetensors(stream, targets, chunks, {"format": "pt", **notes})
        return weights.contents


def _storable(weights: WeightsFile, source: Path, storing: Storing) -> tuple[TensorInfo, ...]:
    infos = tuple(t for t in weights.contents.tensors if storing.only is None or t.name in storing.only)
    if not infos:
        raise BadInputError(
            "weights_empty", f"{source.name} holds no tensors.", "Choose the file with the weights."
        )
    for info in infos:
        if info.dtype not in ITEM_BYTES:
            raise damaged(source, f"{info.name} has elements of type {info.dtype}")
    return infos


def _in_half(
    chunks: Callable[[str], Iterable[bytes]], types: dict[str, str]
) -> Callable[[str], Iterator[bytes]]:
    """The same pieces rounded to half precision; no piece ends within an element."""
    import numpy as np

    def halved(name: str) -> Iterator[bytes]:
        if name not in types:
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
