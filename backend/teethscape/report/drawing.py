"""Fitted crowns and the cameras of their photos, ready to be drawn."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from teethscape.parametric.camera import Camera
from teethscape.parametric.interface import CameraRecord, FittedTooth
from teethscape.parametric.raster import TriangleSoup


def pinhole(record: CameraRecord) -> Camera:
    """A record's camera in the world frame."""
    rotation = np.asarray(record.cam2world)[:3, :3].T
    return Camera(
        width=record.width,
        height=record.height,
        focal=record.focal_px,
        principal=np.asarray(record.principal_point, float),
        rotation=rotation,
        translation=-rotation @ np.asarray(record.cam2world)[:3, 3],
        pivot=np.zeros(3),
    )


def crown_soup(teeth: Mapping[int, FittedTooth], owner: NDArray[np.integer]) -> TriangleSoup:
    """All crowns together; ``owner`` says whose each of their faces is."""
    starts = np.cumsum([0, *(len(t.vertices) for t in teeth.values())])
    faces = np.concatenate([t.faces + s for t, s in zip(teeth.values(), starts, strict=False)])
    vertices = np.concatenate([t.vertices for t in teeth.values()])
    return TriangleSoup(vertices, faces.astype(np.int32), owner.astype(np.int32))
