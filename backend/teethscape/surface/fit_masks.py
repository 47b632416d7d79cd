"""Views cut out by the fitted teeth: what lies beside them is no tooth, whatever was painted there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from teethscape.errors import UsageError
from teethscape.mesh.solid import joined
from teethscape.parametric.raster import TriangleSoup, render_ids
from teethscape.surface.frame import Frame
from teethscape.surface.grid.looks import camera_of
from teethscape.surface.views import Views


def cut_by_fit(views: Views, frame: Frame) -> Views:
    """The views with the silhouettes of the fitted teeth as their foreground.

    Args:
        views: any foreground.
        frame: with the fitted arch.

    Raises:
        UsageError: no arch of the jaw that is shown is known.
    """
    if frame.arch is None and frame.lacks is not None:
        raise UsageError(
            "usage",
            f"--foreground fit needs fitted teeth of the {frame.lacks} jaw, of which the case has none.",
            "Give a case with that jaw, or check --jaw.",
        )
    if frame.arch is None:
        raise UsageError("usage", "--foreground fit needs fitted teeth.", "Give --case CASE.")
    body = joined(list(frame.arch.teeth.values()), "arch")
    faces = body.faces.astype(np.int32)
    soup = TriangleSoup(body.vertices.astype(np.float64), faces, np.zeros(len(faces), np.int32))
    cameras = (camera_of(views, k, frame.scale) for k in range(len(views)))
    masks = [render_ids(soup, camera).owner >= 0 for camera in cameras]
    return replace(views, foreground=np.stack(masks).astype(np.float32))
