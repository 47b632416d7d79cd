"""One numbering of all views fitted to the outlines of its instances, and weighed.

Cameras, bite, places, sizes and shapes are fitted jointly by Levenberg-Marquardt; the
Laplace approximation of the evidence (MacKay, Information Theory, Inference and Learning
Algorithms, ch. 27) weighs one numbering against another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import is_left, mirrored
from teethscape.dental.views import View
from teethscape.parametric.arch import ArchState
from teethscape.parametric.camera import Camera
from teethscape.parametric.numbering.hulls import FORMS, PlacedHulls, place_hulls
from teethscape.parametric.numbering.joint import NumberedView, focal_terms
from teethscape.parametric.numbering.layout import Layout
from teethscape.parametric.numbering.normal import Normal, Prior, Unknowns, pulled
from teethscape.parametric.numbering.outline import ViewRows
from teethscape.parametric.numbering.reach import (
    FOCAL,
    GROWTH,
    PER_BITE,
    PER_VIEW,
    Reach,
    Rows,
    reach,
    slopes,
    turns_of,
)
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.rotation import FloatArray

#: Correlation of the forms of left and right twins.
TWIN_CORRELATION = 0.7
#: Mean squared whitened residual at which an instance counts half (Geman-McClure); it saturates beyond.
_HALF = 2.0
#: A fit ends with a step that gains less than the first, or promises less than the second, nats.
_ENOUGH, _PROMISING = 0.5, 1.0
#: Steps that follow one lower the energy by less than this many times what it did.
_FOLLOWS = 10.0
#: Damping at first, and where more of a step is not worth it.
_DAMPING, _LEAST_DAMPING = 1e-2, 1e-4
_TRIES = 4
_BITE = np.arange(PER_BITE)


@dataclass(frozen=True)
class Guess:
    """One numbering with values for everything unknown.

    Attributes:
        layout: the arch meant.
        state: teeth and bite about the layout's mean.
        views: the numbered views with their cameras.
        growth: per view, px by which labels are drawn too large.
    """

    layout: Layout
    state: ArchState
    views: Mapping[View, NumberedView]
    growth: Mapping[View, float] = field(default_factory=dict)

    @property
    def teeth(self) -> NDArray[np.intp]:
        """Indices of the numbered teeth."""
        return np.unique(np.concatenate([v.tooth[v.used] for v in self.views.values()])).astype(np.intp)

    @property
    def labels(self) -> int:
        """How many labels of all views have a number."""
        return sum(len(view.used) for view in self.views.values())

    def renamed(self, table: NDArray[np.intp]) -> dict[View, NDArray[np.intp]]:
        """Teeth of all views under other numbers; ``table`` (29,) is shifted by one, for -1."""
        return {view: table[numbered.tooth + 1] for view, numbered in self.views.items()}


def twin_correlations(prior: ToothPrior) -> FloatArray:
    """(28, 28) correlation of the shapes of all teeth."""
    twin = [prior.fdi.index(mirrored(fdi)) for fdi in prior.fdi]
    out = np.eye(len(twin))
    out[np.arange(len(twin)), twin] = TWIN_CORRELATION
    return out


def _prior(layout: Layout, order: tuple[View, ...], rows: Mapping[View, ViewRows]) -> Prior:
    """Precisions of all unknowns; cameras have none but for the focal lengths, which are shared."""
    fdi = layout.prior.fdi
    twins = np.array([(k, fdi.index(mirrored(f))) for k, f in enumerate(fdi) if not is_left(f)], np.intp)
    pair = np.linalg.inv([[1.0, TWIN_CORRELATION], [TWIN_CORRELATION, 1.0]])
    forms = np.broadcast_to(np.kron(pair, np.eye(FORMS)), (len(twins), 2 * FORMS, 2 * FORMS))
    common = np.zeros((PER_BITE + PER_VIEW * len(order),) * 2)
    common[:PER_BITE, :PER_BITE] = np.linalg.inv(layout.prior.bite_cov)
    for k, view in enumerate(order):
        place = PER_BITE + PER_VIEW * k + GROWTH
        common[place, place] = rows[view].growth_sd ** -2
    return Prior(layout.spread.precision, layout.spread.log_det, forms, common, twins)


@dataclass(frozen=True)
class _Problem:
    """What stays while a numbering is fitted: precisions, extents, the robust limit."""

    prior: Prior
    rows: Rows
    order: tuple[View, ...]
    loose: float

    def columns(self, view: View) -> NDArray[np.intp]:
        """Bite and a view among the common unknowns."""
        start = PER_BITE + PER_VIEW * self.order.index(view)
        return np.concatenate([_BITE, start + np.arange(PER_VIEW)])


def _vector(guess: Guess, problem: _Problem) -> Unknowns:
    """All unknowns that have a prior of their own; cameras are 0."""
    common = np.zeros(len(problem.prior.common))
    common[:PER_BITE] = guess.state.bite
    for k, view in enumerate(problem.order):
        common[PER_BITE + PER_VIEW * k + GROWTH] = guess.growth.get(view, 0.0)
    return Unknowns(guess.state.tooth_vector(), common)


def _moved(guess: Guess, problem: _Problem, step: Unknowns) -> Guess:
    """The guess after a step of all unknowns."""
    views, growth = {}, {}
    for k, view in enumerate(problem.order):
        own = step.common[PER_BITE + PER_VIEW * k :][:PER_VIEW]
        camera = guess.views[view].camera.moved(np.concatenate([own[:GROWTH], [0.0, 0.0]]))
        views[view] = replace(guess.views[view], camera=camera)
        growth[view] = guess.growth.get(view, 0.0) + float(own[GROWTH])
    state = guess.state.moved(step.teeth, step.common[:PER_BITE])
    return replace(guess, state=state, views=views, growth=growth)


def robust(square: FloatArray, count: NDArray[np.intp], loose: float) -> tuple[FloatArray, FloatArray]:
    """Energies of squared residuals of ``count`` numbers each, and the weights left (Geman-McClure)."""
    limit = loose * _HALF * count
    kept = limit / (square + limit)
    return 0.5 * square * kept, kept * kept


@dataclass(frozen=True)
class _Seen:
    """What the views show under a guess: reach, whitened residuals (n, 24), energies and weights (n,)."""

    found: Reach
    white: FloatArray
    part: FloatArray
    weight: FloatArray


@dataclass(frozen=True)
class _Tried:
    """A guess with its energy, the negative log of its posterior density up to a constant.

    Attributes:
        guess: the guess.
        energy: nats.
        placed: its hulls.
        pull: the prior's precision times the unknowns.
        focal: precision and residual of the focal lengths.
        seen: in all views.
    """

    guess: Guess
    energy: float
    placed: PlacedHulls
    pull: Unknowns
    focal: tuple[FloatArray, FloatArray]
    seen: _Seen


def _tried(guess: Guess, problem: _Problem) -> _Tried:
    placed = place_hulls(guess.layout, guess.state)
    at = _vector(guess, problem)
    pull = pulled(problem.prior, at)
    precision, lean = focal_terms([guess.views[v] for v in problem.order])
    seen = _seen(guess, problem, placed)
    energy = 0.5 * (at.dot(pull) + float(lean @ precision @ lean)) + float(seen.part.sum())
    return _Tried(guess, energy, placed, pull, (precision, lean), seen)


def _cameras(guess: Guess, problem: _Problem) -> list[Camera]:
    return [guess.views[view].camera for view in problem.order]


def _seen(guess: Guess, problem: _Problem, placed: PlacedHulls) -> _Seen:
    rows = problem.rows
    found = reach(_cameras(guess, problem), rows, placed)
    growth = np.array([guess.growth.get(view, 0.0) for view in problem.order])[rows.view, None]
    white = rows.whitened(found.extent + growth)
    return _Seen(found, white, *robust((white**2).sum(axis=1), rows.count, problem.loose))


def _normal(tried: _Tried, problem: _Problem) -> Normal:
    """The normal equations at a guess."""
    normal = Normal(problem.prior, Unknowns(-tried.pull.teeth, -tried.pull.common))
    precision, lean = tried.focal
    where = PER_BITE + PER_VIEW * np.arange(len(problem.order)) + FOCAL
    normal.common[np.ix_(where, where)] += precision
    normal.gradient.common[where] -= precision @ lean
    rows, seen, guess = problem.rows, tried.seen, tried.guess
    turns = turns_of(guess.layout.prior, guess.state)
    sloped = slopes(_cameras(guess, problem), turns, rows, seen.found, tried.placed)
    jacobian = rows.whiten_single @ sloped
    weighted = (seen.weight.astype(np.float32)[:, None, None] * jacobian).transpose(0, 2, 1)
    pull = (weighted @ seen.white.astype(np.float32)[:, :, None])[:, :, 0]
    blocks = weighted @ jacobian
    for view, part in zip(problem.order, rows.parts, strict=True):
        normal.add(rows.tooth[part], problem.columns(view), blocks[part], pull[part])
    return normal


@dataclass(frozen=True)
class Weighed:
    """A fitted guess.

    Attributes:
        guess: after the fit.
        energy: what the measurements and the prior make at the optimum, nats.
        misfit: per view and row of an instance, its part of the energy.
    """

    guess: Guess
    energy: float
    misfit: Mapping[View, Mapping[int, float]]
    _end: tuple[_Tried, _Problem]

    @cached_property
    def cost(self) -> float:
        """Negative log evidence, nats, up to a constant of the measurements."""
        tried, problem = self._end
        spread = _normal(tried, problem).log_det() - problem.prior.log_det(PER_BITE)
        return self.energy + 0.5 * spread


@dataclass(frozen=True)
class Effort:
    """How long to fit, and how far an instance may be off.

    Attributes:
        rounds: most steps.
        loose: factor on the residual that is still believed; large while far from the truth.
        hopeless: an energy above which a fit that hardly gets better is given up.
    """

    rounds: int = 12
    loose: float = 1.0
    hopeless: float = float("inf")


def fit_outlines(start: Guess, rows: Mapping[View, ViewRows], effort: Effort) -> Weighed:
    """Fit all unknowns of a numbering to the outlines and weigh it.

    Args:
        start: where to begin.
        rows: the extents that count, per view.
        effort: how long to try.
    """
    order = tuple(start.views)
    joined = Rows.joined(list(start.views.values()), [rows[view] for view in order])
    problem = _Problem(_prior(start.layout, order, rows), joined, order, effort.loose)
    damping, here = _DAMPING, _tried(start, problem)
    for _ in range(effort.rounds):
        found = _descend(here, problem, damping)
        if found is None:
            break
        gain, here, damping = here.energy - found[0].energy, *found
        if gain < max(_ENOUGH, (here.energy - effort.hopeless) / _FOLLOWS):
            break
    misfit = {
        view: dict(zip(map(int, rows[view].instance), map(float, here.seen.part[part]), strict=True))
        for view, part in zip(order, joined.parts, strict=True)
    }
    return Weighed(here.guess, here.energy, misfit, (here, problem))


def _descend(here: _Tried, problem: _Problem, damping: float) -> tuple[_Tried, float] | None:
    """A step that lowers the energy, and the damping to go on with; None where none promises enough."""
    normal = _normal(here, problem)
    for _ in range(_TRIES):
        step = normal.solve(damping)
        promise = 0.5 * normal.gradient.dot(step)
        if promise < _PROMISING:
            return None
        tried = _tried(_moved(here.guess, problem, step), problem)
        if tried.energy < here.energy:
            return tried, max(damping * _caution((here.energy - tried.energy) / promise), _LEAST_DAMPING)
        damping *= 10
    return None


def _caution(kept: float) -> float:
    """Factor on the damping after a step that kept a share of what it promised.

    As the gain ratio of Nielsen (Damping Parameter in Marquardt's Method, 1999), but faster both ways: where
    outlines reach from one corner of a crown to the next, promises are broken step after step.
    """
    return float(np.clip(10 ** (1.2 - 2 * kept), 0.2, 10.0))
