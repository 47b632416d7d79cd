"""How far the outline of a surface lies beyond the borders of the masks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from teethscape.surface.grid.looks import Look, hits
from teethscape.surface.hull import mask_distances, outermost
from teethscape.surface.mesh.marching import Array, Faces

#: Distance beyond which a border says no more, px: there a surface lacks something, or has too much.
_FAR_PX = 1.5
#: Fewer pixels tell nothing.
_ENOUGH = 30


def beyond_borders(looks: list[Look], vertices: Array, faces: Faces) -> Array:
    """(n,) how far a mesh (mm) reaches beyond the border of each mask, px, negative inside.

    The mean of both ways: from the mesh's outline to the mask, and back. NaN where a picture shows too
    little of either border.
    """
    return np.array([_beyond(look, np.isfinite(hits(look, vertices, faces))) for look in looks])


def _beyond(look: Look, drawn: NDArray[np.bool_]) -> float:
    from_drawn, from_mask = (outermost(region, at_ends=False) for region in (drawn, look.mask))
    if min(from_drawn.sum(), from_mask.sum()) < _ENOUGH:
        return float("nan")
    # The centre of an outermost pixel lies half a pixel inside.
    out = look.edge[from_drawn] + 0.5
    back = -(mask_distances(drawn.astype(np.float32))[from_mask] + 0.5)
    return float(np.mean([np.clip(way, -_FAR_PX, _FAR_PX).mean() for way in (out, back)]))
