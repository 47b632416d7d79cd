"""Pictures of a data set: all there, readable, of one size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from teethscape.errors import BadInputError
from teethscape.surface.read.folder import read_rgba, stacked
from teethscape.surface.views import FloatImage


def read_pictures(paths: Sequence[Path]) -> FloatImage:
    """(n, h, w, 4) 0..1, opaque where a file has no opacity.

    Raises:
        BadInputError: a picture is missing, damaged or of another size than the others; or there are none.
    """
    if not paths:
        raise BadInputError("views_missing", "The data set lists no pictures.", "Export it anew.")
    absent = next((path for path in paths if not path.is_file()), None)
    if absent is not None:
        raise BadInputError(
            "views_missing", f"{absent} does not exist.", "Put it back, or export the data set without it."
        )
    return stacked([read_rgba(path) for path in paths], paths)
