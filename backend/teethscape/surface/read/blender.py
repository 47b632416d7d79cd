"""Data sets in the form of Blender's synthetic scenes: ``transforms_train.json`` and RGBA pictures.

Other programs add to that form, for all pictures or for single ones: focal lengths ``fl_x`` and ``fl_y`` and
principal point ``cx`` and ``cy``, in pixels of a picture of ``w`` by ``h``; and coefficients of distortion.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from teethscape.errors import BadInputError
from teethscape.surface.read.cameras import first_askew, fitting
from teethscape.surface.read.pictures import read_pictures
from teethscape.surface.views import Array, Views

_FILE = "transforms_train.json"
#: Endings that pictures have.
_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".exr"})
#: Half side of the box of such scenes.
_RADIUS = 1.5
#: Determinant below which a pose is no camera's.
_FLAT = 1e-9
#: Coefficients of distortion, and models of cameras that have no other.
_COEFFICIENTS = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")
_MODELS = frozenset(
    {"PERSPECTIVE", "SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV"}
)


def is_blender_folder(folder: Path) -> bool:
    """Whether a folder has this form."""
    return (folder / _FILE).is_file()


def read_blender(folder: Path) -> Views:
    """Views of such a folder, in its own world; cameras are cam2world with OpenGL axes already.

    Raises:
        BadInputError: the file or a picture is damaged, missing or distorted, or pictures differ in size.
    """
    path = folder / _FILE
    with _telling(path):
        meta = json.loads(path.read_text("utf-8"))
        cameras = [{**meta, **frame} for frame in meta["frames"]]
        poses = np.array([_pose(camera["transform_matrix"]) for camera in cameras])
        files = [_picture(folder, str(camera["file_path"])) for camera in cameras]
        _refuse_distorted(path, cameras)
    if not files:
        raise BadInputError("views_missing", f"{path} lists no frames.", "Export the data set anew.")
    pictures = read_pictures(files)
    size = pictures.shape[2], pictures.shape[1]
    with _telling(path):
        sizes = np.array([[_above_zero(c, n, s) for n, s in zip("wh", size, strict=True)] for c in cameras])
        intrinsics = np.array([_intrinsics(c, s) for c, s in zip(cameras, sizes, strict=True)])
    return Views(
        names=tuple(f"view {number}" for number in range(len(files))),
        colours=pictures[..., :3],
        colour_mask=(pictures[..., 3] > 0.5).astype(np.float32),
        foreground=pictures[..., 3],
        normals=None,
        intrinsics=fitting(intrinsics, sizes, [file.name for file in files], size),
        cam2world=poses[:, :3],
        jaw=None,
        low=np.full(3, -_RADIUS),
        high=np.full(3, _RADIUS),
    )


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Tell of what a file lacks, or says that cannot be."""
    try:
        yield
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise BadInputError(
            "views_damaged", f"{path} is damaged ({error}).", "Export the data set anew."
        ) from error


def _pose(values: Any) -> Array:
    """(4, 4) without the scale that some programs leave in the turn.

    Raises:
        ValueError: it is none of turn, scale and shift.
    """
    matrix = np.array(values, np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise ValueError("a transform_matrix is no 4 x 4 matrix")
    volume = float(np.linalg.det(matrix[:3, :3]))
    if abs(volume) < _FLAT:
        raise ValueError("a transform_matrix turns everything into a plane")
    matrix[:3, :3] /= np.cbrt(abs(volume))
    if first_askew(matrix[None, :3, :3]) is not None:
        raise ValueError("a transform_matrix mirrors or skews")
    return matrix


def _refuse_distorted(path: Path, cameras: list[dict[str, Any]]) -> None:
    """Refuse cameras with distortion; coefficients of zero are none.

    Raises:
        BadInputError: one has it; the message says what tells so.
        ValueError: a coefficient is no number.
        TypeError: the same.
    """
    for camera in cameras:
        told = _distortion(camera)
        if told is not None:
            raise BadInputError(
                "camera_distorted",
                f"{path} says {told} = {camera[told]}: its pictures have distortion.",
                "Undistort the pictures, as COLMAP's image_undistorter does, and give cameras without.",
            )


def _distortion(camera: Mapping[str, Any]) -> str | None:
    """Name of the entry that tells of distortion, None where none does.

    Raises:
        ValueError: a coefficient is no number.
        TypeError: the same.
    """
    if camera.get("is_fisheye"):
        return "is_fisheye"
    if str(camera.get("camera_model", "PERSPECTIVE")).upper() not in _MODELS:
        return "camera_model"
    return next((name for name in _COEFFICIENTS if float(camera.get(name, 0)) != 0), None)


def _intrinsics(camera: Mapping[str, Any], size: Array) -> Array:
    """(3, 3) for pictures of the width and height (2,) that the camera tells.

    Raises:
        KeyError: nothing tells the focal length.
        ValueError: a number cannot be.
        TypeError: what should be a number is none.
    """
    width, height = size
    if "fl_x" in camera:
        fx = _above_zero(camera, "fl_x")
    else:
        fx = float(0.5 * width / np.tan(0.5 * _angle(camera["camera_angle_x"])))
    # Blender's camera_angle_y is often that of its sensor and not of the picture.
    fy = _above_zero(camera, "fl_y", fx)
    centre = [float(camera.get("cx", width / 2)), float(camera.get("cy", height / 2))]
    if not np.isfinite(centre).all():
        raise ValueError("cx or cy is no number")
    return np.array([[fx, 0, centre[0]], [0, fy, centre[1]], [0, 0, 1]])


def _above_zero(camera: Mapping[str, Any], name: str, default: float | None = None) -> float:
    """A number that a camera tells.

    Raises:
        ValueError: it is not above zero.
        TypeError: it is no number.
    """
    value = float(camera.get(name, default))
    if not 0 < value < np.inf:
        raise ValueError(f"{name} is {value:g}")
    return value


def _angle(value: Any) -> float:
    angle = float(value)
    if not 0 < angle < np.pi:
        raise ValueError(f"camera_angle_x is {angle:g}")
    return angle


def _picture(folder: Path, name: str) -> Path:
    """The file that a frame names, with or without its ending (a name may have a dot of its own)."""
    path = folder / name
    if path.is_file() or path.suffix.lower() in _ENDINGS:
        return path
    return path.with_name(f"{path.name}.png")
