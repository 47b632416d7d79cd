"""The scene of a render script: empty but for a camera and one object."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix
from numpy.typing import NDArray

from teethscape.dataset.published_views import FOCAL_MM, SENSOR_MM, Array, intrinsics
from teethscape.errors import ResourceError

from .crop import Crop, crop_around
from .devices import use_device
from .meshes import Meshes, placed_meshes, vertices_of
from .objects import DentalObject, Placement
from .options import Options
from .png import bare_png

#: Blender's camera looks along -z with y up, OpenCV's along +z with y down.
_AXES = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class Stage:
    """A scene with one object, ready for its cameras.

    Attributes:
        scene: Blender's scene.
        meshes: the object's parts.
        placement: how the object was moved into the unit cube.
        vertices: (n, 3) of the object, world frame.
        intrinsics: (3, 3) K of the pictures, pixels.
    """

    scene: bpy.types.Scene
    meshes: Meshes
    placement: Placement
    vertices: NDArray[np.float32]
    intrinsics: NDArray[np.float32]

    def look(self, pose: Array, whole_file: bool = False) -> Crop:
        """Aim the camera along a (3, 4) pose and limit the render to what the object covers.

        The file then holds that part alone, or with ``whole_file`` the whole picture, empty around it.
        """
        aim(self.scene.camera, pose)
        crop = crop_around(self.vertices, pose, self.intrinsics)
        if not crop.is_empty:
            limit(self.scene, crop)
            self.scene.render.use_crop_to_border = not whole_file
        return crop


def set_stage(item: DentalObject, options: Options) -> Stage:
    """An empty scene with an object, placed and shaded.

    Raises:
        BadInputError: the file cannot be read.
        RefusedError: the object is not normalised, and may not or cannot be.
        MissingComponentError: the device is not there.
    """
    scene = empty_scene(options)
    use_device(scene, options.device)
    meshes, placement = placed_meshes(item, options)
    vertices = vertices_of(meshes).astype(np.float32)
    return Stage(scene, meshes, placement, vertices, intrinsics(options.size))


def empty_scene(options: Options) -> bpy.types.Scene:
    """A new file with a camera as the published scripts have it, and square pictures."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    data = bpy.data.cameras.new("Camera")
    data.lens, data.sensor_width = FOCAL_MM, SENSOR_MM
    scene.camera = bpy.data.objects.new("Camera", data)
    scene.collection.objects.link(scene.camera)
    render = scene.render
    render.resolution_x = render.resolution_y = options.size
    render.resolution_percentage = 100
    render.film_transparent = True
    render.use_file_extension = False
    render.use_persistent_data = True
    render.use_compositing = render.use_sequencer = False
    if options.threads:
        render.threads_mode, render.threads = "FIXED", options.threads
    return scene


def aim(camera: bpy.types.Object, pose: Array) -> None:
    """Put a camera where a (3, 4) world-to-camera pose of OpenCV says."""
    rotation, shift = pose[:, :3], pose[:, 3]
    cam2world = np.eye(4)
    cam2world[:3, :3] = rotation.T @ _AXES
    cam2world[:3, 3] = -rotation.T @ shift
    camera.matrix_world = Matrix(cam2world.tolist())


def limit(scene: bpy.types.Scene, crop: Crop) -> None:
    """Render only a part of the picture."""
    render = scene.render
    size = render.resolution_x
    render.use_border = True
    # Blender cuts the products off to whole pixels, so a quarter more lands on the right one.
    render.border_min_x, render.border_max_x = (crop.left + 0.25) / size, (crop.right + 0.25) / size
    render.border_min_y, render.border_max_y = (
        (size - crop.bottom + 0.25) / size,
        (size - crop.top + 0.25) / size,
    )


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for the picture that Blender hands over, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="teethscape-render-") as name:
        yield Path(name)


def render_floats(scene: bpy.types.Scene, scratch: Path) -> NDArray[np.float32]:
    """(h, w, 4) linear RGBA of the scene, or of the part it is limited to; row 0 at the top."""
    settings = scene.render.image_settings
    settings.file_format, settings.color_mode = "OPEN_EXR", "RGBA"
    settings.color_depth, settings.exr_codec = "32", "NONE"
    target = scratch / "view.exr"
    render_to(scene, target)
    image = bpy.data.images.load(str(target))
    image.colorspace_settings.name = "Non-Color"
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    target.unlink()
    return np.ascontiguousarray(pixels.reshape(height, width, 4)[::-1])


def render_png(scene: bpy.types.Scene, scratch: Path) -> bytes:
    """A PNG file of the scene as its view transform shows it."""
    settings = scene.render.image_settings
    settings.file_format, settings.color_mode, settings.color_depth = "PNG", "RGBA", "8"
    target = scratch / "view.png"
    render_to(scene, target)
    data = target.read_bytes()
    target.unlink()
    return bare_png(data)


def render_to(scene: bpy.types.Scene, target: Path) -> None:
    """Render the scene into a file.

    Raises:
        ResourceError: Blender could not, or wrote nothing.
    """
    scene.render.filepath = os.fspath(target)
    try:
        bpy.ops.render.render(write_still=True)
    except RuntimeError as error:
        raise ResourceError(
            "render_failed", f"Blender could not render ({str(error).strip()}).", "See its messages above."
        ) from error
    if not target.is_file():
        raise ResourceError("render_failed", "Blender wrote no picture.", "See its messages above.")
