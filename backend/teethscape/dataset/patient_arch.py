"""Random arches: poses from the prior, contacts closed, teeth missing, jaws in bite."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.polynomial import Polynomial

from teethscape.dataset.patient_crowns import Crown, gap_along
from teethscape.dataset.patient_shape import ShapeNoise, noise_of_twins, worn
from teethscape.dental.fdi import Jaw, arch, is_left, jaw_of, right_twin
from teethscape.parametric.arch import Arch, ArchState
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.rotation import FloatArray, rotation_matrix

_CONTACT_MM = 0.06
_FRONT = (1, 2, 3)
#: Of the polynomials that give the line of an arch: a U, whatever single teeth do.
_ARCH_DEGREE = 6


@dataclass(frozen=True)
class Dentition:
    """Which teeth a patient has and how they stand.

    Attributes:
        missing: FDI numbers that are absent.
        closed: the absent teeth whose gap the neighbours have closed.
        spacing: mean gap between front teeth, mm; 0 for touching teeth.
        crowding: s.d. of extra rotation (rad) and twice that in mm of extra
            buccal displacement of the front teeth.
        spread: factor on the prior's standard deviations of pose and size.
        shape: how far the crowns stray from the prior's modes.
    """

    missing: frozenset[int] = frozenset()
    closed: frozenset[int] = frozenset()
    spacing: float = 0.0
    crowding: float = 0.0
    spread: float = 1.0
    shape: ShapeNoise = field(default_factory=ShapeNoise)


class ArchCurve:
    """The smooth line along which the teeth of a jaw stand, seen from above.

    It passes between teeth that stand out of line rather than through them, so that a
    tooth that slides along it keeps its own place and turn relative to the arch.

    Args:
        points: (n, 3) tooth centres from right to left, mm.
    """

    def __init__(self, points: FloatArray) -> None:
        plane = points[:, :2]
        steps = np.linalg.norm(np.diff(plane, axis=0), axis=1)
        length = np.concatenate([[0.0], np.cumsum(steps)])
        self._ends = 0.0, float(length[-1])
        self._line_of = [Polynomial.fit(length, plane[:, k], _ARCH_DEGREE) for k in range(2)]
        self._slope_of = [line.deriv() for line in self._line_of]
        self._samples = np.linspace(-15.0, length[-1] + 15.0, 800)
        self._line = self._at(self._samples)

    def _at(self, length: FloatArray) -> FloatArray:
        """(n, 2) points; straight beyond both ends."""
        inside = np.clip(length, *self._ends)
        there = np.stack([line(inside) for line in self._line_of], axis=-1)
        return there + (length - inside)[..., None] * self._tangent(inside)

    def _tangent(self, length: FloatArray) -> FloatArray:
        inside = np.clip(length, *self._ends)
        slope = np.stack([line(inside) for line in self._slope_of], axis=-1)
        return slope / np.linalg.norm(slope, axis=-1, keepdims=True)

    def slid(self, crown: Crown, way: float) -> Crown:
        """The crown moved ``way`` mm along the curve (towards the left), turning with it."""
        near = np.argmin(((self._line - crown.centre[:2]) ** 2).sum(axis=1))
        start = np.array([self._samples[near], self._samples[near] + way])
        (x0, y0), (x1, y1) = self._tangent(start)
        angle = np.arctan2(x0 * y1 - y0 * x1, x0 * x1 + y0 * y1)
        shift = np.zeros(3)
        shift[:2] = np.diff(self._at(start), axis=0)[0]
        return crown.turned(rotation_matrix(np.array([0.0, 0.0, angle])), crown.centre).moved(shift)


def draw_state(prior: ToothPrior, dentition: Dentition, rng: np.random.Generator) -> ArchState:
    """Random pose, size, shape and bite of all 28 teeth."""
    count = len(prior.fdi)
    modes = len(prior.shape(prior.fdi[0]).modes)
    pose = rng.multivariate_normal(np.zeros(6 * count), prior.pose_cov, method="eigh").reshape(count, 6)
    size = rng.multivariate_normal(np.zeros(count), prior.log_size_cov, method="eigh")
    bite = rng.multivariate_normal(np.zeros(6), prior.bite_cov, method="eigh")
    twin = {fdi: rng.normal(size=modes) for fdi in prior.fdi if not is_left(fdi)}
    shape = np.array([0.8 * twin[right_twin(fdi)] + 0.6 * rng.normal(size=modes) for fdi in prior.fdi])
    front = np.array([fdi % 10 in _FRONT for fdi in prior.fdi])[:, None]
    pose[:, 5:] += front * rng.normal(0.0, 1.0, (count, 1)) * dentition.crowding
    pose[:, 1:2] += front * rng.normal(0.0, 2.0, (count, 1)) * dentition.crowding
    spread = dentition.spread
    return ArchState(spread * pose[:, :3], spread * pose[:, 3:], spread * size, shape, spread * bite)


def _crowns(
    prior: ToothPrior, state: ArchState, noise: ShapeNoise, rng: np.random.Generator
) -> dict[int, Crown]:
    """All 28 crowns of a state with noise and wear, each jaw in the mean bite."""
    model = Arch(prior, state)
    rough = {f: noise_of_twins(prior.shape(f), noise, rng) for f in prior.fdi if not is_left(f)}
    patient_wear = noise.wear * rng.gamma(2.0, 0.5)
    out = {}
    for index, fdi in enumerate(prior.fdi):
        cap = prior.shape(fdi).cap
        local = model.local_vertices(index) + rough[right_twin(fdi)][int(is_left(fdi))]
        local = worn(local, cap, patient_wear * rng.uniform(0.4, 1.6))
        axes = prior.axes[index] @ rotation_matrix(state.rotation[index])
        out[fdi] = Crown(fdi, model.posed(index, local), prior.faces_of(fdi), cap, axes)
    return out


def _placed(crown: Crown, neighbour: Crown, curve: ArchCurve, gap: float) -> Crown:
    """``crown`` slid along the arch until it stands ``gap`` mm from its neighbour."""
    outward = 1.0 if is_left(crown.fdi) else -1.0
    for _ in range(4):
        direction = crown.centre - neighbour.centre
        direction[2] = 0.0
        direction /= np.linalg.norm(direction)
        free = gap_along(neighbour.vertices[~neighbour.cap], crown.vertices[~crown.cap], direction)
        if np.isfinite(free):
            crown = curve.slid(crown, outward * (gap - free))
    return crown


def _wanted_gap(crown: Crown, dentition: Dentition, rng: np.random.Generator) -> float:
    """Gap in mm between a tooth and its mesial neighbour."""
    gap = float(np.clip(rng.normal(0.0, _CONTACT_MM), -0.1, 0.2))
    if dentition.spacing and crown.fdi % 10 in _FRONT:
        gap += dentition.spacing * rng.gamma(2.0, 0.5)
    return gap


def close_contacts(
    crowns: dict[int, Crown], jaw: Jaw, dentition: Dentition, rng: np.random.Generator
) -> dict[int, Crown]:
    """Slide the teeth of a jaw, from the midline outwards, until neighbours touch.

    A tooth that is missing with its gap left open still pushes its neighbours
    (its place stays free); one whose gap is closed does not.
    """
    order = [fdi for fdi in arch(jaw) if fdi not in dentition.closed]
    curve = ArchCurve(np.array([crowns[fdi].centre for fdi in arch(jaw)]))
    out = {fdi: crowns[fdi] for fdi in order}
    right = [fdi for fdi in order if not is_left(fdi)][::-1]
    left = [fdi for fdi in order if is_left(fdi)]
    for _ in range(3):  # both middle teeth give way equally
        first = _placed(out[left[0]], out[right[0]], curve, 0.0)
        half = 0.5 * (first.centre - out[left[0]].centre)
        out[left[0]] = out[left[0]].moved(half)
        out[right[0]] = out[right[0]].moved(-half)
    for side in (right, left):
        for inner, outer in pairwise(side):
            gap = _wanted_gap(out[outer], dentition, rng)
            out[outer] = _placed(out[outer], out[inner], curve, gap)
    return {fdi: crown for fdi, crown in out.items() if fdi not in dentition.missing}


def random_arches(
    prior: ToothPrior, dentition: Dentition, rng: np.random.Generator
) -> tuple[dict[int, Crown], FloatArray]:
    """Crowns of both jaws before the bite is settled, and the drawn bite (6,)."""
    state = draw_state(prior, dentition, rng)
    crowns = _crowns(prior, state, dentition.shape, rng)
    out: dict[int, Crown] = {}
    for jaw in Jaw:
        own = {fdi: crown for fdi, crown in crowns.items() if jaw_of(fdi) is jaw}
        out.update(close_contacts(own, jaw, dentition, rng))
    return out, state.bite
