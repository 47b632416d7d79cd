"""The camera of a record, to draw through."""

from __future__ import annotations

import numpy as np

from teethscape.parametric.camera import Camera
from teethscape.parametric.interface import CameraRecord


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
