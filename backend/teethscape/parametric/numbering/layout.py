"""Where teeth are expected when some are missing and the neighbours have closed the gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw, arch, is_left, jaw_of
from teethscape.parametric.arch import POSE_SIZE, ArchState
from teethscape.parametric.numbering.crowns import Placed, placed_at
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.rotation import FloatArray, rotation_matrix

#: Part of a closed gap that the teeth behind it have moved, by place in the quadrant, and its
#: spread. Teeth drift mesially; for an incisor those across the midline are as near.
_FROM_BEHIND, _FROM_BEHIND_SD = (0.5, 0.65, 0.75, 0.75, 0.75, 0.75, 0.75), 0.3
_LEFT_OPEN_SD_MM = 0.7
#: Width of a gap in units of the missing crown's mesiodistal extent.
_CONTACT_WIDTH = 0.94
_MIDLINE_REACH = 4.0  # teeth across the midline that give way when a gap closes
#: Teeth that drift tip, turn and leave the line of the arch: s.d. per mm of way, rad and mm.
_TIP_PER_MM, _TURN_PER_MM, _STRAY_PER_MM = 0.02, 0.04, 0.1
#: Neighbours touch, so crowns wider than the mean push all teeth behind them along: s.d. per contact.
_CONTACT_SD_MM = 0.35


@dataclass(frozen=True)
class Spread:
    """How far the teeth of an arch may stray from their mean places.

    Attributes:
        prior: the tooth prior with these places.
        place_cov: (84, 84) covariance of the crowns' places, world axes, mm^2.
        turn_var: (28, 3) variance of the rotations that closing gaps adds, rad^2.
    """

    prior: ToothPrior
    place_cov: FloatArray
    turn_var: FloatArray

    @cached_property
    def pose_cov(self) -> FloatArray:
        """(28, 6, 28, 6) covariance of all poses in the teeth's axes."""
        prior, n = self.prior, len(self.prior.fdi)
        pose = prior.pose_cov.reshape(n, 6, n, 6).copy()
        place = self.place_cov.reshape(n, 3, n, 3)
        pose[:, :3, :, :3] = np.einsum("iab,iajc,jcd->ibjd", prior.axes, place, prior.axes, optimize=True)
        index, axis = np.arange(n)[:, None], np.arange(3, 6)
        pose[index, axis, index, axis] += self.turn_var
        return pose

    @cached_property
    def precision(self) -> FloatArray:
        """(196, 196) precision of poses and log sizes of all teeth."""
        size = self.prior.log_size_cov
        count = len(size)
        out = np.zeros((count, POSE_SIZE, count, POSE_SIZE))
        poses = np.linalg.inv(self.pose_cov.reshape(6 * count, -1))
        out[:, :6, :, :6] = poses.reshape(count, 6, count, 6)
        out[:, 6, :, 6] = np.linalg.inv(size)
        return out.reshape(POSE_SIZE * count, -1)

    @cached_property
    def log_det(self) -> float:
        """Log determinant of the precision."""
        return float(np.linalg.slogdet(self.precision)[1])

    @cached_property
    def placed(self) -> Placed:
        """The mean crowns at the mean places."""
        return placed_at(self.prior, ArchState.mean(len(self.prior.fdi)))


@dataclass(frozen=True)
class Layout:
    """A population with some teeth absent.

    Attributes:
        present: (28,) teeth that exist.
        closed: FDI numbers whose gap is closed.
        spread: the mean places, and how far teeth may stray from them.
    """

    present: NDArray[np.bool_]
    closed: frozenset[int]
    spread: Spread

    @property
    def prior(self) -> ToothPrior:
        """The tooth prior with the mean places that hold after gaps have closed."""
        return self.spread.prior

    @property
    def placed(self) -> Placed:
        """The mean crowns at the mean places."""
        return self.spread.placed

    @property
    def covs(self) -> tuple[FloatArray, FloatArray]:
        """Covariances of the places (84, 84) and of the log sizes (28, 28)."""
        return self.spread.place_cov, self.prior.log_size_cov

    @property
    def teeth(self) -> frozenset[int]:
        """FDI numbers of the teeth that exist."""
        return frozenset(self.prior.fdi) - self.missing

    @property
    def missing(self) -> frozenset[int]:
        """FDI numbers of the absent teeth."""
        return frozenset(f for f, here in zip(self.prior.fdi, self.present, strict=True) if not here)


class Layouts:
    """Layouts of one prior, each made once."""

    def __init__(self, prior: ToothPrior) -> None:
        self.prior = prior
        self._ways = {fdi: _closing_ways(prior, fdi) for fdi in prior.fdi}
        self._spreads: dict[frozenset[int], Spread] = {}

    def get(self, missing: frozenset[int], closed: frozenset[int] = frozenset()) -> Layout:
        """The mean arch with teeth missing, the gaps of ``closed`` taken up by their neighbours."""
        if closed not in self._spreads:
            self._spreads[closed] = _close_gaps(self.prior, {f: self._ways[f] for f in sorted(closed)})
        present = np.array([fdi not in missing for fdi in self.prior.fdi])
        return Layout(present, closed, self._spreads[closed])


def _close_gaps(prior: ToothPrior, ways: Mapping[int, tuple[FloatArray, FloatArray]]) -> Spread:
    """The mean places that hold once gaps have closed, and how far teeth may stray from them."""
    way = np.zeros(len(prior.fdi))
    for fdi, (behind, before) in ways.items():
        share = _FROM_BEHIND[fdi % 10 - 1]
        way += share * behind + (1 - share) * before
    centre, axes = _slid(prior, way)
    moved = replace(prior, centre=centre, axes=axes)
    cov = place_covariance(moved)
    directions = arch_directions(moved)
    for behind, before in ways.values():
        for along, sd in ((behind - before, _FROM_BEHIND_SD), (np.sign(behind), _LEFT_OPEN_SD_MM)):
            vector = (along[:, None] * directions).ravel() * sd
            cov = cov + np.outer(vector, vector)
    across = _STRAY_PER_MM * way[:, None, None] * moved.axes[:, :, 1:]
    blocks, index = cov.reshape(len(way), 3, len(way), 3).copy(), np.arange(len(way))
    blocks[index, :, index, :] += across @ across.transpose(0, 2, 1)
    turn_var = (way[:, None] * np.array([_TIP_PER_MM, _TIP_PER_MM, _TURN_PER_MM])) ** 2
    return Spread(moved, blocks.reshape(cov.shape), turn_var)


def arch_directions(prior: ToothPrior) -> FloatArray:
    """(28, 3) unit vectors along the arch from the patient's right to the left."""
    sign = np.array([-1.0 if is_left(f) else 1.0 for f in prior.fdi])
    return sign[:, None] * prior.axes[:, :, 0]


def place_covariance(prior: ToothPrior) -> FloatArray:
    """(84, 84) covariance of the tooth places in world axes."""
    n = len(prior.fdi)
    local = prior.pose_cov.reshape(n, 6, n, 6)[:, :3, :, :3]
    own = np.einsum("iab,ibjc,jdc->iajd", prior.axes, local, prior.axes, optimize=True)
    along = arch_directions(prior).ravel()
    pushed = np.kron(_pushed(prior), np.ones((3, 3))) * along[:, None] * along
    return own.reshape(3 * n, 3 * n) + pushed


def _pushed(prior: ToothPrior) -> FloatArray:
    """(28, 28) covariance of the ways along the arch that contacts nearer the midline add, mm^2."""
    contacts = np.array([fdi % 10 - 0.5 for fdi in prior.fdi])
    quadrant = np.array([fdi // 10 for fdi in prior.fdi])
    common = np.minimum(contacts[:, None], contacts[None])
    return np.where(quadrant[:, None] == quadrant[None], _CONTACT_SD_MM**2 * common, 0.0)


def _closing_ways(prior: ToothPrior, fdi: int) -> tuple[FloatArray, FloatArray]:
    """Ways (28,) in mm along the arch (right to left) of the teeth behind and before a closed gap."""
    order = arch(jaw_of(fdi))
    gap = order.index(fdi)
    width = _CONTACT_WIDTH * float(np.ptp(prior.shape(fdi).mean[:, 0]))
    behind, before = np.zeros(len(prior.fdi)), np.zeros(len(prior.fdi))
    for place, tooth in enumerate(order):
        if place == gap:
            continue
        index, sign = prior.fdi.index(tooth), 1.0 if place < gap else -1.0
        distal = (place < gap) != is_left(fdi)
        if distal:
            behind[index] = sign * width
        elif is_left(tooth) == is_left(fdi) or fdi % 10 == 1:  # a gap at the midline closes from both sides
            before[index] = sign * width
        else:
            across = abs(place - 6.5) + 0.5
            before[index] = sign * width * max(0.0, 1.0 - across / _MIDLINE_REACH)
    return behind, before


def _slid(prior: ToothPrior, way: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Centres (28, 3) and axes (28, 3, 3) after each tooth slid ``way`` mm along its arch and turned."""
    centre, axes = prior.centre.copy(), prior.axes.copy()
    for jaw in Jaw:
        rows = jaw_rows(prior, jaw)
        if not way[rows].any():
            continue
        line = prior.centre[rows]
        length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
        there = length + way[rows]
        centre[rows] = _on_line(line, length, there)
        angle = _heading(line, length, there) - _heading(line, length, length)
        turn = rotation_matrix(angle[:, None] * np.array([0.0, 0.0, 1.0]))
        axes[rows] = turn @ axes[rows]
    return centre, axes


def _on_line(line: FloatArray, length: FloatArray, at: FloatArray) -> FloatArray:
    """(n, 3) points of a polyline at given lengths, straight beyond its ends."""
    inside = np.clip(at, length[0], length[-1])
    point = np.stack([np.interp(inside, length, line[:, k]) for k in range(3)], axis=1)
    ends = np.where((at < length[0])[:, None], line[1] - line[0], line[-1] - line[-2])
    return point + (at - inside)[:, None] * ends / np.linalg.norm(ends, axis=1, keepdims=True)


def _heading(line: FloatArray, length: FloatArray, at: FloatArray) -> FloatArray:
    """Direction of the arch at given lengths, rad in the occlusal plane."""
    step = _on_line(line, length, at + 4.0) - _on_line(line, length, at - 4.0)
    return np.unwrap(np.arctan2(step[:, 1], step[:, 0]))


def jaw_rows(prior: ToothPrior, jaw: Jaw) -> NDArray[np.intp]:
    """Indices of a jaw's teeth from the patient's right to the left."""
    return np.array([prior.fdi.index(f) for f in arch(jaw)], dtype=np.intp)


def beside(prior: ToothPrior, tooth: int) -> list[int]:
    """Indices into ``prior.fdi`` of a tooth's neighbours in its arch: two, one of a second molar."""
    row = jaw_rows(prior, jaw_of(prior.fdi[tooth])).tolist()
    place = row.index(tooth)
    return row[max(place - 1, 0) : place] + row[place + 1 : place + 2]
