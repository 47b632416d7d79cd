"""How well each kind of tooth explains each instance of an occlusal view.

A view has three unknowns of its own: its scale, how the scale changes from front to back
(perspective) and how much it is foreshortened (the camera looks in at an angle). They are
tried on a grid. Given them, an instance's extents along and across the arch are compared
with the mesiodistal width and the buccolingual depth of every kind of tooth.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.polynomial import legendre

from teethscape.dental.fdi import Jaw
from teethscape.parametric.crown_sizes import MILK, crown_size
from teethscape.parametric.numbering.measure import Instances
from teethscape.parametric.rotation import FloatArray

#: Kinds of teeth of a quadrant: milk teeth, then permanent ones; the columns of a :class:`Fitness`.
KINDS = MILK + "12345678"
#: Full extent of a crown's outline in units of its standard deviation (an ellipse: 4, a box: 3.46).
_EXTENT = 3.6
#: Relative errors (s.d.) of a width and of depth over width. On synthetic patients outlines give
#: widths to 4-9 % and depth over width to 10-20 %; people differ by another 5-9 %, but the teeth of
#: one mouth do so together, which the scale takes up.
WIDTH_SD, RATIO_SD = 0.08, 0.2
#: Degrees of freedom of Student's distribution: rotated, merged and half-seen teeth occur.
_FREEDOM = 4.0
#: Weight of an instance that the picture's border cuts.
_CUT_WEIGHT = 0.1
#: Foreshortenings that are tried, and what synthetic patients show: mean and s.d.
_TILTS, _TILT = np.arange(0.55, 1.2, 0.1), (0.88, 0.2)
#: Change of the log scale over an arch's width, downwards in the picture: front teeth are nearer.
_SLOPE, _SLOPE_SD, _SLOPES = {Jaw.UPPER: -0.4, Jaw.LOWER: 0.3}, 0.35, np.arange(-0.6, 0.61, 0.15)
#: Log scales that are tried about the one at which the median tooth has the usual width, mm.
_SCALES, _USUAL_MM = np.arange(-0.42, 0.43, 0.03), 7.3


@dataclass(frozen=True)
class Fitness:
    """What the instances of a view say, for every setting of the view's unknowns.

    Attributes:
        kinds: (n, 13, S) nats by which each kind of ``KINDS`` explains each instance.
        setting: (S,) nats of the setting itself.
        gaps: (n - 1,) free space between neighbours in units of the median width.
    """

    kinds: FloatArray
    setting: FloatArray
    gaps: FloatArray


@dataclass(frozen=True)
class _Extents:
    """Extents along and across the arch (n,) and places down the picture in arch widths (n,)."""

    width: FloatArray
    depth: FloatArray
    down: FloatArray
    gaps: FloatArray


def _tangents(centre: FloatArray) -> FloatArray:
    """(n, 2) direction of the arch at each centre: that of a smooth curve through all."""
    steps = np.linalg.norm(np.diff(centre, axis=0), axis=1)
    way = np.concatenate([[0.0], np.cumsum(steps)])
    way = 2.0 * way / way[-1] - 1.0
    curve = legendre.legfit(way, centre, min(4, len(centre) - 1))
    slope = legendre.legval(way, legendre.legder(curve)).T
    return slope / np.linalg.norm(slope, axis=1, keepdims=True)


def _extents(found: Instances, tilt: float) -> _Extents:
    """Extents after the picture was stretched downwards by 1 / ``tilt``."""
    stretch = np.diag([1.0, 1.0 / tilt])
    centre, spread = found.centre @ stretch, stretch @ found.spread @ stretch
    along = _tangents(centre)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    width, depth = (_EXTENT * np.sqrt(np.einsum("ni,nij,nj->n", u, spread, u)) for u in (along, across))
    steps = np.linalg.norm(np.diff(centre, axis=0), axis=1)
    gaps = (steps - 0.5 * (width[1:] + width[:-1])) / np.median(width)
    down = (centre[:, 1] - centre[:, 1].mean()) / max(float(np.ptp(centre[:, 0])), 1.0)
    return _Extents(width, depth, down, gaps)


def _student(error: FloatArray) -> FloatArray:
    """Log density of Student's distribution at errors in s.d., zero at its peak."""
    return -0.5 * (_FREEDOM + 1.0) * np.log1p(error**2 / _FREEDOM)


def fitness(found: Instances, jaw: Jaw) -> Fitness:
    """Compare the instances of an occlusal view with every kind of tooth.

    Args:
        found: instances in arch order, at least four.
        jaw: the jaw that the view shows.
    """
    sizes = np.log([crown_size(jaw, kind) for kind in KINDS])
    slopes = _SLOPE[jaw] + _SLOPES
    kinds, setting = [], []
    for tilt in _TILTS:
        seen = _extents(found, float(tilt))
        scale = _SCALES + np.median(np.log(seen.width)) - np.log(_USUAL_MM)
        grid = np.array(list(product(scale, slopes)))
        width = np.log(seen.width) - grid[:, :1] - grid[:, 1:] * seen.down
        ratio = np.log(seen.depth / seen.width)[:, None] - (sizes[:, 1] - sizes[:, 0])
        likely = _student((width[:, :, None] - sizes[:, 0]) / WIDTH_SD) + _student(ratio / RATIO_SD)
        kinds.append((likely * np.where(found.whole, 1.0, _CUT_WEIGHT)[:, None]).astype(np.float32))
        usual = ((tilt - _TILT[0]) / _TILT[1]) ** 2 + ((grid[:, 1] - _SLOPE[jaw]) / _SLOPE_SD) ** 2
        setting.append(-0.5 * usual)
    by_instance = np.ascontiguousarray(np.concatenate(kinds).transpose(1, 2, 0))
    return Fitness(by_instance, np.concatenate(setting), _extents(found, _TILT[0]).gaps)
