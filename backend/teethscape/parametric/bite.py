"""Where the lower jaw goes: the fitted bite, settled on the upper crowns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from teethscape.parametric.arch import Arch
from teethscape.parametric.occlusion import BiteProblem, BiteReport, inspect, move, settle
from teethscape.parametric.penetration import Surface
from teethscape.parametric.placement import Placement
from teethscape.parametric.rotation import FloatArray, rotation_matrix

#: The crowns' own errors limit how well jaws can mesh; the fitted bite may move at least so far.
_FLOOR = np.array([0.15, 0.15, 0.25, 0.01, 0.01, 0.01])


@dataclass(frozen=True)
class Bite:
    """The lower jaw in occlusion.

    Attributes:
        placement: rigid map of the lower jaw from the prior's mean bite.
        report: contacts and overlap.
    """

    placement: Placement
    report: BiteReport


def _joined(arch: Arch, meshes: dict[int, FloatArray]) -> Surface:
    """Crowns as one surface for distance queries."""
    count = np.cumsum([0, *(len(m) for m in meshes.values())])[:-1]
    faces = [arch.prior.faces_of(arch.prior.fdi[i]) + k for i, k in zip(meshes, count, strict=True)]
    return Surface.of(np.concatenate(list(meshes.values())), np.concatenate(faces))


def settle_bite(arch: Arch, meshes: dict[int, FloatArray], covariance: FloatArray) -> Bite:
    """Place the lower crowns (own jaw, by index) against the upper ones.

    Args:
        arch: the fitted teeth; gives the bite that the photos show.
        meshes: final crowns by index.
        covariance: (6, 6) of the fitted bite.
    """
    bite, pivot = arch.state.bite, arch.prior.bite_pivot
    turn = rotation_matrix(bite[3:])
    fitted = Placement(1.0, turn, pivot + bite[:3] - turn @ pivot)
    upper = {i: m for i, m in meshes.items() if not arch.is_lower(i)}
    lower = {i: fitted.points(m) for i, m in meshes.items() if arch.is_lower(i)}
    if not upper or not lower:
        return Bite(fitted, BiteReport(0.0, 0, 0))
    surface = _joined(arch, upper)
    step = settle(
        BiteProblem(surface, list(lower.values()), pivot, covariance + np.diag(_FLOOR**2)), closed=True
    )
    small = rotation_matrix(step[3:])
    settled = Placement(1.0, small, pivot + step[:3] - small @ pivot)
    report = inspect(surface, {arch.prior.fdi[i]: move(m, pivot, step) for i, m in lower.items()})
    return Bite(settled.after(fitted), report)
