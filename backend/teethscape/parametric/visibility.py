"""Which surface the photos show, and which is inferred from the prior."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.views import View
from teethscape.parametric.arch import Arch
from teethscape.parametric.camera import Camera
from teethscape.parametric.observations import Observation
from teethscape.parametric.raster import render_ids
from teethscape.parametric.rims import build_soup, vertices_in_view, visible_teeth

_DEPTH_TOLERANCE_MM = 0.3


def seen_vertices(
    arch: Arch, present: NDArray[np.intp], observation: Observation, camera: Camera
) -> dict[int, NDArray[np.bool_]]:
    """Vertices per tooth index that a photo shows, where its labels have that tooth."""
    view = View(observation.view)
    teeth = visible_teeth(arch.prior, present, view)
    buffer = render_ids(build_soup(arch, teeth, view), camera)
    out = {}
    for index in teeth:
        vertices = vertices_in_view(arch, index, view)
        pixel = np.rint(camera.project(vertices)).astype(int)
        inside = np.all((pixel >= 0) & (pixel < np.array(observation.size)), axis=1)
        column, row = np.where(np.expand_dims(inside, 1), pixel, 0).T
        depth = camera.to_camera(vertices)[:, 2]
        front = depth < buffer.depth[row, column] + _DEPTH_TOLERANCE_MM
        out[index] = inside & front & (observation.teeth[row, column] == index)
    return out
