"""Initialisers of an ONNX file, told from the protocol-buffer wire format without the onnx package.

Fields read: ``ModelProto.graph`` 7 and ``producer_name`` 2; ``GraphProto.initializer`` 5;
``TensorProto`` dims 1, data_type 2, name 8, raw_data 9, data_location 14 (onnx.proto3).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from teethscape.weights.damage import damaged
from teethscape.weights.tensors import Contents, FileKind, TensorInfo, WeightsFile

_TYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128",
    16: "bfloat16", 17: "float8_e4m3fn", 19: "float8_e5m2",
}  # fmt: skip
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
Span = tuple[int, int]


class OnnxFile(WeightsFile):
    """An open ONNX file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as stream:
            try:
                self._data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError as error:
                raise damaged(path, "it is empty") from error
        self._raw: dict[str, Span] = {}
        try:
            self.contents = self._read()
        except (IndexError, ValueError) as error:
            self.close()
            raise damaged(path, "it is no ONNX model") from error

    def _read(self) -> Contents:
        infos: list[TensorInfo] = []
        notes: dict[str, str] = {}
        graphs = 0
        for number, value in _fields(self._data, (0, len(self._data))):
            if number == 7 and isinstance(value, tuple):
                graphs += 1
                infos += [
                    self._tensor(part)
                    for inner, part in _fields(self._data, value)
                    if inner == 5 and isinstance(part, tuple)
                ]
            elif number == 2 and isinstance(value, tuple):
                notes["producer"] = self._data[value[0] : value[1]].decode("utf-8", "replace")
        if not graphs:
            raise ValueError("no graph")
        return Contents(FileKind.ONNX, tuple(infos), notes=notes)

    def _tensor(self, span: Span) -> TensorInfo:
        shape: list[int] = []
        dtype, name, raw = 0, "", None
        for number, value in _fields(self._data, span):
            if number == 1:
                shape += [value] if isinstance(value, int) else _packed(self._data, value)
            elif number == 2 and isinstance(value, int):
                dtype = value
            elif number == 8 and isinstance(value, tuple):
                name = self._data[value[0] : value[1]].decode("utf-8", "replace")
            elif number == 9 and isinstance(value, tuple):
                raw = value
        if raw is not None:
            self._raw[name] = raw
        return TensorInfo(name, tuple(shape), _TYPES.get(dtype, f"onnx type {dtype}"))

    def chunks(self, name: str) -> Iterator[bytes]:
        """The elements of an initialiser that is stored as raw bytes."""
        if name not in self._raw:
            raise damaged(self.path, f"{name} is stored in a form that is not converted")
        begin, end = self._raw[name]
        yield self._data[begin:end]

    def close(self) -> None:
        """Close the file."""
        self._data.close()


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError("too long a number")


def _fields(data: mmap.mmap, span: Span) -> Iterator[tuple[int, int | Span]]:
    """Field numbers with their value: a number, or begin and end of bytes."""
    at, end = span
    while at < end:
        key, at = _varint(data, at)
        number, form = key >> 3, key & 7
        if form == _VARINT:
            value, at = _varint(data, at)
            yield number, value
        elif form == _BYTES:
            length, at = _varint(data, at)
            if at + length > end:
                raise ValueError("it ends too early")
            yield number, (at, at + length)
            at += length
        elif form in (_FIXED32, _FIXED64):
            at += 4 if form == _FIXED32 else 8
        else:
            raise ValueError("an unknown form")


def _packed(data: mmap.mmap, span: Span) -> list[int]:
    at, end = span
    values = []
    while at < end:
        value, at = _varint(data, at)
        values.append(value)
    return values
