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
from scipy.linalg import cho_factor, cho_solve

from teethscape.dental.fdi import mirrored
from teethscape.dental.views import View
from teethscape.parametric.arch import POSE_SIZE, ArchState
from teethscape.parametric.numbering.crowns import lower_teeth
from teethscape.parametric.numbering.joint import NumberedView, focal_terms
from teethscape.parametric.numbering.layout import Layout
from teethscape.parametric.numbering.outline import (
    MODES,
    UNIT,
    PlacedHulls,
    ViewRows,
    place_hulls,
)
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.rotation import FloatArray, left_jacobian, rotation_matrix

#: Correlation of the shapes of left and right twins.
TWIN_CORRELATION = 0.7
_PER_TOOTH = POSE_SIZE + MODES
#: Of a view: camera rotation, translation, log focal length; growth of its labels.
PER_VIEW = 8
FOCAL, GROWTH = 6, 7
#: Mean squared whitened residual at which an instance counts half (Geman-McClure); it saturates beyond.
_HALF = 2.0
_ENOUGH = 0.2
_HOPELESS_AFTER = 4
_TRIES = 4
_RIDGE = 1e-9


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


@dataclass(frozen=True)
class _System:
    """Columns of the unknowns: the numbered teeth, the bite, the views.

    Attributes:
        teeth: (m,) indices of the numbered teeth.
        slot: (28,) position in ``teeth`` or -1.
        order: the views.
        precision: prior precision of all columns but the focal lengths.
        log_det: log determinant of the teeth's and the bite's part.
        loose: factor on the residual that is still believed.
    """

    teeth: NDArray[np.intp]
    slot: NDArray[np.intp]
    order: tuple[View, ...]
    precision: FloatArray
    log_det: float
    loose: float

    def tooth(self, index: int) -> NDArray[np.intp]:
        """Columns of a tooth."""
        return self.slot[index] * _PER_TOOTH + np.arange(_PER_TOOTH)

    @property
    def bite(self) -> NDArray[np.intp]:
        """Columns of the bite."""
        return len(self.teeth) * _PER_TOOTH + np.arange(6)

    def view(self, view: View) -> NDArray[np.intp]:
        """Columns of a view's camera and growth."""
        return len(self.teeth) * _PER_TOOTH + 6 + PER_VIEW * self.order.index(view) + np.arange(PER_VIEW)


def tooth_covariances(layout: Layout) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Covariances of all teeth: poses (28, 6, 28, 6), log sizes (28, 28), each shape mode (28, 28)."""
    prior, n = layout.prior, len(layout.prior.fdi)
    pose = prior.pose_cov.reshape(n, 6, n, 6).copy()
    place = layout.place_cov.reshape(n, 3, n, 3)
    pose[:, :3, :, :3] = np.einsum("iab,iajc,jcd->ibjd", prior.axes, place, prior.axes)
    return pose, prior.log_size_cov, _twins(prior)


def _tooth_precision(layout: Layout, teeth: NDArray[np.intp]) -> tuple[FloatArray, float]:
    """Precision of pose, size and shape of some teeth, and its log determinant.

    The three are independent, so each is inverted alone.
    """
    m, own = len(teeth), np.ix_(teeth, teeth)
    pose, size, shape = tooth_covariances(layout)
    pose = pose[np.ix_(teeth, np.arange(6), teeth, np.arange(6))].reshape(6 * m, -1)
    parts = [np.linalg.inv(c) for c in (pose, size[own], shape[own])]
    out = np.zeros((m, _PER_TOOTH, m, _PER_TOOTH))
    out[:, :6, :, :6] = parts[0].reshape(m, 6, m, 6)
    out[:, 6, :, 6] = parts[1]
    out[:, np.arange(7, _PER_TOOTH), :, np.arange(7, _PER_TOOTH)] = parts[2]
    times = (1, 1, MODES)
    log_det = sum(k * float(np.linalg.slogdet(p)[1]) for k, p in zip(times, parts, strict=True))
    return out.reshape(m * _PER_TOOTH, -1), log_det


def _twins(prior: ToothPrior) -> FloatArray:
    """(28, 28) correlation of the shapes of all teeth."""
    twin = [prior.fdi.index(mirrored(fdi)) for fdi in prior.fdi]
    out = np.eye(len(twin))
    out[np.arange(len(twin)), twin] = TWIN_CORRELATION
    return out


def _system(guess: Guess, rows: Mapping[View, ViewRows], loose: float) -> _System:
    layout, teeth, order = guess.layout, guess.teeth, tuple(guess.views)
    slot = np.full(len(layout.prior.fdi), -1, dtype=np.intp)
    slot[teeth] = np.arange(len(teeth))
    inner = len(teeth) * _PER_TOOTH
    precision = np.zeros((inner + 6 + PER_VIEW * len(order),) * 2)
    precision[:inner, :inner], log_det = _tooth_precision(layout, teeth)
    bite = np.linalg.inv(layout.prior.bite_cov)
    precision[inner : inner + 6, inner : inner + 6] = bite
    log_det += float(np.linalg.slogdet(bite)[1])
    system = _System(teeth, slot, order, precision, log_det, loose)
    for view in order:
        place = system.view(view)[GROWTH]
        precision[place, place] = rows[view].growth_sd ** -2
    return system


def _vector(guess: Guess, system: _System) -> FloatArray:
    """All unknowns that have a prior of their own; cameras are 0."""
    out = np.zeros(len(system.precision))
    out[: len(system.teeth) * _PER_TOOTH] = guess.state.tooth_vector()[system.teeth].ravel()
    out[system.bite] = guess.state.bite
    for view in system.order:
        out[system.view(view)[GROWTH]] = guess.growth.get(view, 0.0)
    return out


def _moved(guess: Guess, system: _System, step: FloatArray) -> Guess:
    """The guess after a step of all unknowns."""
    teeth = np.zeros((len(guess.layout.prior.fdi), _PER_TOOTH))
    teeth[system.teeth] = step[: len(system.teeth) * _PER_TOOTH].reshape(-1, _PER_TOOTH)
    views, growth = {}, {}
    for view in system.order:
        own = step[system.view(view)]
        camera = guess.views[view].camera.moved(np.concatenate([own[:GROWTH], [0.0, 0.0]]))
        views[view] = replace(guess.views[view], camera=camera)
        growth[view] = guess.growth.get(view, 0.0) + float(own[GROWTH])
    return replace(guess, state=guess.state.moved(teeth, step[system.bite]), views=views, growth=growth)


@dataclass(frozen=True)
class Reach:
    """The farthest points of the crowns of a view, for all its extents in a row.

    Attributes:
        extent: (r,) expected, px.
        tooth: (r,) index of the tooth.
        world: (r, 3) the points, mm.
        turned: (r, 3) the same in their tooth's axes before its place.
        modes: (r, K, 3) their shape modes.
    """

    extent: FloatArray
    tooth: NDArray[np.intp]
    world: FloatArray
    turned: FloatArray
    modes: FloatArray


def _projected(numbered: NumberedView, rows: ViewRows, placed: PlacedHulls) -> dict[int, FloatArray]:
    """(P, 2) px of the hull of every tooth of a view, all projected at once."""
    teeth = sorted({int(numbered.tooth[own.instance]) for own in rows.rows})
    if not teeth:
        return {}
    pixels = numbered.camera.project(np.concatenate([placed.points[t] for t in teeth]))
    ends = np.cumsum([len(placed.points[t]) for t in teeth])[:-1]
    return dict(zip(teeth, np.split(pixels, ends), strict=True))


def reach(numbered: NumberedView, rows: ViewRows, placed: PlacedHulls, modes: bool = True) -> Reach:
    """Expected extents of a view; ``modes`` gathers what derivatives need."""
    parts: list[tuple[FloatArray, ...]] = []
    pixels = _projected(numbered, rows, placed)
    for own in rows.rows:
        tooth = int(numbered.tooth[own.instance])
        along = pixels[tooth] @ UNIT[own.direction].T
        far = np.argmax(along, axis=0)
        extent = along[far, np.arange(len(far))]
        if modes:
            bend = placed.modes[tooth][:, far].transpose(1, 0, 2)
            parts.append((extent, placed.points[tooth][far], placed.turned[tooth][far], bend))
        else:
            parts.append((extent,))
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else [np.zeros(0)]
    index = [np.full(len(own.direction), numbered.tooth[own.instance]) for own in rows.rows]
    tooth = np.concatenate(index).astype(np.intp) if index else np.zeros(0, np.intp)
    if len(joined) == 1:
        return Reach(joined[0], tooth, *(np.zeros(0),) * 3)
    return Reach(joined[0], tooth, *joined[1:])


def slopes(view: View, guess: Guess, rows: ViewRows, reach: Reach) -> FloatArray:
    """(r, 17 + 6 + 8) derivatives of a view's extents: own tooth, bite, camera and growth."""
    camera, prior, state = guess.views[view].camera, guess.layout.prior, guess.state
    _, to_world, step = camera.jacobians(reach.world)
    unit = UNIT[np.concatenate([own.direction for own in rows.rows])]
    across = np.einsum("rk,rki->ri", unit, to_world)
    lower = lower_teeth(prior)[reach.tooth][:, None]
    own = np.where(lower, across @ rotation_matrix(state.bite[3:]), across)
    own = np.einsum("ri,rij->rj", own, prior.axes[reach.tooth])
    spin = np.exp(state.log_size)[:, None, None] * rotation_matrix(state.rotation)
    out = np.empty((len(unit), _PER_TOOTH + 6 + PER_VIEW))
    out[:, :3] = own
    out[:, 3:6] = np.einsum(
        "ri,rij->rj", np.cross(reach.turned, own), left_jacobian(state.rotation)[reach.tooth]
    )
    out[:, 6] = (own * reach.turned).sum(axis=1)
    out[:, 7:_PER_TOOTH] = np.einsum(
        "rj,rkj->rk", np.einsum("ri,rij->rj", own, spin[reach.tooth]), reach.modes
    )
    arm = reach.world - prior.bite_pivot - state.bite[:3]
    out[:, _PER_TOOTH : _PER_TOOTH + 3] = np.where(lower, across, 0.0)
    out[:, _PER_TOOTH + 3 : _PER_TOOTH + 6] = np.where(lower, np.cross(arm, across), 0.0)
    out[:, -PER_VIEW:-1] = np.einsum("rk,rkc->rc", unit, step[:, :, :GROWTH])
    out[:, -1] = 1.0
    return out


@dataclass(frozen=True)
class _Linear:
    """Energy of a guess with its gradient (downhill) and Gauss-Newton Hessian."""

    energy: float
    gradient: FloatArray
    hessian: FloatArray
    misfit: dict[View, dict[int, float]]


def robust(square: float, count: int, loose: float) -> tuple[float, float]:
    """Energy of a squared residual of ``count`` numbers, and the weight it leaves (Geman-McClure)."""
    limit = loose * _HALF * count
    kept = limit / (square + limit)
    return 0.5 * square * kept, kept * kept


def _energy(guess: Guess, system: _System, rows: Mapping[View, ViewRows]) -> float:
    """Negative log of posterior density, up to a constant."""
    placed = place_hulls(guess.layout, guess.state, system.teeth)
    total = _prior_terms(guess, system)[0]
    for view in system.order:
        residual = rows[view].extent - reach(guess.views[view], rows[view], placed, modes=False).extent
        residual -= guess.growth.get(view, 0.0)
        for own, place in rows[view].slices():
            white = own.whiten @ residual[place]
            total += robust(float(white @ white), len(white), system.loose)[0]
    return total


def _prior_terms(guess: Guess, system: _System) -> tuple[float, FloatArray, FloatArray]:
    """Energy, downhill gradient and Hessian of the priors."""
    unknown = _vector(guess, system)
    pull = system.precision @ unknown
    precision, lean = focal_terms([guess.views[v] for v in system.order])
    energy = 0.5 * float(unknown @ pull + lean @ precision @ lean)
    hessian, gradient = system.precision.copy(), -pull
    where = np.array([system.view(v)[FOCAL] for v in system.order])
    hessian[np.ix_(where, where)] += precision
    gradient[where] -= precision @ lean
    return energy, gradient, hessian


def _linearised(guess: Guess, system: _System, rows: Mapping[View, ViewRows]) -> _Linear:
    placed = place_hulls(guess.layout, guess.state, system.teeth)
    energy, gradient, hessian = _prior_terms(guess, system)
    misfit: dict[View, dict[int, float]] = {}
    for view in system.order:
        numbered, misfit[view] = guess.views[view], {}
        if not rows[view].rows:
            continue
        found = reach(numbered, rows[view], placed)
        sloped = slopes(view, guess, rows[view], found)
        residual = rows[view].extent - found.extent - guess.growth.get(view, 0.0)
        for own, place in rows[view].slices():
            columns = np.concatenate(
                [system.tooth(int(numbered.tooth[own.instance])), system.bite, system.view(view)]
            )
            white = own.whiten @ residual[place]
            part, weight = robust(float(white @ white), len(white), system.loose)
            jacobian = own.whiten @ sloped[place]
            hessian[np.ix_(columns, columns)] += weight * (jacobian.T @ jacobian)
            gradient[columns] += weight * (jacobian.T @ white)
            energy += part
            misfit[view][own.instance] = part
    return _Linear(energy, gradient, hessian, misfit)


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
    system, damping, guess = _system(start, rows, effort.loose), 1e-2, start
    here = _linearised(guess, system, rows)
    for turn in range(effort.rounds):
        found = _descend(guess, system, rows, here, damping)
        if found is None:
            break
        gain, guess, damping = here.energy - found[1], found[0], max(found[2] / 5, 1e-4)
        here = _linearised(guess, system, rows)
        if gain < _ENOUGH or (turn >= _HOPELESS_AFTER and here.energy > effort.hopeless):
            break
    cost = here.energy + 0.5 * (float(np.linalg.slogdet(here.hessian)[1]) - system.log_det)
    return Weighed(guess, cost, here.energy, here.misfit)


def _descend(
    guess: Guess, system: _System, rows: Mapping[View, ViewRows], here: _Linear, damping: float
) -> tuple[Guess, float, float] | None:
    """A step that lowers the energy: the guess, its energy, the damping that it took."""
    for _ in range(_TRIES):
        normal = here.hessian.copy()
        normal[np.diag_indices(len(normal))] *= 1 + damping
        normal[np.diag_indices(len(normal))] += _RIDGE
        factor = cho_factor(normal, overwrite_a=True, check_finite=False)
        step = cho_solve(factor, here.gradient, check_finite=False)
        tried = _moved(guess, system, step)
        energy = _energy(tried, system, rows)
        if energy < here.energy:
            return tried, energy, damping
        damping *= 10
    return None
