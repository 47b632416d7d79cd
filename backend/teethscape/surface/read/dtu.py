"""DTU scans as NeuS and its followers keep them: ``cameras.npz``, ``image/`` or ``images/``, and ``mask/``.

``world_mat_i @ scale_mat_i`` projects points of the unit sphere; ``scale_mat_i`` leads back to millimetres.
GS-Pull's folders hold COLMAP's points, too, in the world of COLMAP's cameras.
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
from teethscape.surface.read.colmap import cloud_of, read_sparse
from teethscape.surface.read.pictures import read_pictures
from teethscape.surface.views import Array, FloatImage, Views, opengl_cam2world

#: Where a scan keeps its cameras.
CAMERAS = "cameras.npz"
#: Where pictures lie: with NeuS, or with GS-Pull, whose folders are COLMAP's too.
_PLACES = ("image", "images")
#: Half side of the box around the unit sphere.
_RADIUS = 1.0
#: How far cameras of one world may be apart, shares of their distance from its origin and sines of angles.
_SAME = 0.01


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
    intrinsics, poses, scale = read_cameras(folder)
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
    points, point_colours = _points(folder, tuple(file.stem for file in files), poses, scale)
    return Views(
        names=tuple(f"view {number}" for number in range(len(files))),
        colours=pictures[..., :3],
        colour_mask=(pictures[..., 3] > 0.5).astype(np.float32),
        foreground=pictures[..., 3] if foreground is None else foreground,
        normals=None,
        intrinsics=k,
        cam2world=opengl_cam2world(poses),
        jaw=None,
        low=np.full(3, -_RADIUS),
        high=np.full(3, _RADIUS),
        points=points,
        point_colours=point_colours,
    )


def _points(
    folder: Path, stems: tuple[str, ...], poses: Array, scale: Array
) -> tuple[Array | None, Array | None]:
    """Points (m, 3) of the unit sphere's world and their colours (m, 3) 0..1, where COLMAP's files tell them.

    A scan needs none: what cannot be read, or belongs to other cameras, is left alone.

    Args:
        folder: of the scan.
        stems: names of the pictures, in order.
        poses: (n, 3, 4) world to camera of theirs, of the unit sphere's world.
        scale: (4, 4) from that world to millimetres.
    """
    try:
        model = read_sparse(folder)
        points, colours = cloud_of(folder, model)
    except BadInputError:
        return None, None
    pairs = [(k, stems.index(Path(n).stem)) for k, n in enumerate(model.names) if Path(n).stem in stems]
    if not pairs:
        return None, None
    theirs, own = (np.array(rows) for rows in zip(*pairs, strict=True))
    # COLMAP's world may be this one, or that in millimetres.
    for back in (np.eye(4), np.asarray(np.linalg.pinv(scale), np.float64)):
        if _are_same(model.poses[theirs], poses[own], back):
            return points @ back[:3, :3].T + back[:3, 3], colours
    return None, None


def _are_same(theirs: Array, own: Array, back: Array) -> bool:
    """Whether cameras (n, 3, 4 each) of two worlds are the same ones.

    Args:
        theirs: poses of one world.
        own: poses of the other.
        back: (4, 4) from the one world to the other, without turn.
    """
    there, here = _centres(theirs) @ back[:3, :3].T + back[:3, 3], _centres(own)
    apart = np.linalg.norm(there - here, axis=1).max() / max(np.linalg.norm(here, axis=1).max(), 1e-9)
    turned = np.abs(theirs[:, :, :3] - own[:, :, :3]).max()
    return bool(max(apart, turned) < _SAME)


def _centres(poses: Array) -> Array:
    """(n, 3) where cameras with poses (n, 3, 4), world to camera, stand."""
    return opengl_cam2world(poses)[:, :, 3]


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
