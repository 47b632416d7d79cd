"""The DTU evaluation: culled by masks, sampled evenly, compared both ways within the observed box.

Source: ``gspull-spec.md``, section 8; Jensen et al. 2014, "Large scale multi-view stereopsis evaluation".
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from teethscape.dental.files import require_file
from teethscape.errors import BadInputError
from teethscape.mesh.load import load_mesh
from teethscape.mesh.solid import Solid
from teethscape.surface.read.cloud import read_cloud
from teethscape.surface.read.dtu import CAMERAS, read_cameras
from teethscape.surface.read.folder import read_rgba
from teethscape.surface.views import Array

#: Distance of samples, mm; distances from here on are dropped; margin of the observed box, mm.
SPACING_MM, FARTHEST_MM, _PATCH_MM = 0.2, 20.0, 60.0
#: Points whose neighbours are looked for at once: those of all would fill the memory.
_AT_ONCE = 16384
#: Radius by which masks are dilated before culling, px.
_DILATION = 24
#: Endings of files that may hold points alone.
_CLOUDS = frozenset({".ply", ".xyz"})
_THRESHOLDS_MM = (1.0, 2.0)
#: Samples beyond which a mesh is in other units: two square metres, 5 GB.
_MOST_SAMPLES = 2e8
_UNITS = "Give --scan-folder for a mesh in the unit sphere's world; without it millimetres are expected."
#: What reading a damaged MATLAB file raises, besides scipy's own error.
_DAMAGES = (OSError, EOFError, KeyError, ValueError, TypeError, IndexError, struct.error, zlib.error)
_Read = TypeVar("_Read")


@dataclass(frozen=True, eq=False)
class Observed:
    """What the scanner saw of a scan.

    Attributes:
        points: (n, 3) reference, mm.
        mask: (x, y, z) voxels that were observed.
        low: (3,) corner of the voxels, mm.
        high: (3,) the opposite corner.
        voxel: side of a voxel, mm.
        plane: (4,) ground plane; reference points with a positive value lie above it.
    """

    points: Array
    mask: NDArray[np.bool_]
    low: Array
    high: Array
    voxel: float
    plane: Array


def read_observed(folder: Path, scan: int) -> Observed:
    """The evaluation data of a scan: ``ObsMask/``, ``Points/stl/``.

    Raises:
        BadInputError: a file is missing or damaged; the message names it.
    """
    masks = folder / "ObsMask"
    mask, box, voxel = _from_matlab(masks / f"ObsMask{scan}_10.mat", _voxels)
    plane = _from_matlab(masks / f"Plane{scan}.mat", _plane)
    path = folder / "Points" / "stl" / f"stl{scan:03d}_total.ply"
    _require_part(path)
    points = read_cloud(path, "dtu_incomplete", "Give DTU's evaluation data.").points
    return Observed(points, mask, box[0], box[1], voxel, plane)


def _from_matlab(path: Path, read: Callable[[Mapping[str, Any]], _Read]) -> _Read:
    """What ``read`` finds among the arrays of a MATLAB file."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    _require_part(path)
    try:
        return read(loadmat(path))
    except NotImplementedError as error:  # MATLAB 7.3, which is another format
        raise _damaged(path, error, "Save it in MATLAB's version 7, or copy it again.") from error
    except (MatReadError, *_DAMAGES) as error:
        raise _damaged(path, error) from error


def _damaged(
    path: Path, error: Exception, advice: str = "Copy DTU's evaluation data again."
) -> BadInputError:
    return BadInputError("dtu_incomplete", f"{path} cannot be read ({error}).", advice)


def _require_part(path: Path) -> None:
    """Refuse a file of the evaluation data, or of the scan, that is not there."""
    if not path.is_file():
        raise BadInputError("dtu_incomplete", f"{path} does not exist.", "Give the folder that holds it.")


def _voxels(content: Mapping[str, Any]) -> tuple[NDArray[np.bool_], Array, float]:
    """(x, y, z) voxels that were observed, (2, 3) corners and side of one, mm.

    Raises:
        KeyError: one of them is missing.
        ValueError: one of them is none.
    """
    mask, box = np.asarray(content["ObsMask"]), np.asarray(content["BB"], np.float64)
    voxel = np.asarray(content["Res"], np.float64).ravel()
    if mask.ndim != 3:
        raise ValueError(f"ObsMask has {mask.ndim} axes, not 3")
    if box.shape != (2, 3) or not np.isfinite(box).all():
        raise ValueError("BB is not two corners")
    if voxel.shape != (1,) or not 0 < voxel[0] < np.inf:
        raise ValueError("Res is no size")
    return mask > 0, box, float(voxel[0])


def _plane(content: Mapping[str, Any]) -> Array:
    """(4,) ground plane.

    Raises:
        KeyError: it is missing.
        ValueError: it is none.
    """
    plane = np.asarray(content["P"], np.float64).ravel()
    if plane.shape != (4,) or not np.isfinite(plane).all():
        raise ValueError("P is not the four numbers of a plane")
    return plane


def culled(mesh: Solid, scan_folder: Path) -> Solid:
    """The faces whose corners every view shows inside its dilated mask or outside its frame, in mm.

    Of a cloud without faces the points.

    Args:
        mesh: in the world of the unit sphere.
        scan_folder: ``cameras.npz`` and ``mask/``.

    Raises:
        BadInputError: the folder, a file or a mask of it is missing or damaged.
    """
    if not scan_folder.is_dir():
        raise BadInputError("folder_missing", f"The folder {scan_folder} does not exist.", "Check the path.")
    _require_part(scan_folder / CAMERAS)
    intrinsics, poses, scale = read_cameras(scan_folder)
    masks = sorted((scan_folder / "mask").glob("*.png"))
    if len(masks) != len(poses):
        raise BadInputError("dtu_incomplete", f"{scan_folder} lacks masks.", "Copy the scan again.")
    disk = _disk(_DILATION)
    keep, usual = np.ones(len(mesh.vertices), bool), None
    for k, pose, path in zip(intrinsics, poses, masks, strict=True):
        shown = (read_rgba(path)[..., 0] > 0.5).astype(np.uint8)
        usual = usual or shown.shape
        if shown.shape != usual:  # the rest of the picture would count as not seen, and be kept
            told = f"{path} has another size than the masks before it."
            raise BadInputError("dtu_incomplete", told, "Copy the scan again.")
        mask = np.asarray(cv2.dilate(shown, disk), np.uint8)
        keep &= _shown(mesh.vertices @ pose[:, :3].T + pose[:, 3], k, mask)
    faces = mesh.faces[keep[mesh.faces].all(axis=1)]
    vertices = mesh.vertices @ scale[:3, :3].T + scale[:3, 3]
    return Solid(mesh.name, vertices if len(mesh.faces) else vertices[keep], faces)


def _disk(radius: int) -> NDArray[np.uint8]:
    """(2 r + 1, 2 r + 1) 1 within the radius, px; OpenCV's ellipse is wider."""
    along = np.arange(-radius, radius + 1) ** 2
    return (along[:, None] + along <= radius**2).astype(np.uint8)


def _shown(local: Array, k: Array, mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(n,) whether points in a camera's axes lie inside its mask or outside its frame."""
    pixels = local @ k.T
    place = np.round(pixels[:, :2] / pixels[:, 2:]).astype(int)
    height, width = mask.shape
    inside = (place >= 0).all(axis=1) & (place[:, 0] < width) & (place[:, 1] < height)
    column, row = np.clip(place, 0, (width - 1, height - 1)).T
    return ~inside | (mask[row, column] > 0)


def even_samples(mesh: Solid, spacing: float, rng: np.random.Generator) -> Array:
    """(n, 3) samples of a surface, which must have an area, no two nearer than ``spacing``.

    Raises:
        BadInputError: it is far larger than any scan's.
    """
    from teethscape.mesh.scores import sample

    count = 4 * mesh.areas.sum() / spacing**2
    if not count < _MOST_SAMPLES:
        told = f"{mesh.name} has a surface of {mesh.areas.sum() / 1e6:.3g} square metres, which no scan has."
        raise BadInputError("mesh_elsewhere", told, _UNITS)
    dense = sample(mesh, max(int(count), 1), rng)
    both = np.concatenate([mesh.vertices[np.unique(mesh.faces)], dense])
    return thinned(np.asarray(both, np.float64), spacing, rng)


def thinned(points: Array, spacing: float, rng: np.random.Generator) -> Array:
    """(m, 3) of (n, 3) points, in random order, each dropped that is nearer than ``spacing`` to one kept."""
    points = points[rng.permutation(len(points))]
    tree, keep = KDTree(points), np.ones(len(points), bool)
    for first in range(0, len(points), _AT_ONCE):
        left = first + np.flatnonzero(keep[first : first + _AT_ONCE])
        near = tree.query_ball_point(points[left], spacing, return_sorted=False)
        for index, others in zip(left, near, strict=True):
            if keep[index]:
                keep[others] = False
                keep[index] = True
    return points[keep]


def dtu_scores(points: Array, observed: Observed) -> dict[str, float]:
    """Chamfer distance, mm, and precision, recall and F at 1 and 2 mm, of (n, 3) samples in mm.

    Raises:
        BadInputError: nothing lies within the observed box and within 20 mm of the reference.
    """
    low, high = observed.low - _PATCH_MM, observed.high + 2 * _PATCH_MM
    inside = points[((points >= low) & (points < high)).all(axis=1)]
    cell = np.round((inside - observed.low) / observed.voxel).astype(int)
    valid = ((cell >= 0) & (cell < observed.mask.shape)).all(axis=1)
    seen = inside[valid][observed.mask[tuple(cell[valid].T)]]
    above = observed.points[observed.points @ observed.plane[:3] + observed.plane[3] > 0]
    to_reference = KDTree(observed.points).query(seen)[0] if len(seen) else np.zeros(0)
    to_samples = KDTree(inside).query(above)[0] if len(inside) else np.zeros(0)
    d2s, s2d = _mean(to_reference), _mean(to_samples)
    if np.isnan(d2s) or np.isnan(s2d):
        raise BadInputError(
            "mesh_elsewhere",
            f"Nothing observed lies within {FARTHEST_MM:g} mm of the reference.",
            _UNITS,
        )
    scores = {"d2s_mm": d2s, "s2d_mm": s2d, "chamfer_mm": (d2s + s2d) / 2}
    for threshold in _THRESHOLDS_MM:
        precision, recall = (
            float((d < threshold).mean()) if len(d) else 0.0 for d in (to_reference, to_samples)
        )
        f = 2 * precision * recall / max(precision + recall, 1e-12)
        scores |= {
            f"precision_{threshold:g}mm": precision,
            f"recall_{threshold:g}mm": recall,
            f"f_{threshold:g}mm": f,
        }
    return scores


def _mean(distances: Array) -> float:
    near = distances[distances < FARTHEST_MM]
    return float(near.mean()) if len(near) else float("nan")


def _mesh_or_points(path: Path) -> Solid:
    """A mesh, or a file of points as a mesh without faces."""
    require_file(path)
    if path.suffix.lower() in _CLOUDS:
        cloud = read_cloud(path, "mesh_damaged", "Export it again.")
        if cloud.is_bare:
            return Solid(path.stem, cloud.points, np.zeros((0, 3), np.int32))
    return load_mesh(path)


def evaluate_dtu(prediction: Path, reference: Path, scan: int, scan_folder: Path | None) -> dict[str, Any]:
    """Score a mesh, or a cloud of points, by the protocol.

    Args:
        prediction: mesh or cloud in the unit sphere's world, or in mm without ``scan_folder``.
        reference: DTU's evaluation data.
        scan: its number.
        scan_folder: cameras and masks that cull the mesh; None: it is in mm and culled already.

    Raises:
        BadInputError: a file is missing or damaged, or the mesh lies elsewhere.
    """
    mesh, observed = _mesh_or_points(prediction), read_observed(reference, scan)
    is_cloud = not len(mesh.faces)
    mesh = culled(mesh, scan_folder) if scan_folder is not None else mesh
    if not (len(mesh.vertices) if is_cloud else mesh.areas.any()):
        raise BadInputError(
            "mesh_damaged", f"Nothing of {prediction} lies inside the masks.", "Check its frame."
        )
    rng = np.random.default_rng(0)
    points = np.asarray(mesh.vertices, np.float64)
    samples = thinned(points, SPACING_MM, rng) if is_cloud else even_samples(mesh, SPACING_MM, rng)
    return {"protocol": "dtu", "scan": scan, **dtu_scores(samples, observed)}
