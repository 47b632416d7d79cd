"""Checkpoints that torch wrote (.pth, .pt, .ckpt, .bin), read without torch.

Three forms: an archive with ``data.pkl`` and one entry per storage (since torch 1.6), a
TorchScript archive of the same build, and the older form, four pickles in a row with the
storages behind them.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

from teethscape.weights.damage import damaged, reading
from teethscape.weights.pickle_reader import (
    LARGEST_PICKLE,
    Foreign,
    PickledTensor,
    Storage,
    read_pickle,
    read_pickle_bytes,
)
from teethscape.weights.pickle_tree import all_tensors, notes_of, settings_of, weights_of
from teethscape.weights.tensors import ITEM_BYTES, Contents, FileKind, TensorInfo, WeightsFile

#: First object of the older form.
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_CHUNK = 8 << 20


class TorchFile(WeightsFile):
    """What the forms share: tensors that are views into storages."""

    def __init__(self, path: Path, kind: FileKind, value: Any, foreign: Foreign) -> None:
        self.path = path
        self._tensors, others = weights_of(value)
        infos = tuple(TensorInfo(name, t.shape, t.dtype) for name, t in self._tensors.items())
        self.contents = Contents(
            kind, infos, others, foreign.named, notes_of(value), settings_of(value), foreign.called
        )

    def _open(self, storage: Storage) -> IO[bytes]:
        """A stream whose first byte is the storage's first."""
        raise NotImplementedError

    def chunks(self, name: str) -> Iterator[bytes]:
        """The elements of a tensor, row by row."""
        tensor = self._tensors[name]
        size = ITEM_BYTES[tensor.dtype]
        if prod(tensor.shape) == 0:
            return
        with reading(self.path), self._open(tensor.storage) as stream:
            begin = tensor.offset * size
            if begin:
                stream.seek(begin, 1)
            if _is_contiguous(tensor):
                yield from _pieces(stream, prod(tensor.shape) * size, self.path)
            else:
                yield _gathered(stream, tensor, size, self.path)


class TorchArchive(TorchFile):
    """An archive, plain or TorchScript."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path)
        try:
            name = next((n for n in self._zip.namelist() if n.endswith("data.pkl")), "")
            if not name or self._zip.getinfo(name).file_size > LARGEST_PICKLE:
                raise damaged(path, "no data.pkl in the archive" if not name else "its pickle is too large")
            self._base = name.removesuffix("data.pkl")
            self._refuse_big_endian(path)
            value, foreign = read_pickle_bytes(self._zip.read(name))
            script = f"{self._base}constants.pkl" in self._zip.namelist()
            super().__init__(path, FileKind.TORCH_SCRIPT if script else FileKind.TORCH_ZIP, value, foreign)
        except BaseException:
            self._zip.close()
            raise

    def _refuse_big_endian(self, path: Path) -> None:
        order = f"{self._base}byteorder"
        if order in self._zip.namelist() and self._zip.read(order).strip() != b"little":
            raise damaged(path, "it was written on a big-endian machine")

    def _open(self, storage: Storage) -> IO[bytes]:
        return self._zip.open(f"{self._base}data/{storage.key}")

    def close(self) -> None:
        """Close the archive."""
        self._zip.close()


@dataclass(frozen=True)
class _Place:
    """Where a storage of the older form begins, bytes."""

    begin: int


class TorchLegacy(TorchFile):
    """The older form."""

    def __init__(self, path: Path) -> None:
        self._places: Mapping[str, _Place] = {}
        with path.open("rb") as stream:
            magic, _ = read_pickle(stream)
            if magic != LEGACY_MAGIC:
                raise damaged(path, "it is no checkpoint of torch")
            read_pickle(stream)  # version of the form
            system, _ = read_pickle(stream)
            if isinstance(system, Mapping) and not system.get("little_endian", True):
                raise damaged(path, "it was written on a big-endian machine")
            value, foreign = read_pickle(stream)
            keys, _ = read_pickle(stream)
            super().__init__(path, FileKind.TORCH_LEGACY, value, foreign)
            sizes = {t.storage.key: ITEM_BYTES[t.storage.dtype] for t in all_tensors(value)}
            self._places = _places(stream, keys, sizes)

    def _open(self, storage: Storage) -> IO[bytes]:
        if storage.key not in self._places:
            raise damaged(self.path, f"storage {storage.key} is missing")
        stream = self.path.open("rb")
        stream.seek(self._places[storage.key].begin)
        return stream

    def close(self) -> None:
        """Nothing is held open."""


def _places(stream: IO[bytes], keys: Any, sizes: Mapping[str, int]) -> dict[str, _Place]:
    """Begin of each storage: behind the pickles, each with the number of its elements (8 bytes) before it."""
    found: dict[str, _Place] = {}
    for key in keys if isinstance(keys, (list, tuple)) else ():
        count = int.from_bytes(stream.read(8), "little")
        if str(key) not in sizes:
            break
        found[str(key)] = _Place(stream.tell())
        stream.seek(count * sizes[str(key)], 1)
    return found


def _is_contiguous(tensor: PickledTensor) -> bool:
    step = 1
    for size, stride in zip(reversed(tensor.shape), reversed(tensor.strides), strict=True):
        if size != 1 and stride != step:
            return False
        step *= size
    return True


def _pieces(stream: IO[bytes], count: int, path: Path) -> Iterator[bytes]:
    while count:
        piece = stream.read(min(count, _CHUNK))
        if not piece:
            raise damaged(path, "it ends too early")
        count -= len(piece)
        yield piece


def _gathered(stream: IO[bytes], tensor: PickledTensor, size: int, path: Path) -> bytes:
    """Elements of a transposed or cut tensor, put in order."""
    import numpy as np

    data = b"".join(_pieces(stream, tensor.span * size, path))
    items = np.frombuffer(data, np.dtype(f"V{size}"))
    strides = [stride * size for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(items, tensor.shape, strides, writeable=False).tobytes()
