"""One numbering of all views fitted to the outlines of its instances, and weighed.

Cameras, bite, places, sizes and shapes are fitted jointly by Levenberg-Marquardt; the
Laplace approximation of the evidence (MacKay, Information Theory, Inference and Learning
Algorithms, ch. 27) weighs one numbering against another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import is_left, mirrored
from teethscape.dental.views import View
from teethscape.parametric.arch import POSE_SIZE, ArchState
from teethscape.parametric.numbering.hulls import FORMS, PlacedHulls, place_hulls
from teethscape.parametric.numbering.joint import NumberedView, focal_terms
from teethscape.parametric.numbering.layout import Layout
from teethscape.parametric.numbering.normal import Normal, Prior, Unknowns, pulled
from teethscape.parametric.numbering.outline import ViewRows
from teethscape.parametric.numbering.reach import FOCAL, GROWTH, PER_BITE, PER_VIEW, reach, slopes
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.rotation import FloatArray

#: Correlation of the forms of left and right twins.
TWIN_CORRELATION = 0.7
#: Mean squared whitened residual at which an instance counts half (Geman-McClure); it saturates beyond.
_HALF = 2.0
_ENOUGH = 0.2
_HOPELESS_AFTER = 4
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


@dataclass(frozen=True)
class Weighed:
    """A fitted guess.

    Attributes:
        guess: after the fit.
        cost: negative log evidence, nats, up to a constant of the measurements.
        energy: the part of it that the measurements and the prior make at the optimum.
        misfit: per view and row of an instance, its part of the energy.
    """

    guess: Guess
    cost: float
    energy: float
    misfit: Mapping[View, Mapping[int, float]]


def tooth_covariances(layout: Layout) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Covariances of all teeth: poses (28, 6, 28, 6), log sizes (28, 28), each shape mode (28, 28)."""
    prior, n = layout.prior, len(layout.prior.fdi)
    pose = prior.pose_cov.reshape(n, 6, n, 6).copy()
    place = layout.place_cov.reshape(n, 3, n, 3)
    pose[:, :3, :, :3] = np.einsum("iab,iajc,jcd->ibjd", prior.axes, place, prior.axes)
    index, axis = np.arange(n)[:, None], np.arange(3, 6)
    pose[index, axis, index, axis] += layout.turn_var
    return pose, prior.log_size_cov, _twins(prior)


def _twins(prior: ToothPrior) -> FloatArray:
    """(28, 28) correlation of the shapes of all teeth."""
    twin = [prior.fdi.index(mirrored(fdi)) for fdi in prior.fdi]
    out = np.eye(len(twin))
    out[np.arange(len(twin)), twin] = TWIN_CORRELATION
    return out


def _pose_precision(layout: Layout) -> FloatArray:
    """(196, 196) precision of poses and sizes of all teeth."""
    pose, size, _ = tooth_covariances(layout)
    count = len(size)
    out = np.zeros((count, POSE_SIZE, count, POSE_SIZE))
    out[:, :6, :, :6] = np.linalg.inv(pose.reshape(6 * count, -1)).reshape(count, 6, count, 6)
    out[:, 6, :, 6] = np.linalg.inv(size)
    return out.reshape(POSE_SIZE * count, -1)


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
    return Prior(_pose_precision(layout), forms, common, twins)


@dataclass(frozen=True)
class _Problem:
    """What stays while a numbering is fitted: precisions, extents, the robust limit."""

    prior: Prior
    rows: Mapping[View, ViewRows]
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


def _energy(guess: Guess, problem: _Problem) -> float:
    """Negative log of posterior density, up to a constant."""
    placed = place_hulls(guess.layout, guess.state)
    at = _vector(guess, problem)
    precision, lean = focal_terms([guess.views[v] for v in problem.order])
    total = 0.5 * (at.dot(pulled(problem.prior, at)) + float(lean @ precision @ lean))
    for view in problem.order:
        rows = problem.rows[view]
        found = reach(guess.views[view], rows, placed)
        white = rows.whitened(found.extent + guess.growth.get(view, 0.0))
        total += float(robust((white**2).sum(axis=1), rows.count, problem.loose)[0].sum())
    return total


@dataclass(frozen=True)
class _Linear:
    """Energy of a guess with its normal equations, and what each instance adds."""

    energy: float
    normal: Normal
    misfit: dict[View, dict[int, float]]


def _linearised(guess: Guess, problem: _Problem) -> _Linear:
    placed = place_hulls(guess.layout, guess.state)
    at = _vector(guess, problem)
    pull = pulled(problem.prior, at)
    normal = Normal(problem.prior, Unknowns(-pull.teeth, -pull.common))
    energy = 0.5 * at.dot(pull) + _add_focal(guess, problem, normal)
    misfit: dict[View, dict[int, float]] = {}
    for view in problem.order:
        part = _add_view(view, guess, problem, placed, normal)
        energy += float(part.sum())
        misfit[view] = dict(zip(map(int, problem.rows[view].instance), map(float, part), strict=True))
    return _Linear(energy, normal, misfit)


def _add_focal(guess: Guess, problem: _Problem, normal: Normal) -> float:
    """Add the prior of the focal lengths; returns its energy."""
    precision, lean = focal_terms([guess.views[v] for v in problem.order])
    where = PER_BITE + PER_VIEW * np.arange(len(problem.order)) + FOCAL
    normal.common[np.ix_(where, where)] += precision
    normal.gradient.common[where] -= precision @ lean
    return 0.5 * float(lean @ precision @ lean)


def _add_view(view: View, guess: Guess, problem: _Problem, placed: PlacedHulls, normal: Normal) -> FloatArray:
    """Add the extents of a view; returns the energy (n,) of its instances."""
    rows, numbered = problem.rows[view], guess.views[view]
    found = reach(numbered, rows, placed)
    sloped = slopes(numbered.camera, guess.layout.prior, guess.state, found, placed)
    white = rows.whitened(found.extent + guess.growth.get(view, 0.0))
    part, weight = robust((white**2).sum(axis=1), rows.count, problem.loose)
    jacobian = rows.whiten @ sloped
    weighted = (weight[:, None, None] * jacobian).transpose(0, 2, 1)
    normal.add(
        found.tooth, problem.columns(view), weighted @ jacobian, (weighted @ white[:, :, None])[:, :, 0]
    )
    return part


@dataclass(frozen=True)
class Effort:
    """How long to fit, and how far an instance may be off.

    Attributes:
        rounds: most steps.
        loose: factor on the residual that is still believed; large while far from the truth.
        hopeless: an energy above which, after a few steps, the fit is given up.
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
    problem = _Problem(_prior(start.layout, order, rows), rows, order, effort.loose)
    damping, guess = 1e-2, start
    here = _linearised(guess, problem)
    for turn in range(effort.rounds):
        found = _descend(guess, problem, here, damping)
        if found is None:
            break
        gain, guess, damping = here.energy - found[1], found[0], max(found[2] / 5, 1e-4)
        here = _linearised(guess, problem)
        if gain < _ENOUGH or (turn >= _HOPELESS_AFTER and here.energy > effort.hopeless):
            break
    spread = here.normal.solve()[1] - problem.prior.log_det(PER_BITE)
    return Weighed(guess, here.energy + 0.5 * spread, here.energy, here.misfit)


def _descend(
    guess: Guess, problem: _Problem, here: _Linear, damping: float
) -> tuple[Guess, float, float] | None:
    """A step that lowers the energy: the guess, its energy, the damping that it took."""
    for _ in range(_TRIES):
        tried = _moved(guess, problem, here.normal.solve(damping)[0])
        energy = _energy(tried, problem)
        if energy < here.energy:
            return tried, energy, damping
        damping *= 10
    return None
