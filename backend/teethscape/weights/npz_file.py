"""Arrays of a NumPy archive; arrays of Python objects (pickles) are named, never loaded."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from numpy.lib import format as npy

from teethscape.weights.damage import damaged, reading
from teethscape.weights.tensors import Contents, FileKind, TensorInfo, WeightsFile

_CHUNK = 8 << 20


class NpzFile(WeightsFile):
    """An open archive."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zip = zipfile.ZipFile(path)
        self._begins: dict[str, int] = {}
        try:
            infos = [self._info(n) for n in self._zip.namelist() if n.endswith(".npy")]
        except BaseException:
            self.close()
            raise
        foreign = tuple(f"numpy objects in {info.name}" for info in infos if info.dtype == "object")
        self.contents = Contents(FileKind.NPZ, tuple(infos), foreign=foreign)

    def _info(self, member: str) -> TensorInfo:
        with self._zip.open(member) as stream:
            version = npy.read_magic(stream)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, fortran, dtype = read(stream)
            if not (fortran and len(shape) > 1) and not dtype.hasobject:
                self._begins[member.removesuffix(".npy")] = stream.tell()
        return TensorInfo(member.removesuffix(".npy"), tuple(shape), dtype.name)

    def chunks(self, name: str) -> Iterator[bytes]:
        """The elements of an array."""
        if name not in self._begins:
            raise damaged(self.path, f"{name} is stored in a form that is not converted")
        with reading(self.path), self._zip.open(f"{name}.npy") as stream:
            stream.seek(self._begins[name])
            while piece := stream.read(_CHUNK):
                yield piece

    def close(self) -> None:
        """Close the archive."""
        self._zip.close()
