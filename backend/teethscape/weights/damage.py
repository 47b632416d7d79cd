"""What Python's readers raise about damaged files, as one error that a user understands."""

from __future__ import annotations

import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from teethscape.errors import BadInputError

#: A damaged archive may raise almost anything: unknown methods, encryption, wrong places, broken names.
_SIGNS = (
    zipfile.BadZipFile, zlib.error, struct.error, pickle.UnpicklingError, NotImplementedError, RuntimeError,
    ValueError, EOFError, IndexError, KeyError, OSError,
)  # fmt: skip


def damaged(path: Path, reason: str) -> BadInputError:
    """The refusal of a file that cannot be read."""
    return BadInputError(
        "weights_damaged", f"{path.name} cannot be read as weights ({reason}).", "Download or copy it again."
    )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a damaged file makes the readers raise into `damaged`.

    Raises:
        BadInputError: the file is damaged, or may not be read.
    """
    try:
        yield
    except PermissionError as error:
        raise BadInputError(
            "file_permission", f"{path} may not be read by this user.", "Give yourself permission to read it."
        ) from error
    except _SIGNS as error:
        raise damaged(path, str(error)[:100] or type(error).__name__) from error
    except MemoryError as error:
        raise damaged(path, "it asks for more memory than there is") from error
