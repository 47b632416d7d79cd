"""The safetensors format: a JSON header and the plain bytes behind it, read and written.

Format: 8 bytes length of the header (little-endian), the header, the data. The header maps
names to type, shape and range of bytes; ``__metadata__`` holds texts.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from teethscape.weights.damage import damaged
from teethscape.weights.tensors import ITEM_BYTES, Contents, FileKind, TensorInfo, WeightsFile

_TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8",
    "BOOL": "bool", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "C64": "complex64",
}  # fmt: skip
_NAMES = {dtype: name for name, dtype in _TYPES.items()}
#: Largest header that is read, bytes; the format's own limit.
_LARGEST_HEADER = 100_000_000
_ALIGNMENT = 8
_CHUNK = 8 << 20


class SafetensorsFile(WeightsFile):
    """An open file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream = path.open("rb")
        try:
            header, self._begin = _read_header(self._stream, path)
            notes = header.pop("__metadata__", {})
            self._places: dict[str, tuple[int, int]] = {}
            infos = tuple(self._info(name, entry) for name, entry in header.items())
            self._check_size(path)
        except BaseException:
            self._stream.close()
            raise
        self.contents = Contents(FileKind.SAFETENSORS, infos, notes=dict(notes))

    def _info(self, name: str, entry: Any) -> TensorInfo:
        try:
            begin, end = entry["data_offsets"]
            info = TensorInfo(
                name, tuple(map(int, entry["shape"])), _TYPES.get(entry["dtype"], str(entry["dtype"]))
            )
            wanted = info.elements * ITEM_BYTES.get(info.dtype, 0)
        except (TypeError, KeyError, ValueError) as error:
            raise damaged(self.path, f"entry {name[:60]}") from error
        if not 0 <= begin <= end or (info.dtype in ITEM_BYTES and end - begin != wanted):
            raise damaged(self.path, f"entry {name[:60]} has a wrong size")
        self._places[name] = (int(begin), int(end))
        return info

    def _check_size(self, path: Path) -> None:
        end = self._begin + max((end for _, end in self._places.values()), default=0)
        if path.stat().st_size < end:
            raise damaged(path, "it ends too early")

    def chunks(self, name: str) -> Iterator[bytes]:
        """The elements of a tensor."""
        begin, end = self._places[name]
        self._stream.seek(self._begin + begin)
        rest = end - begin
        while rest:
            piece = self._stream.read(min(rest, _CHUNK))
            if not piece:
                raise damaged(self.path, "it ends too early")
            rest -= len(piece)
            yield piece

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def _read_header(stream: BinaryIO, path: Path) -> tuple[dict[str, Any], int]:
    """The header, and where the data begin."""
    start = stream.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    if not 2 <= length <= _LARGEST_HEADER:
        raise damaged(path, "it has no header")
    try:
        header = json.loads(stream.read(length).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise damaged(path, "its header is no JSON") from error
    if not isinstance(header, dict) or not isinstance(header.get("__metadata__", {}), dict):
        raise damaged(path, "its header is no object")
    return header, 8 + length


def write_safetensors(
    stream: BinaryIO,
    tensors: Iterable[TensorInfo],
    chunks: Callable[[str], Iterable[bytes]],
    notes: Mapping[str, str],
) -> None:
    """Write a file, one tensor after the other, so that memory stays small.

    Args:
        stream: where to write.
        tensors: what to write, in this order.
        chunks: gives the bytes of a tensor by its name.
        notes: texts for ``__metadata__``.
    """
    infos = list(tensors)
    stream.write(_header(infos, notes))
    for info in infos:
        written = 0
        for piece in chunks(info.name):
            written += stream.write(piece)
        if written != info.bytes:
            raise ValueError(f"{info.name} has {written} bytes instead of {info.bytes}")


def _header(infos: list[TensorInfo], notes: Mapping[str, str]) -> bytes:
    header: dict[str, Any] = {"__metadata__": dict(notes)}
    end = 0
    for info in infos:
        begin, end = end, end + info.bytes
        header[info.name] = {
            "dtype": _NAMES[info.dtype], "shape": list(info.shape), "data_offsets": [begin, end],
        }  # fmt: skip
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % _ALIGNMENT)
    return struct.pack("<Q", len(text)) + text
