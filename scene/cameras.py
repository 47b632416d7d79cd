"""Photo cameras: Blender cameras with the exact intrinsics of the photos."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix

from .case_data import PhotoCamera

#: The width, mm, at which focal lengths are stated; any value projects alike.
SENSOR_WIDTH_MM = 36.0
_CLIP_MM = (1.0, 5000.0)
#: OpenCV looks along +z with y down, Blender along -z with y up.
_OPENCV_TO_BLENDER = np.diag([1.0, -1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Intrinsics:
    """Blender's camera settings; shifts in widths of the picture."""

    lens_mm: float
    shift_x: float
    shift_y: float


def blender_intrinsics(camera: PhotoCamera) -> Intrinsics:
    """Lens and shift that project exactly as the photo does.

    Pixel centres lie at integer coordinates, so the middle of a picture that is
    ``w`` pixels wide is ``(w - 1) / 2``. A positive shift moves the frame to the
    right and up, hence the optical axis to the left and down.
    """
    width, height = camera.size
    return Intrinsics(
        lens_mm=camera.focal_px * SENSOR_WIDTH_MM / width,
        shift_x=((width - 1) / 2 - camera.principal_point[0]) / width,
        shift_y=(camera.principal_point[1] - (height - 1) / 2) / width,
    )


def create_photo_camera(camera: PhotoCamera) -> bpy.types.Object:
    """Make the camera of a photo with the photo behind it, not yet linked."""
    intrinsics = blender_intrinsics(camera)
    data = bpy.data.cameras.new(f"Photo {camera.view.title}")
    data.sensor_fit = "HORIZONTAL"
    data.sensor_width = SENSOR_WIDTH_MM
    data.lens = intrinsics.lens_mm
    data.shift_x, data.shift_y = intrinsics.shift_x, intrinsics.shift_y
    data.clip_start, data.clip_end = _CLIP_MM
    data.display_size = 6.0
    data.passepartout_alpha = 0.85
    _add_background(data, camera)
    return _create_object(data, camera)


def _add_background(data: bpy.types.Camera, camera: PhotoCamera) -> None:
    if camera.photo is None:
        return
    background = data.background_images.new()
    background.image = bpy.data.images.load(str(camera.photo))
    background.image.name = f"Photo {camera.view.title}"
    background.frame_method = "STRETCH"
    background.display_depth = "BACK"
    background.alpha = 1.0
    data.show_background_images = True


def _create_object(data: bpy.types.Camera, camera: PhotoCamera) -> bpy.types.Object:
    item = bpy.data.objects.new(data.name, data)
    item.matrix_world = Matrix((camera.cam2world @ _OPENCV_TO_BLENDER).tolist())
    item.teethscape.kind = "PHOTO_CAMERA"
    item.teethscape.view = camera.view.name
    item["photo_width"], item["photo_height"] = camera.size
    item["focal_px"] = camera.focal_px
    return item
