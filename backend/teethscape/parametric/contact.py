"""Neighbouring teeth touch and do not run into each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from teethscape.dental.fdi import Jaw
from teethscape.dental.fdi import arch as arch_order
from teethscape.parametric.arch import Arch
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.rotation import FloatArray
from teethscape.parametric.system import NormalEquations

#: Points that make up a contact; their mean is the gap.
CONTACT_POINTS = 12
#: Only surface that looks along the arch can touch a neighbour.
_SIDE_COSINE = 0.5
#: Neighbours farther apart than this are not in contact whatever the photos show, mm.
_REACH_MM = 1.5


@dataclass(frozen=True)
class Neighbours:
    """Two teeth side by side, and whether the photos show them touching."""

    first: int
    second: int
    touching: bool


@dataclass(frozen=True)
class Gap:
    """Closest points of two neighbours.

    Attributes:
        size: mean signed gap in mm; negative where the teeth overlap.
        first: (m,) vertices of the first tooth.
        second: (m,) the nearest vertices of the second tooth.
        normal: (m, 3) outward normals of the second tooth there.
    """

    size: float
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    normal: FloatArray


def neighbours(prior: ToothPrior, present: Sequence[int], touching: set[tuple[int, int]]) -> list[Neighbours]:
    """Adjacent present teeth of each jaw; pairs of FDI numbers that touch are given."""
    index = {fdi: i for i, fdi in enumerate(prior.fdi)}
    out = []
    for jaw in Jaw:
        row = [fdi for fdi in arch_order(jaw) if index[fdi] in present]
        for a, b in pairwise(row):
            shown = (a, b) in touching or (b, a) in touching
            out.append(Neighbours(index[a], index[b], shown))
    return out


def measure_gap(arch: Arch, pair: Neighbours) -> Gap:
    """The gap between two neighbours, from the points that face each other."""
    meshes, normals = zip(
        *((arch.vertices(i), arch.normals(i)) for i in (pair.first, pair.second)), strict=True
    )
    axis = meshes[1].mean(axis=0) - meshes[0].mean(axis=0)
    axis = axis / np.linalg.norm(axis)
    facing = (normals[0] @ axis, -normals[1] @ axis)
    sides = [np.flatnonzero(f > _SIDE_COSINE) for f in facing]
    nearest = KDTree(meshes[1][sides[1]]).query(meshes[0][sides[0]])[1]
    second = sides[1][nearest]
    distance = -((meshes[0][sides[0]] - meshes[1][second]) @ axis)
    chosen = np.argsort(distance)[:CONTACT_POINTS]
    first, second = sides[0][chosen], second[chosen]
    normal = np.broadcast_to(-axis, (len(chosen), 3))
    return Gap(float(distance[chosen].mean()), first, second, normal)


def add_contacts(system: NormalEquations, arch: Arch, pairs: Sequence[Neighbours], sigma_mm: float) -> None:
    """Pull touching neighbours together and push overlapping ones apart."""
    for pair in pairs:
        gap = measure_gap(arch, pair)
        if gap.size > _REACH_MM or (gap.size > 0 and not pair.touching):
            continue
        columns, rows = [], []
        for index, vertices, sign in ((pair.first, gap.first, 1.0), (pair.second, gap.second, -1.0)):
            columns.append(system.layout.tooth(index))
            rows.append(sign * arch.pull_vertices(index, vertices, gap.normal).mean(axis=0))
        row = np.concatenate(rows)[None] / sigma_mm
        system.add_rows(np.concatenate(columns), row, np.array([gap.size / sigma_mm]))
