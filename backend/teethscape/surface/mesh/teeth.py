"""Teeth of a surface by the known arch: which tooth a place belongs to, and a closed body per tooth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from teethscape.mesh.solid import Solid
from teethscape.surface.grid.field import GridField
from teethscape.surface.mesh.even import vertex_normals
from teethscape.surface.mesh.finish import TOLERANCE_MM, arrays, manifold, simplified, without_crumbs
from teethscape.surface.mesh.marching import Array, Faces

#: Margin around a tooth's box, mm, and how far beyond the known tooth its surface may lie.
_MARGIN_MM, REACH_MM = 3.0, 1.5
#: Share of the known tooth's volume below which a part is none; of whole teeth it is 0.8 and more.
_SLIVER = 0.2


@dataclass(frozen=True, eq=False)
class KnownArch:
    """Crowns of one jaw.

    Attributes:
        teeth: by FDI number, mm, the views' axes.
    """

    teeth: Mapping[int, Solid]

    def distances(self, points: Array) -> tuple[NDArray[np.int32], Array]:
        """FDI number of the nearest tooth (n,), and the signed distance to it (n,), mm, negative inside.

        Measured to vertices along their normals: exact to about half an edge of the crowns.
        """
        numbers = np.array(list(self.teeth), np.int32)
        solids = list(self.teeth.values())
        owner = np.repeat(numbers, [len(s.vertices) for s in solids])
        places = np.concatenate([s.vertices for s in solids]).astype(np.float64)
        normals = np.concatenate([vertex_normals(s.vertices.astype(np.float64), s.faces) for s in solids])
        far, index = KDTree(places).query(points)
        along = ((points - places[index]) * normals[index]).sum(axis=1)
        return owner[index], np.where(along < 0, -far, far)

    def signed(self, points: Array) -> Array:
        """(n,) signed distance to the nearest crown, mm."""
        return self.distances(points)[1]


def tooth_bodies(
    field: GridField, arch: KnownArch, each: Callable[[float], object] = lambda _: None
) -> dict[int, Solid]:
    """A closed body per tooth: the field cut half way between neighbours and a little beyond the neck.

    Teeth of which the surface shows nothing are left out, or no more than a sliver that may be a neighbour's.

    Args:
        field: of the surface, mm, the views' axes.
        arch: its teeth.
        each: told before each tooth which share of them is done, 0..1; what it raises ends the work.
    """
    trees = {fdi: KDTree(solid.vertices) for fdi, solid in arch.teeth.items()}
    out = {}
    for number, (fdi, solid) in enumerate(arch.teeth.items()):
        each(number / len(arch.teeth))
        near = [tree for other, tree in trees.items() if other != fdi and _close(arch.teeth[other], solid)]
        body = _body(field, solid, trees[fdi], near)
        if body is not None:
            out[fdi] = Solid(f"FDI_{fdi}", *body)
    return out


def _body(field: GridField, solid: Solid, own_tree: KDTree, near: list[KDTree]) -> tuple[Array, Faces] | None:
    """Vertices and faces of the field's part that belongs to a tooth, or None where there is next to none."""
    part = _cut_out(field, solid)
    if part is None:
        return None
    points = part.nodes()
    own = own_tree.query(points)[0]
    other = np.min([tree.query(points)[0] for tree in near], axis=0) if near else np.full(len(points), np.inf)
    only = KnownArch({0: solid}).signed(points) - REACH_MM
    limit = np.maximum(np.where(np.isfinite(other), (own - other) / 2, -np.inf), only)
    values = np.maximum(part.values, limit.reshape(part.values.shape)).astype(np.float32)
    vertices, faces = GridField(values, part.low, part.pitch).surface()
    if not len(faces):
        return None
    body, _ = without_crumbs(vertices, faces)
    largest, known = max(body.decompose(), key=lambda b: b.volume()), manifold(solid.vertices, solid.faces)
    if known is not None and largest.volume() < _SLIVER * known.volume():
        return None
    vertices, faces = arrays(simplified(largest, TOLERANCE_MM))
    return (vertices, faces) if len(faces) else None


def _close(one: Solid, two: Solid) -> bool:
    """Whether the boxes of two teeth are near each other."""
    gap = np.maximum(
        one.vertices.min(axis=0) - two.vertices.max(axis=0),
        two.vertices.min(axis=0) - one.vertices.max(axis=0),
    )
    return bool(gap.max() < 2 * _MARGIN_MM)


def _cut_out(field: GridField, solid: Solid) -> GridField | None:
    """The nodes around a tooth, or None where the grid does not reach."""
    first = np.floor((solid.vertices.min(axis=0) - _MARGIN_MM - field.low) / field.pitch).astype(int)
    last = np.ceil((solid.vertices.max(axis=0) + _MARGIN_MM - field.low) / field.pitch).astype(int)
    first, last = np.maximum(first, 0), np.minimum(last, np.array(field.values.shape) - 1)
    if (last - first < 3).any():
        return None
    part = tuple(slice(a, b + 1) for a, b in zip(first, last, strict=True))
    return GridField(field.values[part], field.low + field.pitch * first, field.pitch)
