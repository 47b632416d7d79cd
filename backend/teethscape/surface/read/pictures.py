"""Pictures of a data set: all there, readable, of one size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from teethscape.errors import BadInputError
from teethscape.surface.read.folder import read_rgba
from teethscape.surface.views import FloatImage


def read_pictures(paths: Sequence[Path]) -> FloatImage:
    """(n, h, w, 4) 0..1, opaque where a file has no opacity.

    Raises:
        BadInputError: a picture is missing, damaged or of another size than the first; or there are none.
    """
    if not paths:
        raise BadInputError("views_missing", "The data set lists no pictures.", "Export it anew.")
    absent = next((path for path in paths if not path.is_file()), None)
    if absent is not None:
        raise BadInputError(
            "views_missing", f"{absent} does not exist.", "Put it back, or export the data set without it."
        )
    pictures = [read_rgba(path) for path in paths]
    for path, picture in zip(paths, pictures, strict=True):
        if picture.shape != pictures[0].shape:
            raise BadInputError(
                "views_damaged",
                f"{path} has {_size(picture)} pixels and {paths[0].name} {_size(pictures[0])}.",
                "Export all pictures at one size.",
            )
    return np.stack(pictures)


def _size(picture: FloatImage) -> str:
    return f"{picture.shape[1]} x {picture.shape[0]}"
