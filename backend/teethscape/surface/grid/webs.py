"""Webs: what a start that was grown has filled between teeth, and how they are opened again.

Where masks are uncertain the start is grown, and gaps of a few pixels close. The points of such a web have
normals far off those that the view shows, which the solution takes for a mismatch of the view and hardly
believes; so a web would stay. It is told from a mismatch by the picture itself: beside a gap the normals turn
towards each other, as only what is hollow shows them, and opened until normals are believed again.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.surface.grid.field import GridField
from teethscape.surface.grid.looks import Look, amid_known
from teethscape.surface.grid.rows import Compared, compared, seen_points

#: Error of the normals (length) and hollowness of the picture (1 / px) from which a pixel shows a web; both
#: are taken as means of its neighbours, with weights of this standard deviation, px.
_ERROR, _HOLLOW, _AROUND = 0.7, 0.05, 1.5
#: By how much a web is opened at once, nodes. More would cut into the teeth beside it.
_DEPTH = 0.5


def opened(field: GridField, looks: list[Look], band: float) -> GridField:
    """The field, less some of its webs.

    Args:
        field: the present one, mm.
        looks: views with normals.
        band: half width of the values that are kept as they are, nodes.
    """
    mesh = field.surface()
    values = field.values.copy()
    web = np.zeros(values.size, bool)
    for look in looks:
        seen, _ = seen_points(look, mesh)
        found = compared(look, field, seen)
        web[found.columns[_shows_web(look, found)]] = True
    values.ravel()[web] += _DEPTH * field.pitch
    return replace(field, values=values).redistanced(band)


def _shows_web(look: Look, found: Compared) -> NDArray[np.bool_]:
    """(n,) which of the compared points lie on a web."""
    error, seen = (np.zeros(look.known.shape, np.float32) for _ in range(2))
    error.ravel()[found.seen.pixel] = found.error
    seen.ravel()[found.seen.pixel] = 1
    mean = _around(error) / np.maximum(_around(seen), 1e-3)
    web = (mean > _ERROR) & (_around(hollowness(look)) > _HOLLOW)
    return web.ravel()[found.seen.pixel]


def hollowness(look: Look) -> NDArray[np.float32]:
    """(h, w) how fast the normals of a view turn towards each other, 1 / px; 0 beside unknown ones."""
    right, down, _ = look.camera.rotation.astype(np.float32)  # the picture's axes in the world
    apart = look.slopes[..., 0] @ right + look.slopes[..., 1] @ down
    return np.where(amid_known(look.known), -apart, 0).astype(np.float32)


def _around(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), _AROUND), np.float32)
