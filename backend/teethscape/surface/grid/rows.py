"""Equations of the grid's values: what masks, normals and smoothness demand, all linear.

A point p of the present surface that is seen at a pixel with normal n should satisfy, after the field has
become F, ``grad F(p) + F(p) K = n``: where F(p) is not zero the surface will lie ``-F(p)`` farther along n,
and the view will show it at another pixel, whose normal differs by ``-F(p) K`` with K the slope of the
picture of normals along the projected way. Several views of one place then fix its place, not only its slope.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from teethscape.parametric.camera import Camera
from teethscape.surface.grid.field import GridField, trilinear
from teethscape.surface.grid.looks import Look, back_projected, hits
from teethscape.surface.mesh.marching import Array, Faces
from teethscape.surface.mesh.marching_table import corner_offsets

#: Least cosine between a normal and the way to the camera.
_FACING = 0.05
#: Residual of a normal at which its weight has halved, in medians of all; the least and the largest. Edges
#: that the grid cannot hold have large residuals and slopes: together they would lay everything deeper.
_ROBUST_MEDIANS, _ROBUST = 2.0, (0.08, 0.6)
#: Largest change of a normal that is believed, 1 / mm.
_MOST_SLOPE = 1.5
CORNERS = corner_offsets()


@dataclass(frozen=True, eq=False)
class Rows:
    """Weighted linear equations ``matrix @ values = wanted`` of the flat field.

    Attributes:
        columns: (m, 8) flat nodes.
        weights: (m, 8) their coefficients.
        wanted: (m,).
    """

    columns: NDArray[np.int64]
    weights: Array
    wanted: Array


@dataclass(frozen=True, eq=False)
class Seen:
    """Points of the present surface that a view sees.

    Attributes:
        points: (n, 3) mm.
        pixel: (n,) flat pixel.
    """

    points: Array
    pixel: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Compared:
    """Normals of seen points and of the present surface there.

    Attributes:
        seen: the points.
        wanted: (n, 3) the view's normals.
        columns: (n, 8) nodes around each point.
        weight: (n, 8) of the nodes' values in the value at the point.
        gradient: (n, 3, 8) of the nodes' values in the slope there, 1 / mm.
        error: (n,) length of slope minus normal.
    """

    seen: Seen
    wanted: Array
    columns: NDArray[np.int64]
    weight: Array
    gradient: Array
    error: Array


def seen_points(look: Look, mesh: tuple[Array, Faces]) -> tuple[Seen, NDArray[np.float32]]:
    """Where the rays of a view's known normals meet the surface, and the depth picture."""
    depth = hits(look, *mesh)
    pixel = np.flatnonzero(look.known.ravel() & np.isfinite(depth.ravel()))
    row, column = np.divmod(pixel, depth.shape[1])
    pixels = np.column_stack([column, row]).astype(np.float64)
    return Seen(back_projected(look.camera, pixels, depth.ravel()[pixel].astype(np.float64)), pixel), depth


def compared(look: Look, field: GridField, seen: Seen) -> Compared:
    """The normals of seen points beside those of the present surface."""
    wanted = look.normals.reshape(-1, 3)[seen.pixel].astype(np.float64)
    base, place = field.cell(seen.points)
    weight, slope = trilinear(place)
    columns = base[:, None] + CORNERS @ field.steps
    gradient = slope / field.pitch
    now = np.einsum("nkc,nc->nk", gradient, field.values.ravel()[columns])
    return Compared(seen, wanted, columns, weight, gradient, np.linalg.norm(now - wanted, axis=1))


def normal_rows(look: Look, found: Compared, robust: float) -> Rows:
    """Three equations per seen point; ``robust`` is :func:`robust_residual`."""
    seen = found.seen
    # Weights by the noisy normal itself would favour those that noise has turned to the camera.
    soft = look.soft.reshape(-1, 3)[seen.pixel].astype(np.float64)
    cosine = facing(look.camera, seen.points, soft)
    trusted = np.sqrt(np.clip(cosine, 0, 1) / (1 + (found.error / robust) ** 2))
    trusted[cosine < _FACING] = 0
    shift = _slope_along(look, seen, soft)
    full = (found.gradient + shift[:, :, None] * found.weight[:, None, :]) * trusted[:, None, None]
    columns = np.repeat(found.columns, 3, axis=0)
    return Rows(columns, full.reshape(-1, 8), (found.wanted * trusted[:, None]).ravel())


def robust_residual(views: list[Compared]) -> float:
    """The residual of a normal at which its weight has halved, as the present residuals of all views tell."""
    every = np.concatenate([found.error for found in views])
    return float(np.clip(_ROBUST_MEDIANS * np.median(every), *_ROBUST)) if len(every) else _ROBUST[1]


def _slope_along(look: Look, seen: Seen, normals: Array) -> Array:
    """(n, 3) the vector K of each point, 1 / mm; zero where the picture is not steady."""
    along = slopes_along(look.camera, seen.points, normals, look.slopes.reshape(-1, 3, 2)[seen.pixel])
    along[~look.steady.ravel()[seen.pixel]] = 0
    return along


def facing(camera: Camera, points: Array, normals: Array) -> Array:
    """(n,) cosine between unit normals (n, 3) at points (n, 3), mm, and the way to a camera."""
    away = camera.centre - points
    return (normals * away).sum(axis=1) / np.linalg.norm(away, axis=1)


def slopes_along(camera: Camera, points: Array, normals: Array, slopes: NDArray[np.floating]) -> Array:
    """(n, 3) how the normal that a view shows changes per mm that a point lies farther along its normal.

    Args:
        camera: of the view.
        points: (n, 3) mm.
        normals: (n, 3) unit, there.
        slopes: (n, 3, 2) change of the normal per pixel to the right and down.
    """
    local = camera.to_camera(points)
    turned = normals @ camera.rotation.T
    way = camera.focal * (turned[:, :2] - local[:, :2] / local[:, 2:] * turned[:, 2:]) / local[:, 2:]
    return np.clip(np.einsum("nkc,nc->nk", slopes, way), -_MOST_SLOPE, _MOST_SLOPE)


def stacked(rows: list[Rows], size: int) -> tuple[sparse.csr_matrix, Array]:
    """All equations as one matrix (m, size) and right side (m,)."""
    columns = np.concatenate([r.columns for r in rows])
    weights = np.concatenate([r.weights for r in rows])
    pointer = np.arange(0, columns.size + 1, 8)
    matrix = sparse.csr_matrix((weights.ravel(), columns.ravel(), pointer), shape=(len(columns), size))
    return matrix, np.concatenate([r.wanted for r in rows])
