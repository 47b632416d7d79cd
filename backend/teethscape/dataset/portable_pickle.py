"""Pickles of arrays that every numpy reads: 1 or 2, older or newer than the writer.

A plain pickle names the private module in which its numpy keeps the array type
(``numpy.core`` or ``numpy._core``), so numpy 1 cannot read what numpy 2 wrote. Here an
array becomes a call of the public ``numpy.array`` on nested lists. For small arrays only.
"""

from __future__ import annotations

import pickle
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from teethscape.errors import BadInputError

#: Readable since Python 3.4.
_PROTOCOL = 4
#: What a pickle may call when we read it: nothing that runs code of the file.
_ALLOWED = {
    ("numpy", name) for name in ("array", "ndarray", "dtype")
} | {
    (f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")
}  # fmt: skip


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        """Arrays by ``numpy.array``, all else as usual."""
        if isinstance(obj, np.ndarray):
            return np.array, (obj.tolist(), obj.dtype.str)
        if isinstance(obj, np.generic):
            raise TypeError(f"a scalar of numpy ({obj!r}) is not portable; give float(...) or int(...)")
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Numpy's constructors only.

        Raises:
            pickle.UnpicklingError: the file wants to call anything else.
        """
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it calls {module}.{name}")
        return super().find_class(module, name)


def dumps(value: Any) -> bytes:
    """Pickle lists, dicts, numbers, strings and small arrays; equal values give equal bytes."""
    stream = BytesIO()
    _Pickler(stream, _PROTOCOL).dump(value)
    return stream.getvalue()


def load(path: Path) -> Any:
    """Read a pickle of arrays, ours or published, without running code that hides in it.

    Raises:
        BadInputError: not such a pickle.
    """
    return loads(path.read_bytes(), str(path))


def loads(data: bytes, name: str) -> Any:
    """The same for the content of a file that ``name`` says.

    Raises:
        BadInputError: not such a pickle.
    """
    try:
        return _Unpickler(BytesIO(data)).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise BadInputError(
            "pickle_unreadable", f"{name} is no pickle of arrays ({error}).", "Render the folder again."
        ) from error
