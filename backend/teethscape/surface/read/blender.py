"""Data sets in the form of Blender's synthetic scenes: ``transforms_train.json`` and RGBA pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from teethscape.errors import BadInputError
from teethscape.surface.read.pictures import read_pictures
from teethscape.surface.views import Array, Views

_FILE = "transforms_train.json"
#: Endings that pictures have.
_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".exr"})
#: Half side of the box of such scenes.
_RADIUS = 1.5
#: Determinant below which a pose is no camera's; one with a scale in it shows the same.
_FLAT = 1e-9


def is_blender_folder(folder: Path) -> bool:
    """Whether a folder has this form."""
    return (folder / _FILE).is_file()


def read_blender(folder: Path) -> Views:
    """Views of such a folder, in its own world; cameras are cam2world with OpenGL axes already.

    Raises:
        BadInputError: the file or a picture is damaged or missing, or pictures differ in size.
    """
    path = folder / _FILE
    try:
        meta = json.loads(path.read_text("utf-8"))
        frames = meta["frames"]
        poses = np.array([_pose(frame["transform_matrix"]) for frame in frames])
        files = [str(frame["file_path"]) for frame in frames]
        angle = _angle(meta["camera_angle_x"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            "views_damaged", f"{path} is damaged ({error}).", "Export the data set anew."
        ) from error
    if not files:
        raise BadInputError("views_missing", f"{path} lists no frames.", "Export the data set anew.")
    pictures = read_pictures([_picture(folder, name) for name in files])
    height, width = pictures.shape[1:3]
    focal = 0.5 * width / np.tan(0.5 * angle)
    k = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    return Views(
        names=tuple(f"view {number}" for number in range(len(files))),
        colours=pictures[..., :3],
        colour_mask=(pictures[..., 3] > 0.5).astype(np.float32),
        foreground=pictures[..., 3],
        normals=None,
        intrinsics=np.repeat(k[None], len(files), axis=0),
        cam2world=poses[:, :3],
        jaw=None,
        low=np.full(3, -_RADIUS),
        high=np.full(3, _RADIUS),
    )


def _pose(values: Any) -> Array:
    matrix = np.array(values, np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise ValueError("a transform_matrix is no 4 x 4 matrix")
    if abs(np.linalg.det(matrix[:3, :3])) < _FLAT:
        raise ValueError("a transform_matrix turns everything into a plane")
    return matrix


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
