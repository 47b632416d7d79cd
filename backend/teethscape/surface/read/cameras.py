"""What readers check of cameras alike, whichever program wrote them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from teethscape.errors import BadInputError
from teethscape.surface.views import Array

#: How far a rotation's axes may be from unit and square; files keep few digits.
_SKEW = 0.01


def first_askew(turns: Array) -> int | None:
    """Number of the first of (n, 3, 3) matrices that is no rotation, None where all are; mirrors are none."""
    off = np.abs(turns @ turns.transpose(0, 2, 1) - np.eye(3)).max(axis=(1, 2))
    askew = np.flatnonzero((off > _SKEW) | (np.linalg.det(turns) < 0))
    return int(askew[0]) if len(askew) else None


def fitting(intrinsics: Array, sizes: Array, names: Sequence[str], size: tuple[int, int]) -> Array:
    """The intrinsics (n, 3, 3) for pictures that were made smaller or larger afterwards.

    Args:
        intrinsics: (n, 3, 3) of the pictures as the cameras' program saw them.
        sizes: (n, 2) their width and height, px.
        names: of the pictures as they are, for messages.
        size: width and height of those, px.

    Raises:
        BadInputError: a camera has other proportions than its picture.
    """
    out, (width, height) = intrinsics.copy(), size
    for k, (name, seen) in enumerate(zip(names, sizes, strict=True)):
        factor = width / seen[0] if seen[0] > 0 else 0.0
        if abs(seen[1] * factor - height) > 1:
            raise BadInputError(
                "views_damaged",
                f"{name} has {width} x {height} pixels and its camera {seen[0]:.0f} x {seen[1]:.0f}.",
                "Give the pictures that the cameras were made for, or ones made smaller as a whole.",
            )
        out[k, 0] *= factor
        out[k, 1] *= height / seen[1]
    return out
