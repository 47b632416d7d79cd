"""In a closed bite lower teeth rest on upper ones: residuals for the joint fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.parametric.arch import Arch
from teethscape.parametric.penetration import Surface
from teethscape.parametric.system import NormalEquations

#: Points whose mean is the gap between a lower tooth and its opponents.
_POINTS = 6
#: A lower tooth farther away than this is not meant to touch, mm.
_CLOSED_MM = 1.0
_CONTACT_SIGMA_MM = 0.2
_OVERLAP_SIGMA_MM = 0.08
_REACH_MM = 3.0


@dataclass(frozen=True)
class Opponents:
    """The upper jaw as one surface that knows its teeth.

    Attributes:
        surface: all upper crowns.
        tooth: (n,) index of the tooth of each vertex.
        vertex: (n,) number of the vertex within its tooth.
    """

    surface: Surface
    tooth: NDArray[np.intp]
    vertex: NDArray[np.intp]

    @classmethod
    def of(cls, arch: Arch, upper: Sequence[int]) -> Opponents:
        """Join the posed upper crowns."""
        meshes = [arch.vertices(i) for i in upper]
        count = [len(m) for m in meshes]
        shift = np.cumsum([0, *count[:-1]])
        faces = [arch.prior.faces_of(arch.prior.fdi[i]) + s for i, s in zip(upper, shift, strict=True)]
        surface = Surface.of(np.concatenate(meshes), np.concatenate(faces))
        return cls(surface, np.repeat(np.array(upper), count), np.concatenate([np.arange(c) for c in count]))


def add_bite_contacts(system: NormalEquations, arch: Arch, present: Sequence[int]) -> None:
    """Pull nearly touching opponents together and push overlapping ones apart."""
    upper = [i for i in present if not arch.is_lower(i)]
    if not upper:
        return
    opponents = Opponents.of(arch, upper)
    for index in present:
        if arch.is_lower(index):
            _add_tooth(system, arch, opponents, index)


def _add_tooth(system: NormalEquations, arch: Arch, opponents: Opponents, index: int) -> None:
    """The gap between one lower tooth and the upper tooth that it meets first."""
    vertices = arch.world_vertices(index)
    signed, nearest = opponents.surface.signed_distance(vertices, _REACH_MM)
    partner = int(opponents.tooth[nearest[np.argmin(signed)]])
    signed = np.where(opponents.tooth[nearest] == partner, signed, np.inf)
    chosen = np.argsort(signed)[:_POINTS]
    gap = float(signed[chosen].mean())
    if not gap < _CLOSED_MM:
        return
    sigma = _OVERLAP_SIGMA_MM if gap < 0 else _CONTACT_SIGMA_MM
    normal = opponents.surface.normals[nearest[chosen]]
    placed = arch.vertices(index)[chosen]
    along, to_bite = arch.pull_bite(placed, normal)
    rows = [
        arch.pull_vertices(index, chosen, along),
        to_bite,
        -arch.pull_vertices(partner, opponents.vertex[nearest[chosen]], normal),
    ]
    columns = [system.layout.tooth(index), system.layout.bite(), system.layout.tooth(partner)]
    row = np.hstack(rows).mean(axis=0, keepdims=True)
    system.add_rows(np.concatenate(columns), row / sigma, np.array([gap / sigma]))
