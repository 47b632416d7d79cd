"""Any failure as one of ours: what the user can mend wherever it happens, or our own mistake."""

from __future__ import annotations

import errno
import logging
import sys

from teethscape.errors import BadInputError, MissingComponentError, ResourceError, TeethscapeError
from teethscape.libraries import card_full

log = logging.getLogger(__name__)

#: What PyTorch says where the processor's own memory ends.
_TORCH_SHORT = "DefaultCPUAllocator: can't allocate memory"
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


def as_ours(error: Exception) -> TeethscapeError:
    """The failure with code, message and advice; of our own mistakes the whole story is in the case's log."""
    if isinstance(error, TeethscapeError):
        return error
    return card_full(error) or _mendable(error) or _internal(error)


def _mendable(error: Exception) -> TeethscapeError | None:
    if _is_short_of_memory(error):
        return ResourceError("out_of_memory", "There is not enough memory.", "Close other programs.")
    if isinstance(error, ModuleNotFoundError):
        words = f"The engine lacks the module {error.name}."
        return MissingComponentError("engine_incomplete", words, "Repair the engine.")
    if not isinstance(error, OSError):
        return None
    if error.errno in _FULL:
        return ResourceError("disk_full", "The disk is full.", "Free some space, then run it again.")
    if error.errno == errno.ENAMETOOLONG:
        words = f"{error.filename} is no path ({error.strerror})."
        return BadInputError("path_too_long", words, "Check the path.")
    return None


def _is_short_of_memory(error: Exception) -> bool:
    """Whether memory ended; OpenCV and PyTorch have errors of their own for it."""
    opencv = sys.modules.get("cv2")  # what nobody has imported has not failed
    if opencv is not None and isinstance(error, opencv.error):
        return getattr(error, "code", None) == opencv.Error.StsNoMem
    return isinstance(error, MemoryError) or _TORCH_SHORT in str(error)


def _internal(error: Exception) -> TeethscapeError:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = "" if frame is None else f" at {frame.tb_frame.f_globals.get('__name__')}:{frame.tb_lineno}"
    log.debug("internal error", exc_info=error)
    return ResourceError(
        "internal",
        f"The engine made a mistake ({type(error).__name__}{place}: {str(error)[:200]}).",
        "Please report it; log/engine.log in the case folder tells more.",
    )
