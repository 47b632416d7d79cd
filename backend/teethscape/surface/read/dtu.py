"""DTU scans as NeuS and its followers keep them: ``cameras.npz``, ``image/`` or ``images/``, and ``mask/``.

``world_mat_i @ scale_mat_i`` projects points of the unit sphere; ``scale_mat_i`` leads back to millimetres.
Source: ``gspull-spec.md``, sections 7 and 8.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import rq

from teethscape.dental.files import NPZ_DAMAGES
from teethscape.errors import BadInputError
from teethscape.surface.read.pictures import read_pictures
from teethscape.surface.views import Array, FloatImage, Views, opengl_cam2world

#: Where a scan keeps its cameras.
CAMERAS = "cameras.npz"
#: Where pictures lie: with NeuS, or with GS-Pull, whose folders are COLMAP's too.
_PLACES = ("image", "images")
#: Half side of the box around the unit sphere.
_RADIUS = 1.0


def is_dtu_folder(folder: Path) -> bool:
    """Whether a folder has this form."""
    return (folder / CAMERAS).is_file()


def read_cameras(folder: Path) -> tuple[Array, Array, Array]:
    """Intrinsics (n, 3, 3), poses (n, 3, 4) world to camera of the unit sphere's world, scale_mat_0 (4, 4).

    Raises:
        BadInputError: the file is damaged.
    """
    path = folder / CAMERAS
    try:
        with np.load(path) as file:
            count = sum(name.startswith("world_mat_") and name[10:].isdigit() for name in file.files)
            scale = np.array([_matrix(file, f"scale_mat_{k}") for k in range(count)])
            world = np.array([_matrix(file, f"world_mat_{k}") for k in range(count)])
        if not count:
            raise ValueError("there is no world_mat_0")
        parts = [decomposed((w @ s)[:3]) for w, s in zip(world, scale, strict=True)]
    except NPZ_DAMAGES as error:
        raise BadInputError("views_damaged", f"{path} is damaged ({error}).", "Copy it again.") from error
    return np.array([k for k, _ in parts]), np.array([pose for _, pose in parts]), scale[0]


def _matrix(file: Mapping[str, Any], name: str) -> Array:
    matrix = np.array(file[name], np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise ValueError(f"{name} is no 4 x 4 matrix")
    return matrix


def decomposed(projection: Array) -> tuple[Array, Array]:
    """K (3, 3) with a positive diagonal and the pose (3, 4) of a projection (3, 4) with any scale in it.

    Raises:
        ValueError: it projects everything onto a line.
    """
    if np.linalg.matrix_rank(projection[:, :3]) < 3:
        raise ValueError("a matrix is no camera's")
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
        BadInputError: a file is missing or damaged, or pictures or masks differ in number or size.
    """
    intrinsics, poses, _ = read_cameras(folder)
    place = next((folder / name for name in _PLACES if (folder / name).is_dir()), folder / _PLACES[0])
    files = sorted(path for path in place.glob("*") if path.suffix.lower() in {".png", ".jpg"})
    if len(files) != len(poses):
        raise BadInputError(
            "views_missing",
            f"{place} has {len(files)} pictures for {len(poses)} cameras.",
            "Copy the scan again.",
        )
    pictures = read_pictures(files)
    foreground = _masks(folder / "mask", pictures)
    k = intrinsics.copy()
    k[:, :2, 2] += 0.5  # their pixel centres lie at integers
    return Views(
        names=tuple(f"view {number}" for number in range(len(files))),
        colours=pictures[..., :3],
        colour_mask=np.ones(pictures.shape[:3], np.float32),
        foreground=pictures[..., 3] if foreground is None else foreground,
        normals=None,
        intrinsics=k,
        cam2world=opengl_cam2world(poses),
        jaw=None,
        low=np.full(3, -_RADIUS),
        high=np.full(3, _RADIUS),
    )


def _masks(folder: Path, pictures: FloatImage) -> FloatImage | None:
    """(n, h, w) 0 or 1, one for each of (n, h, w, 4) pictures; None without the folder.

    Raises:
        BadInputError: they are of another number or size.
    """
    if not folder.is_dir():
        return None
    paths = sorted(folder.glob("*.png"))
    masks = read_pictures(paths) if len(paths) == len(pictures) else None
    if masks is None or masks.shape != pictures.shape:
        raise BadInputError(
            "views_damaged",
            f"{folder} does not hold one mask for each of the {len(pictures)} pictures, of their size.",
            "Copy the scan again, or remove the folder.",
        )
    return (masks[..., 0] > 0.5).astype(np.float32)
