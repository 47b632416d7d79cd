"""The bite: lower crowns settle on the upper ones where the photos show it closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from teethscape.parametric.penetration import Surface
from teethscape.parametric.rotation import FloatArray, rotation_matrix, skew

#: A gap up to this size counts as a contact, mm.
CONTACT_MM = 0.15
_REACH_MM = 3.0
_OVERLAP_SIGMA_MM = 0.05
_CONTACT_SIGMA_MM = 0.15
_ITERATIONS = 25
_CLOSED_MM = 1.2


@dataclass(frozen=True)
class BiteReport:
    """How the jaws meet.

    Attributes:
        penetration_p99_mm: 99th percentile of depth over lower vertices in contact
            or inside, mm.
        contacts_right: teeth of the right side that touch an opponent.
        contacts_left: the same on the left.
    """

    penetration_p99_mm: float
    contacts_right: int
    contacts_left: int


@dataclass(frozen=True)
class BiteProblem:
    """Settling of the lower jaw.

    Attributes:
        upper: the upper crowns, joined.
        lower: lower crowns as fitted, one array each, mm.
        pivot: (3,) point about which the jaw turns.
        covariance: (6, 6) uncertainty of the fitted bite, translation and rotation.
    """

    upper: Surface
    lower: Sequence[FloatArray]
    pivot: FloatArray
    covariance: FloatArray


def move(points: FloatArray, pivot: FloatArray, step: FloatArray) -> FloatArray:
    """Rigid motion of (n, 3) points by translation (mm) and rotation vector about the pivot."""
    return (points - pivot) @ rotation_matrix(step[3:]).T + pivot + step[:3]


def settle(problem: BiteProblem, closed: bool) -> FloatArray:
    """Small rigid motion (6,) that removes overlap and, if closed, makes contacts.

    Gauss-Newton on the overlap of every lower vertex, the closest approach of each
    lower tooth (when the photos show a closed bite) and the fitted bite's covariance.
    """
    step = np.zeros(6)
    precision = np.linalg.inv(problem.covariance)
    for _ in range(_ITERATIONS):
        hessian, gradient = precision.copy(), precision @ step
        for tooth in problem.lower:
            placed = move(tooth, problem.pivot, step)
            signed, nearest = problem.upper.signed_distance(placed, _REACH_MM)
            rows, residual = _rows(
                placed - problem.pivot - step[:3], signed, problem.upper.normals[nearest], closed
            )
            hessian += rows.T @ rows
            gradient += rows.T @ residual
        change = np.linalg.solve(hessian, -gradient)
        step = step + change
        if np.abs(change).max() < 1e-4:
            break
    return step


def _rows(
    arms: FloatArray, signed: FloatArray, normals: FloatArray, closed: bool
) -> tuple[FloatArray, FloatArray]:
    """Weighted derivatives (n, 6) and residuals (n,) of one tooth."""
    inside = np.flatnonzero(signed < 0)
    chosen, sigma = inside, np.full(len(inside), _OVERLAP_SIGMA_MM)
    closest = int(np.argmin(signed))
    if closed and 0 <= signed[closest] < _CLOSED_MM:
        chosen, sigma = np.array([closest]), np.array([_CONTACT_SIGMA_MM])
    normal = normals[chosen]
    turning = np.einsum("ni,nij->nj", normal, -skew(arms[chosen]))
    rows = np.concatenate([normal, turning], axis=1) / sigma[:, None]
    return rows, signed[chosen] / sigma


def inspect(upper: Surface, lower: dict[int, FloatArray]) -> BiteReport:
    """Contacts and overlap of lower crowns (by FDI number) against the upper jaw."""
    depths, touching = [np.zeros(1)], []
    for fdi, vertices in lower.items():
        signed, _ = upper.signed_distance(vertices, _REACH_MM)
        near = signed < CONTACT_MM
        depths.append(np.maximum(-signed[near], 0.0))
        if near.any():
            touching.append(fdi)
    right = sum(fdi // 10 == 4 for fdi in touching)
    return BiteReport(float(np.percentile(np.concatenate(depths), 99)), right, len(touching) - right)
