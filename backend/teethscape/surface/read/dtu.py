"""DTU scans as NeuS and its followers keep them: ``cameras.npz``, ``image/`` and ``mask/``.

``world_mat_i @ scale_mat_i`` projects points of the unit sphere; ``scale_mat_i`` leads back to millimetres.
Source: ``gspull-spec.md``, sections 7 and 8.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from scipy.linalg import rq

from teethscape.errors import BadInputError
from teethscape.surface.read.folder import read_rgba, stacked
from teethscape.surface.views import Array, Views, opengl_cam2world

_FILE = "cameras.npz"
#: Half side of the box around the unit sphere.
_RADIUS = 1.0


def is_dtu_folder(folder: Path) -> bool:
    """Whether a folder has this form."""
    return (folder / _FILE).is_file()


def read_cameras(folder: Path) -> tuple[Array, Array, Array]:
    """Intrinsics (n, 3, 3), poses (n, 3, 4) world to camera of the unit sphere's world, scale_mat_0 (4, 4).

    Raises:
        BadInputError: the file is damaged.
    """
    path = folder / _FILE
    try:
        with np.load(path) as file:
            count = sum(name.startswith("world_mat_") and name[10:].isdigit() for name in file.files)
            scale = np.array([file[f"scale_mat_{k}"] for k in range(count)], np.float64)
            world = np.array([file[f"world_mat_{k}"] for k in range(count)], np.float64)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise BadInputError("views_damaged", f"{path} is damaged ({error}).", "Copy it again.") from error
    parts = [decomposed((w @ s)[:3]) for w, s in zip(world, scale, strict=True)]
    return np.array([k for k, _ in parts]), np.array([pose for _, pose in parts]), scale[0]


def decomposed(projection: Array) -> tuple[Array, Array]:
    """K (3, 3) with a positive diagonal and the pose (3, 4) of a projection (3, 4) with any scale in it."""
    if np.linalg.det(projection[:, :3]) < 0:
        projection = -projection
    upper, turn = rq(projection[:, :3])
    signs = np.diag(np.sign(np.diag(upper)))
    k, turn = upper @ signs, signs @ turn
    centre = -np.linalg.solve(projection[:, :3], projection[:, 3])
    return k / k[2, 2], np.asarray(np.column_stack([turn, -turn @ centre]), np.float64)


def read_dtu(folder: Path) -> Views:
    """Views of a scan in the unit sphere's world.

    Raises:
        BadInputError: a file is missing or damaged.
    """
    intrinsics, poses, _ = read_cameras(folder)
    files = sorted(path for path in (folder / "image").glob("*") if path.suffix.lower() in {".png", ".jpg"})
    if len(files) != len(poses):
        raise BadInputError(
            "views_missing",
            f"{folder} has {len(files)} pictures for {len(poses)} cameras.",
            "Copy the scan again.",
        )
    pictures = stacked([read_rgba(path) for path in files], files)
    masks = sorted((folder / "mask").glob("*.png"))
    foreground = pictures[..., 3]
    if len(masks) == len(files):
        shown = [(read_rgba(path)[..., 0] > 0.5).astype(np.float32) for path in masks]
        foreground = stacked([*foreground, *shown], [*files, *masks])[len(files) :]
    k = intrinsics.copy()
    k[:, :2, 2] += 0.5  # their pixel centres lie at integers
    return Views(
        names=tuple(f"view {number}" for number in range(len(files))),
        colours=pictures[..., :3],
        colour_mask=np.ones(pictures.shape[:3], np.float32),
        foreground=foreground,
        normals=None,
        intrinsics=k,
        cam2world=opengl_cam2world(poses),
        jaw=None,
        low=np.full(3, -_RADIUS),
        high=np.full(3, _RADIUS),
    )
