"""What a file of weights holds, told without running anything that is in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import prod
from types import TracebackType
from typing import Any

#: Bytes per element of each type, by the name that numpy and torch share.
ITEM_BYTES: Mapping[str, int] = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1, "float8_e5m2": 1,
    "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint64": 8, "uint32": 4, "uint16": 2, "uint8": 1,
    "bool": 1, "complex64": 8, "complex128": 16,
}  # fmt: skip


class FileKind(str, Enum):
    """Format of a file of weights."""

    TORCH_ZIP = "torch zip"
    TORCH_SCRIPT = "torch script"
    TORCH_LEGACY = "torch legacy"
    SAFETENSORS = "safetensors"
    ONNX = "onnx"
    NPZ = "npz"

    __str__ = str.__str__


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a file.

    Attributes:
        name: such as ``image_encoder.pos_embed``.
        shape: its sizes.
        dtype: type of its elements, such as ``float32``.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def elements(self) -> int:
        """Number of its elements."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """Its size; 0 for types that we do not know."""
        return self.elements * ITEM_BYTES.get(self.dtype, 0)


@dataclass(frozen=True)
class Contents:
    """What a file says about itself.

    Attributes:
        kind: the file's format.
        tensors: the weights proper, in the file's order.
        others: number of tensors beside them, such as an optimiser's.
        foreign: names of Python objects in a pickle that are neither tensors nor plain values.
        notes: plain values beside the weights, such as ``epoch``.
        settings: what a checkpoint remembers of its training, under ``args``.
        called: those of the foreign names that opening the file with PyTorch would call.
    """

    kind: FileKind
    tensors: tuple[TensorInfo, ...]
    others: int = 0
    foreign: tuple[str, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    called: tuple[str, ...] = ()


class WeightsFile(ABC):
    """An open file of weights; close it, or use it as a context."""

    contents: Contents

    @abstractmethod
    def chunks(self, name: str) -> Iterator[bytes]:
        """The elements of a tensor: row by row, little-endian, in pieces of a few megabytes.

        Raises:
            BadInputError: the file ends too early.
        """

    @abstractmethod
    def close(self) -> None:
        """Let the file go."""

    def __enter__(self) -> WeightsFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
