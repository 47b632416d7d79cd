"""The mean bite: how the mean arches settle so that teeth touch as they do in a mouth.

The published model gives each jaw its own frame and no bite, and averaging leaves
neighbours overlapping by up to 0.35 mm.  The mean places are therefore settled: the
most probable small moves (under the prior's own pose covariance) that let
neighbours touch, premolars and molars meet, and the jaws stand in a normal
occlusion.  What "normal" means here is an assumption: an overjet of 2.5 mm, canines
and first molars in Angle class I, both as soft wishes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from teethscape.parametric.train_prior_surface import Skin

FloatArray = NDArray[np.float64]
OVERJET_MM = 2.5
_START = np.array([0.0, -6.0])
_ROUNDS = 40
_STEP_MM = 0.3
#: Closest points jump as teeth move; ever smaller steps keep that from swinging.
_DAMPING = 0.5
#: Standard deviations of what is wished for, mm.
_TOUCH, _OVERJET, _CANINE, _MOLAR = 0.07, 0.5, 2.0, 1.2
#: Standard deviations of the jaw's move: antero-posterior, vertical (mm), pitch (rad).
_JAW = np.array([3.0, 3.0, 0.06])
_POSTERIOR = (44, 45, 46, 47)


@dataclass(frozen=True)
class Wish:
    """One linearised wish: a value, what it should be, and how it moves with the unknowns.

    Attributes:
        value: now, mm.
        target: wanted, mm.
        sigma: standard deviation, mm.
        slope: derivative to the unknowns.
        least: the target is only a lower bound.
    """

    value: float
    target: float
    sigma: float
    slope: FloatArray
    least: bool = False

    @property
    def idle(self) -> bool:
        """True for a bound that holds."""
        return self.least and self.value >= self.target


@dataclass(frozen=True)
class Occlusion:
    """Mean places settled into the mean bite.

    Attributes:
        moves: per right tooth (3,) mm, in its jaw's frame.
        turn: (3, 3) rotation of the lower jaw.
        shift: (3,) mm of the lower jaw, after the rotation.
        origin: (3,) midpoint of the occlusal plane in the upper jaw's frame, mm.
    """

    moves: dict[int, FloatArray]
    turn: FloatArray
    shift: FloatArray
    origin: FloatArray


class Settling:
    """Gauss-Newton search for the most probable arches that meet normally.

    Args:
        crowns: right teeth by FDI number, (V, 3) mm in their jaw's frame.
        faces: their (F, 3) triangles, outward in the jaw's frame.
        precision: (3 n, 3 n) of the teeth's symmetric moves in jaw axes, mm^-2.
    """

    def __init__(
        self, crowns: dict[int, FloatArray], faces: dict[int, NDArray[np.int32]], precision: FloatArray
    ) -> None:
        self.teeth = tuple(crowns)
        self._crowns = crowns
        self._skin = {t: Skin(crowns[t], faces[t]) for t in crowns}
        self._precision = precision
        self.moves = np.zeros((len(crowns), 3))
        self.jaw = np.array([*_START, 0.0])

    @property
    def turn(self) -> FloatArray:
        """(3, 3) rotation of the lower jaw now."""
        return Rotation.from_rotvec([self.jaw[2], 0, 0]).as_matrix()

    @property
    def shift(self) -> FloatArray:
        """(3,) mm of the lower jaw now."""
        return np.array([0.0, self.jaw[0], self.jaw[1]])

    def run(self) -> Occlusion:
        """Settle and report."""
        for done in range(_ROUNDS):
            step = self._step()
            step *= min(_DAMPING * (1 - done / _ROUNDS), _STEP_MM / np.abs(step).max())
            self.moves += step[:-3].reshape(-1, 3)
            self.jaw += step[-3:]
        moves = dict(zip(self.teeth, self.moves, strict=True))
        return Occlusion(moves, self.turn, self.shift, self._origin())

    def placed(self, tooth: int) -> FloatArray:
        """(V, 3) the crown where it stands now, upper jaw's frame, mm."""
        points = self._crowns[tooth] + self.moves[self.teeth.index(tooth)]
        return points if tooth < 30 else self._bitten(points)

    def gap(self, first: int, second: int) -> Wish | None:
        """Smallest signed distance of two teeth, None when they are far apart; target 0."""
        local = self._seen_from(second, self.placed(first))
        found = self._skin[second].nearest(local)
        if found is None:
            return None
        distance, index, normal = found
        if second > 30:
            normal = self.turn @ normal
        point = self.placed(first)[index]
        slope = self._slope(first, normal, point) - self._slope(second, normal, point)
        return Wish(distance, 0.0, _TOUCH, slope)

    def _step(self) -> FloatArray:
        size = self.moves.size + 3
        normal, pull = np.zeros((size, size)), np.zeros(size)
        normal[:-3, :-3] = self._precision
        pull[:-3] = -self._precision @ self.moves.ravel()
        stiff = 1 / _JAW**2
        normal[-3:, -3:] = np.diag(stiff)
        pull[-3:] = -stiff * (self.jaw - [0.0, -5.0, 0.0])
        for wish in self._wishes():
            normal += np.outer(wish.slope, wish.slope) / wish.sigma**2
            pull += wish.slope * (wish.target - wish.value) / wish.sigma**2
        return np.asarray(np.linalg.solve(normal, pull), np.float64)

    def _wishes(self) -> Iterator[Wish]:
        every = [*self._neighbours(), *self._antagonists(), *self._relations()]
        return (wish for wish in every if not wish.idle)

    def _neighbours(self) -> Iterator[Wish]:
        """Adjacent teeth of a jaw touch; the central incisors touch the midline plane."""
        for tooth in self.teeth:
            if tooth + 1 in self.teeth and (wish := self._either(tooth, tooth + 1)):
                yield wish
            if tooth % 10 == 1:
                points = self.placed(tooth)
                best = points[np.argmax(points[:, 0])]
                yield Wish(-2 * best[0], 0.0, _TOUCH, self._slope(tooth, np.array([-2.0, 0, 0]), best))

    def _antagonists(self) -> Iterator[Wish]:
        """No tooth enters one of the other jaw; lower premolars and molars touch."""
        for tooth in (t for t in self.teeth if t > 30):
            near = [t for t in self.teeth if t < 30 and abs(t % 10 - tooth % 10) <= 1]
            found = [wish for other in near if (wish := self._either(tooth, other))]
            closest = min(found, key=lambda wish: wish.value, default=None)
            for wish in found:
                touches = wish is closest and tooth in _POSTERIOR
                yield Wish(wish.value, 0.0, wish.sigma, wish.slope, least=not touches)

    def _either(self, first: int, second: int) -> Wish | None:
        """The tighter of the gaps seen from either tooth."""
        both = [wish for wish in (self.gap(first, second), self.gap(second, first)) if wish]
        return min(both, key=lambda wish: wish.value, default=None)

    def _relations(self) -> Iterator[Wish]:
        """Overjet and Angle's class, antero-posterior distances."""
        yield self._behind(
            41, _tip(self.placed(41), 1), 11, _tip(self.placed(11), -1), (OVERJET_MM, _OVERJET)
        )
        embrasure = (self.placed(43)[:, 1].max() + self.placed(44)[:, 1].min()) / 2
        edge = np.array([0.0, embrasure, 0.0])
        yield self._behind(43, edge, 13, _tip(self.placed(13), -1), (0.0, _CANINE))
        groove = np.array([0.0, _groove(self.placed(46)), 0.0])
        yield self._behind(46, groove, 16, _mesial_cusp(self.placed(16), -1), (0.0, _MOLAR))

    def _behind(
        self, lower: int, point: FloatArray, upper: int, other: FloatArray, wanted: tuple[float, float]
    ) -> Wish:
        """How far a lower point lies behind an upper one, mm; ``wanted`` = target and sigma."""
        back = np.array([0.0, 1.0, 0.0])
        slope = self._slope(lower, back, point) - self._slope(upper, back, other)
        return Wish(float(point[1] - other[1]), *wanted, slope)

    def _slope(self, tooth: int, direction: FloatArray, point: FloatArray) -> FloatArray:
        """Derivative of ``direction . point`` of a tooth to the unknowns."""
        out = np.zeros(self.moves.size + 3)
        place = 3 * self.teeth.index(tooth)
        if tooth < 30:
            out[place : place + 3] = direction
            return out
        out[place : place + 3] = direction @ self.turn
        arm = point - self.shift
        out[-3:] = direction[1], direction[2], direction @ np.array([0.0, -arm[2], arm[1]])
        return out

    def _bitten(self, points: FloatArray) -> FloatArray:
        return points @ self.turn.T + self.shift

    def _seen_from(self, tooth: int, points: FloatArray) -> FloatArray:
        """Points of the upper jaw's frame where a tooth's own skin stands unmoved."""
        if tooth > 30:
            points = (points - self.shift) @ self.turn
        return points - self.moves[self.teeth.index(tooth)]

    def _origin(self) -> FloatArray:
        """Midpoint of the occlusal plane: midline, halfway back, height of the contacts."""
        front, back = _tip(self.placed(11), -1)[1], self.placed(17)[:, 1].max()
        heights = [_tip(self.placed(t), 1)[2] for t in _POSTERIOR]
        heights += [_tip(self.placed(t - 30), -1)[2] for t in _POSTERIOR]
        return np.array([0.0, (front + back) / 2, float(np.mean(heights))])


def _tip(points: FloatArray, up: int) -> FloatArray:
    """The point furthest towards the other jaw."""
    return points[np.argmax(up * points[:, 2])]


def _buccal_half(points: FloatArray) -> FloatArray:
    """The half of a right molar that faces the cheek."""
    return points[points[:, 0] < np.median(points[:, 0])]


def _mesial_cusp(points: FloatArray, up: int) -> FloatArray:
    """Tip of the mesiobuccal cusp of a right molar."""
    half = _buccal_half(points)
    return _tip(half[half[:, 1] < np.median(half[:, 1])], up)


def _groove(points: FloatArray) -> float:
    """Antero-posterior place of a lower right molar's buccal groove, mm."""
    half = _buccal_half(points)
    distal = _tip(half[half[:, 1] > np.median(half[:, 1])], 1)
    return float((_mesial_cusp(points, 1)[1] + distal[1]) / 2)
