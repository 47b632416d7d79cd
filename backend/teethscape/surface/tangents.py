"""How far the border of each mask is off: planes through two cameras that touch the body touch both masks.

Of all planes through two cameras the outermost ones that meet the body are seen as the same tangents in both
views, whatever its shape (Porrill and Pollard 1991, "Curve matching and stereo calibration"). A mask that is
too small by some pixels has its tangents too far inside; all pairs together tell every mask's own share. What
is the same in all masks is hardly told from a smaller body, only by the distances at which tangents touch it:
it is believed where it is far beyond chance. Where there are normals `rough.py` knows better.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from teethscape.surface.hull import mask_distances, outermost
from teethscape.surface.views import FLIP, Array, Views

#: Standard deviations, px: of masks' borders before anything is known, and of a tangent on whole pixels.
_EXPECTED_PX, _TANGENT_PX = 1.5, 0.35
#: Standard deviation of what is off in all masks alike, before anything is known: anything, px. Little tells
#: it, so that it counts only from so many of its standard deviations. Whole pixels leave more than the least
#: noise, unless cameras and body are so regular that all tangents are rounded alike: that looks like a share
#: of all masks and is none.
_ANY_PX, _SURE, _LEAST_NOISE_PX = 50.0, 4.0, 0.1
#: Standard deviation of normal noise in medians of its absolute value.
_MEDIAN_TO_SIGMA = 1.48
#: How far the centre of a mask's outermost pixel lies inside its true border, px. Among many beside a tangent
#: one is nearer than the half that is the mean of all.
_INSIDE_PX = 0.2
#: Rounds of reweighting by residuals, which keeps a wrong view from spoiling the others' shares.
_ROUNDS = 20
#: A border that is off by less is left as it is: masks of whole pixels say no more.
LEAST_PX = 0.5
#: Chance shifts a border by up to so many standard deviations of its wandering, as few pixels touch tangents.
_CHANCE = 1.5
#: Standard deviation of the place of a border that was moved, px: by a shift that is not exact.
_MOVED_PX = 0.5
#: Standard deviation of the place of a border that is right to the whole pixel, px.
WHOLE_PX = 12**-0.5
#: Share of a mask's outermost pixels at the picture's border up to which little of it can lie beyond.
_CUT = 0.08
#: Widest range of planes, radians, in which the outermost two are well defined.
_WIDEST = 2.5


@dataclass(frozen=True, eq=False)
class _Pencil:
    """The planes through two cameras.

    Attributes:
        zero: (3,) unit, across the base line, in the plane of angle zero.
        quarter: (3,) unit, across the base line, a quarter turn further.
    """

    zero: Array
    quarter: Array

    def angles(self, rays: Array) -> Array:
        """(n,) angles of the planes that hold rays (n, 3)."""
        return np.arctan2(rays @ self.quarter, rays @ self.zero)


@dataclass(frozen=True, eq=False)
class Borders:
    """How far the borders of masks are off, px.

    Attributes:
        shifts: (n,) by how much each mask is too small (negative: too large).
        noise: standard deviation of a border about its place, as what these shifts leave unexplained tells.
    """

    shifts: Array
    noise: float

    @property
    def moves(self) -> Array:
        """(n,) by how much each border is moved outward; 0 where that is too little or may be chance."""
        return np.where(np.abs(self.shifts) >= max(LEAST_PX, _CHANCE * self.noise), self.shifts, 0.0)


def compared_borders(views: Views) -> Borders:
    """How far the masks' borders are off, as their tangents tell."""
    borders = [_border_pixels(mask) for mask in views.foreground]
    rows, gaps = [], []
    for one in range(len(views)):
        for two in range(one + 1, len(views)):
            for (a, slope_a), (b, slope_b) in _tangents(views, (one, two), borders):
                row = np.zeros(len(views))
                row[one], row[two] = slope_a, -slope_b
                size = float(np.hypot(slope_a, slope_b))
                rows.append(row / size)
                gaps.append((b - a) / size)
    if not rows:
        return Borders(np.zeros(len(views)), 0.0)
    return _robust_shares(np.array(rows), np.array(gaps))


def _border_pixels(mask: NDArray[np.floating]) -> Array:
    """(n, 2) outermost pixels of a mask (centres at +0.5); none where the picture's border cuts it off."""
    row, column = np.nonzero(outermost(mask > 0.5, at_ends=True))
    pixels = np.column_stack([column, row]).astype(np.float64) + 0.5
    is_cut = _at_border(pixels, mask.shape).sum() > _CUT * len(pixels)
    return np.zeros((0, 2)) if is_cut else pixels


def _at_border(pixels: Array, size: tuple[int, ...]) -> NDArray[np.bool_]:
    """(n,) which pixels (n, 2), centres at +0.5, lie at the border of a picture (h, w)."""
    return np.any((pixels < 1) | (pixels > np.array(size[::-1]) - 1), axis=1)


def _tangents(
    views: Views, pair: tuple[int, int], borders: list[Array]
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """The two outermost planes as both views see them: per view angle and radians per pixel."""
    one, two = pair
    base = views.centres[two] - views.centres[one]
    length = float(np.linalg.norm(base))
    across = (views.low + views.high) / 2 - views.centres[one]
    if length < 1e-9 or not len(borders[one]) or not len(borders[two]):
        return []
    across = across - base * (across @ base) / length**2
    if np.linalg.norm(across) < 1e-6 * length:
        return []
    zero = across / np.linalg.norm(across)
    pencil = _Pencil(zero, np.cross(base / length, zero))
    seen = [_outermost(views, view, borders[view], pencil) for view in pair]
    return [(a, b) for a, b in zip(*seen, strict=True) if a is not None and b is not None]


def _outermost(
    views: Views, view: int, pixels: Array, pencil: _Pencil
) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Largest angle and largest negative angle of a view's pixels, each with its change per pixel outward.

    None where there is no such tangent: the mask may go on beyond the picture.
    """
    angles = pencil.angles(_rays(views, view, pixels))
    if np.ptp(angles) > _WIDEST:  # a camera inside the other's view of the body has no tangents there
        return None, None
    cut = _at_border(pixels, views.size)
    out: list[tuple[float, float] | None] = []
    for sign in (1.0, -1.0):
        at = int(np.argmax(sign * angles))
        if cut[at]:
            out.append(None)
            continue
        around = pixels[at] + np.array([[0.5, 0], [-0.5, 0], [0, 0.5], [0, -0.5]])
        beside = pencil.angles(_rays(views, view, around))
        slope = float(np.hypot(beside[0] - beside[1], beside[2] - beside[3]))
        out.append((sign * angles[at] + _INSIDE_PX * slope, slope))
    return out[0], out[1]


def _rays(views: Views, view: int, pixels: Array) -> Array:
    """(n, 3) directions through pixels (n, 2), world, not normalised."""
    k = views.intrinsics[view]
    local = np.column_stack([(pixels - k[:2, 2]) / k[[0, 1], [0, 1]], np.ones(len(pixels))])
    return local @ FLIP @ views.cam2world[view, :, :3].T


def _robust_shares(rows: Array, gaps: Array) -> Borders:
    """Most likely shares of ``rows @ shares = gaps`` when a few gaps may be anything.

    How much a tangent may be off is told by what the shares leave unexplained: ragged borders leave much.
    """
    noise, weight, count = _TANGENT_PX, np.ones(len(gaps)), rows.shape[1]
    shares, left, system = np.zeros(count), np.abs(gaps), np.eye(count)
    apart = np.eye(count) - 1 / count
    for _ in range(_ROUNDS):
        weighted = rows * weight[:, None]
        system = weighted.T @ rows + apart * (noise / _EXPECTED_PX) ** 2 + (noise / _ANY_PX) ** 2 / count
        shares = np.linalg.solve(system, weighted.T @ gaps)
        left = np.abs(gaps - rows @ shares)
        noise = max(_TANGENT_PX, _MEDIAN_TO_SIGMA * float(np.median(left)))
        weight = 1 / (1 + (left / (2 * noise)) ** 2)
    wander = _noise(rows, left)
    unsure = wander * np.sqrt(np.linalg.inv(system).sum()) / count
    if wander < _LEAST_NOISE_PX or abs(shares.mean()) < _SURE * unsure:
        shares = shares - np.median(shares)
    return Borders(shares, wander)


def _noise(rows: Array, left: Array) -> float:
    """Standard deviation of what shares leave unexplained, but for one view: that may be wrong."""
    others = [left[rows[:, view] == 0] for view in range(rows.shape[1])]
    free = rows.shape[1] - 2
    sums = [float(some @ some) / (len(some) - free) for some in others if len(some) > free]
    return float(np.sqrt(min(sums, default=0.0)))


def with_moved_borders(views: Views, borders: Borders) -> Views:
    """The views with every mask's border moved outward by its shift; small shifts are left alone.

    Whole pixels are taken in or left out; what was soft about a moved border is lost.
    """
    masks, moves = views.foreground.copy(), borders.moves
    for view in np.flatnonzero(moves):
        masks[view] = mask_distances(views.foreground[view]) < moves[view]
    noise = max(borders.noise, _MOVED_PX if moves.any() else 0.0)
    return replace(views, foreground=masks, border_px=max(views.border_px, noise))
