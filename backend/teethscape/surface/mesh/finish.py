"""From a field to a mesh that people can use: closed, two-manifold, even, decimated, without crumbs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teethscape.errors import RefusedError
from teethscape.surface.grid.field import GridField
from teethscape.surface.mesh.even import edge_spread, evened
from teethscape.surface.mesh.marching import Array, Faces

#: Triangles of a jaw at most.
MOST_TRIANGLES = 150_000
#: Deviation that decimation may add, mm, and its growth while there are too many triangles.
TOLERANCE_MM, _GROWTH = 0.02, 1.4
#: Share of the deviation that manifold3d is asked for: its collapses add up to one and a half times that.
_ASKED = 0.6
#: Components smaller than this share of the largest one's volume, and than this volume in mm^3, are crumbs.
_CRUMB, _CRUMB_MM3 = 0.02, 8.0


@dataclass(frozen=True, eq=False)
class FinishedMesh:
    """A mesh and what was done to it.

    Attributes:
        vertices: (V, 3) mm.
        faces: (F, 3) outward.
        components: bodies that are left.
        crumbs: bodies that were dropped.
        edge_mm: mean length of the edges before decimation.
        edge_spread: their standard deviation as a share of the mean, before decimation.
        tolerance_mm: deviation that decimation was allowed.
    """

    vertices: Array
    faces: Faces
    components: int
    crumbs: int
    edge_mm: float
    edge_spread: float
    tolerance_mm: float


def finished(
    field: GridField, most: int = MOST_TRIANGLES, unit: float = 1.0, level: float = 0.0
) -> FinishedMesh:
    """The surface of a field, ready to be used.

    Args:
        field: signed distance, mm; of other things than teeth, in units of their own.
        most: triangles at most.
        unit: what stands for a millimetre in the field's units when it is told what is small.
        level: value at which the surface is taken; its vertices are then moved back by as much along the
            field's slope.

    Raises:
        RefusedError: there is no surface, or it cannot be made two-manifold.
    """
    shifted = replace(field, values=field.values - np.float32(level)) if level else field
    vertices, faces = shifted.surface()
    if not len(faces):
        raise RefusedError(
            "surface_empty",
            "The surface is empty: the field that the method has made is nowhere inside.",
            "Give the method more time, or take another one.",
        )
    body, crumbs = without_crumbs(vertices, faces, unit)
    vertices, faces = arrays(body)
    even = manifold(_moved_back(evened(vertices, faces, shifted), field, level), faces)
    if even is None:  # a fold made by sliding: the unslid mesh is sound
        even = manifold(_moved_back(vertices, field, level), faces) or body
    edge, spread = edge_spread(*arrays(even))
    small, tolerance = _decimated(even, most, unit)
    vertices, faces = arrays(small)
    return FinishedMesh(vertices, faces, len(small.decompose()), crumbs, edge, spread, tolerance)


def _moved_back(vertices: Array, field: GridField, level: float) -> Array:
    """Vertices (V, 3) of the surface at a value of a field, moved to where that is 0."""
    return vertices - level * field.slopes(vertices) if level else vertices


def manifold(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> Any:
    """A solid of manifold3d, or None where the mesh is not closed and two-manifold."""
    from manifold3d import Error, Manifold, Mesh

    solid = Manifold(Mesh(vertices.astype(np.float32), faces.astype(np.uint32)))
    return solid if solid.status() == Error.NoError and solid.num_tri() else None


def arrays(solid: Any) -> tuple[Array, Faces]:
    """Vertices and triangles of a solid."""
    mesh = solid.to_mesh()
    return np.asarray(mesh.vert_properties)[:, :3].astype(np.float64), np.asarray(mesh.tri_verts).astype(
        np.int32
    )


def without_crumbs(vertices: Array, faces: Faces, unit: float = 1.0) -> tuple[Any, int]:
    """The bodies of a closed mesh that are no crumbs, and how many were; ``unit`` as for `finished`.

    Raises:
        RefusedError: the mesh is not two-manifold.
    """
    from manifold3d import Manifold

    solid = manifold(vertices, faces)
    if solid is None:
        raise RefusedError(
            "surface_not_manifold", "The surface is not two-manifold.", "Please report it with the views."
        )
    bodies = sorted(solid.decompose(), key=lambda body: body.volume(), reverse=True)
    least = min(_CRUMB * bodies[0].volume(), _CRUMB_MM3 * unit**3)
    kept = [body for body in bodies if body.volume() > least]
    return Manifold.compose(kept), len(bodies) - len(kept)


def _decimated(solid: Any, most: int, unit: float) -> tuple[Any, float]:
    """The solid with as few triangles as a deviation allows, and that deviation."""
    tolerance = TOLERANCE_MM * unit
    small = simplified(solid, tolerance)
    while small.num_tri() > most:
        tolerance *= _GROWTH
        small = simplified(solid, tolerance)
    return small, tolerance


def simplified(solid: Any, tolerance: float) -> Any:
    """A solid of manifold3d with fewer triangles, nowhere farther from it than a deviation."""
    return solid.simplify(_ASKED * tolerance)


def is_two_manifold(faces: NDArray[np.integer]) -> bool:
    """Whether every edge belongs to exactly two triangles that run along it in opposite ways."""
    ways = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64)
    size = int(ways.max()) + 1
    there, back = ways[:, 0] * size + ways[:, 1], ways[:, 1] * size + ways[:, 0]
    return len(np.unique(there)) == len(there) and bool(np.array_equal(np.sort(there), np.sort(back)))
