"""Data sets in the form of Blender's synthetic scenes: ``transforms_train.json`` and RGBA pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from teethscape.errors import BadInputError
from teethscape.surface.read.folder import read_rgba, stacked
from teethscape.surface.views import Views

_FILE = "transforms_train.json"
#: Half side of the box of such scenes.
_RADIUS = 1.5


def is_blender_folder(folder: Path) -> bool:
    """Whether a folder has this form."""
    return (folder / _FILE).is_file()


def read_blender(folder: Path) -> Views:
    """Views of such a folder, in its own world; cameras are cam2world with OpenGL axes already.

    Raises:
        BadInputError: the file or a picture is damaged.
    """
    path = folder / _FILE
    try:
        meta = json.loads(path.read_text("utf-8"))
        frames = meta["frames"]
        poses = np.array([frame["transform_matrix"] for frame in frames], np.float64).reshape(-1, 4, 4)
        files = [str(frame["file_path"]) for frame in frames]
        angle = float(meta["camera_angle_x"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            "views_damaged", f"{path} is damaged ({error}).", "Export the data set anew."
        ) from error
    paths = [_picture(folder, name) for name in files]
    pictures = stacked([read_rgba(path) for path in paths], paths)
    height, width = pictures.shape[1:3]
    focal = 0.5 * width / np.tan(0.5 * angle)
    k = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    return Views(
        names=tuple(f"view {number}" for number in range(len(files))),
        colours=pictures[..., :3],
        colour_mask=np.ones(pictures.shape[:3], np.float32),
        foreground=pictures[..., 3],
        normals=None,
        intrinsics=np.repeat(k[None], len(files), axis=0),
        cam2world=poses[:, :3],
        jaw=None,
        low=np.full(3, -_RADIUS),
        high=np.full(3, _RADIUS),
    )


def _picture(folder: Path, name: str) -> Path:
    """The file that a frame names, with or without its ending."""
    path = folder / name
    return path if path.suffix else path.with_suffix(".png")
