"""Read the pickle of a checkpoint without running any of the code that it names.

A pickle is a small program that may call any function by its name. Here a name never
becomes a function: the handful of names that rebuild tensors lead to records of our own,
every other name to a `Placeholder` that keeps what it is given and does nothing.
(What Python's documentation calls "restricting globals".)
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from teethscape.weights.tensors import ITEM_BYTES

#: Largest pickle that is read, bytes: the tensors themselves lie outside of it.
LARGEST_PICKLE = 256_000_000
_STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16",
    "CharStorage": "int8", "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128", "UntypedStorage": "uint8",
}  # fmt: skip
_DTYPES = {
    **{name: name for name in ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16")},
    **{name: name for name in ("int8", "uint8", "uint16", "uint32", "uint64", "bool", "complex64")},
    **{name: name for name in ("complex128", "float8_e4m3fn", "float8_e5m2")},
    **{"double": "float64", "float": "float32", "half": "float16", "long": "int64", "int": "int32"},
}
#: Names that are plain values or belong to every checkpoint; they become placeholders all the same.
_HARMLESS = {
    "builtins.set", "builtins.frozenset", "builtins.complex", "builtins.slice", "_codecs.encode",
    "collections.defaultdict", "torch.device", "torch.Size", "torch.serialization._get_layout",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype", "numpy.ndarray",
    "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct",
}  # fmt: skip


@dataclass(frozen=True)
class Storage:
    """A block of elements outside of the pickle.

    Attributes:
        key: its name in the archive.
        dtype: type of its elements.
        count: number of its elements.
    """

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class PickledTensor:
    """A view into a storage; offset and strides count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str

    @property
    def span(self) -> int:
        """Elements of the storage from the tensor's first to its last, when it has any."""
        return 1 + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))


@dataclass(frozen=True)
class _Named:
    """A storage class or a type of elements, by its name."""

    dtype: str


class Placeholder:
    """Stands for an object of a class that we do not load; keeps its state, does nothing.

    Attributes:
        state: what the pickle would have set as attributes or items.
    """

    state: dict[Any, Any]

    def __new__(cls, *_: Any, **__: Any) -> Placeholder:
        """A pickle may make objects without calling their constructor."""
        made = super().__new__(cls)
        made.state = {}
        return made

    def __init__(self, *_: Any, **__: Any) -> None:
        """Takes whatever a pickle gives."""

    def __setstate__(self, state: Any) -> None:
        self._keep(state)

    def __call__(self, *_: Any, **__: Any) -> Placeholder:
        """What a call would give: another object that does nothing."""
        return Placeholder()

    def __setitem__(self, key: Any, value: Any) -> None:
        self.state[key] = value

    def append(self, value: Any) -> None:
        """Keep an item, as a list would."""
        self.state[len(self.state)] = value

    def extend(self, values: Any) -> None:
        """Keep items, as a list would."""
        for value in values:
            self.append(value)

    def add(self, value: Any) -> None:
        """Keep an item, as a set would."""
        self.append(value)

    def _keep(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) == 2 and isinstance(state[0], (Mapping, type(None))):
            for part in state:
                self._keep(part)
        elif isinstance(state, Mapping):
            self.state.update(state)


class _Called(type):
    """Tells when a pickle calls a stand-in, instead of only making an object of its class."""

    called: Callable[[], None]

    def __call__(cls, *values: Any, **named: Any) -> Any:
        cls.called()
        return super().__call__(*values, **named)


@dataclass(frozen=True)
class Foreign:
    """Names in a pickle that are neither tensors nor plain values.

    Attributes:
        named: all of them.
        called: those that opening the file with PyTorch would call, instead of only making objects of them.
    """

    named: tuple[str, ...] = ()
    called: tuple[str, ...] = ()


class PickleReader(pickle._Unpickler):
    """Unpickles values, tensors and placeholders.

    It is Python's own unpickler written in Python: the one in C reserves as much memory
    as a damaged or hostile pickle asks for.

    Attributes:
        foreign: names in the pickle that are neither tensors nor plain values, and whether they are called.
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream, encoding="utf-8")
        self.foreign: dict[str, bool] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Our own stand-in for a name; nothing is imported."""
        if module == "collections" and name == "OrderedDict":
            return OrderedDict
        if module.split(".")[0] == "torch":
            known = _torch_name(name)
            if known is not None:
                return known
        full = f"{'builtins' if module == '__builtin__' else module}.{name}"
        if full in _HARMLESS or module.startswith("__torch__"):
            return Placeholder
        self.foreign.setdefault(full, False)

        def called() -> None:
            self.foreign[full] = True

        return _Called("Placeholder", (Placeholder,), {"called": staticmethod(called)})

    def persistent_load(self, pid: Any) -> Any:
        """A storage: ("storage", class, key, place, number of elements[, view])."""
        if not (isinstance(pid, tuple) and len(pid) >= 5 and pid[0] == "storage"):
            raise pickle.UnpicklingError("an unknown kind of reference")
        dtype = pid[1].dtype if isinstance(pid[1], _Named) else "uint8"
        return Storage(str(pid[2]), dtype, int(pid[4]))


def _torch_name(name: str) -> Any:
    """Stand-ins for torch's names that rebuild tensors; None for all others."""
    if name in _STORAGES:
        return _Named(_STORAGES[name])
    if name in _DTYPES:
        return _Named(_DTYPES[name])
    return _Rebuilder(name) if name in _REBUILDERS else None


class _Rebuilder:
    """A function of ours that a pickle may call but not alter."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *values: Any) -> Any:
        return _REBUILDERS[self._name](*values)

    def __setstate__(self, _: Any) -> None:
        raise pickle.UnpicklingError("it alters a function")


def _tensor(storage: Any, offset: int, shape: Any, strides: Any, *rest: Any) -> PickledTensor:
    """``_rebuild_tensor`` and its later forms; the third names a type of its own."""
    if not isinstance(storage, Storage):
        raise pickle.UnpicklingError("a tensor without storage")
    dtype = next((item.dtype for item in rest if isinstance(item, _Named)), storage.dtype)
    tensor = PickledTensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)), dtype)
    _require_inside(tensor)
    return tensor


def _require_inside(tensor: PickledTensor) -> None:
    """Refuse a tensor whose elements lie outside of its storage: reading it would read foreign memory."""
    if len(tensor.shape) != len(tensor.strides):
        raise pickle.UnpicklingError("a tensor with more sizes than strides, or fewer")
    if min(tensor.offset, *tensor.shape, *tensor.strides, 0) < 0:
        raise pickle.UnpicklingError("a tensor with a negative place, size or stride")
    if 0 in tensor.shape:
        return
    storage = tensor.storage
    there = storage.count * ITEM_BYTES[storage.dtype] // ITEM_BYTES[tensor.dtype]
    if tensor.offset + tensor.span > there:
        raise pickle.UnpicklingError("a tensor that reaches beyond its storage")


def _parameter(data: Any, *_: Any) -> Any:
    """``_rebuild_parameter``: the tensor in it."""
    return data


_REBUILDERS: Mapping[str, Callable[..., Any]] = {
    "_rebuild_tensor": _tensor,
    "_rebuild_tensor_v2": _tensor,
    "_rebuild_tensor_v3": _tensor,
    "_rebuild_parameter": _parameter,
    "_rebuild_parameter_with_state": _parameter,
}


def read_pickle(stream: BinaryIO) -> tuple[Any, Foreign]:
    """The object of one pickle, and the foreign names in it.

    Raises:
        pickle.UnpicklingError: it is damaged, or uses what no checkpoint needs.
    """
    reader = PickleReader(stream)
    try:
        value = reader.load()
    except (EOFError, KeyError, ValueError, TypeError, IndexError, AttributeError, UnicodeError) as error:
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from error
    except (RecursionError, OverflowError, NotImplementedError, ImportError) as error:
        raise pickle.UnpicklingError(type(error).__name__) from error
    return value, Foreign(tuple(reader.foreign), tuple(n for n, called in reader.foreign.items() if called))


def read_pickle_bytes(data: bytes) -> tuple[Any, Foreign]:
    """The same for bytes."""
    return read_pickle(io.BytesIO(data))
