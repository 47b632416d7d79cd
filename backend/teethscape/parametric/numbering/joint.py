"""One numbering of all views at once: cameras, bite, places and sizes from moments of the instances."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from teethscape.dental.views import View
from teethscape.parametric.arch import ArchState
from teethscape.parametric.camera import Camera
from teethscape.parametric.numbering.crowns import Placed, lower_teeth, placed_at
from teethscape.parametric.numbering.kinds import named_kinds
from teethscape.parametric.numbering.layout import Layout
from teethscape.parametric.numbering.measure import Instances
from teethscape.parametric.numbering.seen import measured_of, view_of
from teethscape.parametric.rotation import FloatArray, rotation_matrix, skew
from teethscape.parametric.start_cameras import counted_teeth

_POSE = 7
_USUAL_CHI, _MOST_DOUBT = 10.0, 6.0
#: Common spread of the log focal length of one camera between its photos.
FOCAL_SHARED_SD = 0.05


@dataclass(frozen=True)
class NumberedView:
    """Instances of a view with the teeth they are held to be.

    Attributes:
        found: all measured instances.
        tooth: (n,) index into ``prior.fdi``, -1 when left out.
        camera: current camera.
        focal: mean and standard deviation of the log focal length.
        exif: true when the focal length comes from the file.
    """

    found: Instances
    tooth: NDArray[np.intp]
    camera: Camera
    focal: tuple[float, float]
    exif: bool = False

    @property
    def used(self) -> NDArray[np.intp]:
        """Rows of the instances that are numbered."""
        return np.flatnonzero(self.tooth >= 0)

    def kinds(self, fdi: tuple[int, ...]) -> FloatArray:
        """(n,) nats that the instances' names cost by their kinds; ``fdi`` in the order of the prior."""
        return named_kinds(self.found.kind_cost, self.tooth, fdi)

    def unlike_kinds(self, other: NumberedView, fdi: tuple[int, ...]) -> float:
        """What the kinds of the labels that both name cost more by these names than by the other's, nats."""
        both = (self.tooth >= 0) & (other.tooth >= 0)
        return float((self.kinds(fdi) - other.kinds(fdi))[both].sum())


@dataclass(frozen=True)
class Belief:
    """What is held about the teeth of one layout: a Gaussian.

    Attributes:
        layout: the arch meant.
        mean: (118,) places (84, mm, world, about the layout's mean), log sizes (28), bite (6).
        cov: (118, 118) its covariance.
    """

    layout: Layout
    mean: FloatArray
    cov: FloatArray

    @classmethod
    def before(cls, layout: Layout) -> Belief:
        """The prior of a layout."""
        cov = unknown_covariance(layout)
        return cls(layout, np.zeros(len(cov)), cov)

    @property
    def state(self) -> ArchState:
        """The expected teeth about the layout's mean places."""
        return state_of(self.layout, self.mean)

    @cached_property
    def placed(self) -> Placed:
        """The expected crowns in the world."""
        return placed_at(self.layout.prior, self.state)

    def world_cov(self) -> FloatArray:
        """(84, 84) covariance of the teeth's places in the world, the bite's part included, mm^2."""
        prior, n = self.layout.prior, len(self.layout.prior.fdi)
        centre = prior.centre + self.mean[: 3 * n].reshape(n, 3)
        move = np.concatenate(
            [np.broadcast_to(np.eye(3), (n, 3, 3)), -skew(centre - prior.bite_pivot)], axis=2
        )
        move = move * lower_teeth(prior)[:, None, None]
        to_world = np.concatenate([np.eye(3 * n), move.reshape(3 * n, 6)], axis=1)
        rows = np.r_[0 : 3 * n, 4 * n : 4 * n + 6]
        return to_world @ self.cov[np.ix_(rows, rows)] @ to_world.T

    def size_cov(self) -> FloatArray:
        """(28, 28) covariance of the log sizes."""
        n = len(self.layout.prior.fdi)
        return self.cov[3 * n : 4 * n, 3 * n : 4 * n]


@dataclass(frozen=True)
class _Solved:
    """One linearised problem solved.

    Attributes:
        mean: teeth and bite.
        step: (v, 7) camera steps.
        cost: nats.
        factor: Cholesky factor of the measurements' covariance, with teeth integrated out.
        spread: (m, 118) covariance of the measurements with the teeth.
        camera: (m, 7 v) derivatives to all cameras.
        hessian: (7 v, 7 v) of the cameras.
    """

    mean: FloatArray
    step: FloatArray
    cost: float
    factor: tuple[FloatArray, bool]
    spread: FloatArray
    camera: FloatArray
    hessian: FloatArray

    @property
    def gained(self) -> FloatArray:
        """(118, 118) covariance of teeth and bite that the measurements have taken away."""
        solved = cho_solve(self.factor, self.camera)
        ridge = 1e-9 * np.eye(len(self.hessian))
        out = cho_solve(self.factor, self.spread)
        out -= solved @ np.linalg.solve(self.hessian + ridge, solved.T @ self.spread)
        return self.spread.T @ out


@dataclass(frozen=True)
class JointFit:
    """A numbering of all views, fitted.

    Attributes:
        views: the views with their fitted cameras.
        now: the teeth and bite about which the measurements were linearised, and what was held before.
        solved: the linearised problem, solved.
    """

    views: Mapping[View, NumberedView]
    now: Belief
    solved: _Solved

    @property
    def cost(self) -> float:
        """Negative log evidence of the measurements, nats; no prior on what is missing or left out."""
        return self.solved.cost

    @cached_property
    def belief(self) -> Belief:
        """Teeth and bite after the measurements."""
        return replace(self.now, cov=self.now.cov - self.solved.gained)


@dataclass(frozen=True)
class _Rows:
    """Linearised measurements of a view: residual and noise (m,), to camera (m, 7), to teeth (m, 118)."""

    residual: FloatArray
    camera: FloatArray
    teeth: FloatArray
    noise: FloatArray


def unknown_covariance(layout: Layout) -> FloatArray:
    """(118, 118) covariance of places (84, world mm), log sizes (28) and bite (6)."""
    n = len(layout.prior.fdi)
    out = np.zeros((4 * n + 6, 4 * n + 6))
    out[: 3 * n, : 3 * n] = layout.spread.place_cov
    out[3 * n : 4 * n, 3 * n : 4 * n] = layout.prior.log_size_cov
    out[4 * n :, 4 * n :] = layout.prior.bite_cov
    return out


def state_of(layout: Layout, unknown: FloatArray) -> ArchState:
    """An arch state from the vector of unknowns."""
    n = len(layout.prior.fdi)
    mean = ArchState.mean(n)
    place = unknown[: 3 * n].reshape(n, 3)
    translation = np.einsum("tji,tj->ti", layout.prior.axes, place)
    return replace(mean, translation=translation, log_size=unknown[3 * n : 4 * n], bite=unknown[4 * n :])


@dataclass(frozen=True)
class _Sight:
    """Numbered instances of a view where the camera now expects them.

    Attributes:
        tooth: (m,) their teeth.
        anchor: (m, 3) visible centroids, world, mm.
        depth: (m,) mm.
        residual: (m, 5) measured less expected: centroid, log size, elongation.
        noise: (m, 5) standard deviations.
    """

    tooth: NDArray[np.intp]
    anchor: FloatArray
    depth: FloatArray
    residual: FloatArray
    noise: FloatArray


def _sight(view: View, numbered: NumberedView, belief: Belief) -> _Sight:
    layout, camera = belief.layout, numbered.camera
    tooth = numbered.tooth[numbered.used]
    drawn = layout.present & counted_teeth(view, layout.prior)
    seen = view_of(belief.placed, camera, drawn)
    measured = measured_of(numbered.found.only(numbered.used))
    anchor = seen.anchor[tooth]
    depth = np.maximum(camera.to_camera(anchor)[:, 2], 5.0)
    size = seen.log_size[tooth] + np.log(camera.focal / depth)
    expected = np.concatenate([camera.project(anchor), size[:, None], seen.shape[tooth]], axis=1)
    target = np.concatenate([measured.centre, measured.log_size[:, None], measured.shape], axis=1)
    noise = seen.noise[tooth][:, [0, 0, 1, 2, 2]]
    noise[:, :2] *= (camera.focal / depth)[:, None]
    return _Sight(tooth, anchor, depth, target - expected, noise * measured.sd_factor[:, None])


def _to_camera(sight: _Sight, camera: Camera) -> tuple[FloatArray, FloatArray]:
    """Derivatives of the measurements to the camera (m, 5, 7) and to the world point (m, 5, 3)."""
    _, to_world, step = camera.jacobians(sight.anchor)
    count = len(sight.tooth)
    nearer = np.zeros((count, 3))
    nearer[:, 2] = -1 / sight.depth
    to_camera, world = np.zeros((count, 5, _POSE)), np.zeros((count, 5, 3))
    to_camera[:, :2] = step[:, :, :_POSE]
    to_camera[:, 2, :3] = np.cross((sight.anchor - camera.pivot) @ camera.rotation.T, nearer)
    to_camera[:, 2, 3:6], to_camera[:, 2, 6] = nearer, 1.0
    world[:, :2] = to_world
    world[:, 2] = nearer @ camera.rotation
    return to_camera, world


def _to_teeth(sight: _Sight, world: FloatArray, belief: Belief) -> FloatArray:
    """Derivative (m, 5, 118) of the measurements to places, sizes and bite."""
    prior, n = belief.layout.prior, len(belief.layout.prior.fdi)
    count, bite = len(sight.tooth), belief.mean[4 * n :]
    lower = lower_teeth(prior)[sight.tooth][:, None, None]
    own = np.where(lower, world @ rotation_matrix(bite[3:]), world)
    out, index = np.zeros((count, 5, 4 * n + 6)), np.arange(count)
    for k in range(3):
        out[index, :, 3 * sight.tooth + k] = own[:, :, k]
    out[index, 2, 3 * n + sight.tooth] = 1.0
    arm = sight.anchor - prior.bite_pivot - bite[:3]
    move = np.concatenate([np.broadcast_to(np.eye(3), (count, 3, 3)), -skew(arm)], axis=2)
    out[:, :, 4 * n :] = np.where(lower, world @ move, 0.0)
    return out


def _rows(view: View, numbered: NumberedView, belief: Belief, robust: bool) -> _Rows:
    """A view's measurements, linearised; ``robust`` widens the noise of instances that are far off."""
    sight = _sight(view, numbered, belief)
    to_camera, world = _to_camera(sight, numbered.camera)
    to_teeth = _to_teeth(sight, world, belief)
    noise = sight.noise
    if robust:
        chi = ((sight.residual / noise) ** 2).sum(axis=1)
        noise = noise * np.clip(np.sqrt(chi / _USUAL_CHI), 1.0, _MOST_DOUBT)[:, None]
    size = sight.residual.size
    return _Rows(
        sight.residual.ravel(), to_camera.reshape(size, -1), to_teeth.reshape(size, -1), noise.ravel()
    )


def focal_terms(views: list[NumberedView]) -> tuple[FloatArray, FloatArray]:
    """Precision (v, v) and residual (v,) of the log focal lengths: shared unless read from the files."""
    spread = np.array([v.focal[1] for v in views])
    cov = np.outer(spread, spread)
    for k, view in enumerate(views):
        if view.exif:
            cov[k], cov[:, k] = 0.0, 0.0
            cov[k, k] = view.focal[1] ** 2
        else:
            cov[k, k] = view.focal[1] ** 2 + FOCAL_SHARED_SD**2
    lean = np.array([np.log(v.camera.focal) - v.focal[0] for v in views])
    return np.linalg.inv(cov), lean


def _stacked(rows: list[_Rows]) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Residual, noise, derivatives to teeth and to all cameras of several views."""
    residual = np.concatenate([r.residual for r in rows])
    camera = np.zeros((len(residual), _POSE * len(rows)))
    offset = 0
    for k, r in enumerate(rows):
        camera[offset : offset + len(r.residual), _POSE * k : _POSE * (k + 1)] = r.camera
        offset += len(r.residual)
    return residual, np.concatenate([r.noise for r in rows]), np.concatenate([r.teeth for r in rows]), camera


def _solve(rows: list[_Rows], views: list[NumberedView], prior: Belief, mean: FloatArray) -> _Solved:
    """Generalised least squares about ``mean`` with the teeth integrated out."""
    residual, noise, teeth, camera = _stacked(rows)
    linear = residual + teeth @ (mean - prior.mean)
    spread = teeth @ prior.cov
    cov = spread @ teeth.T
    cov[np.diag_indices(len(cov))] += noise**2
    factor = cho_factor(cov, lower=True, check_finite=False)
    precision, lean = focal_terms(views)
    solved = cho_solve(factor, camera, check_finite=False)
    hessian, gradient = camera.T @ solved, solved.T @ linear
    where = 6 + _POSE * np.arange(len(views))
    hessian[np.ix_(where, where)] += precision
    gradient[where] -= precision @ lean
    cost = 0.5 * float(linear @ cho_solve(factor, linear, check_finite=False) + lean @ precision @ lean)
    cost += float(np.log(np.diag(factor[0])).sum())
    damped = hessian.copy()
    damped[np.diag_indices(len(hessian))] *= 1.01
    step = np.linalg.solve(damped + 1e-6 * np.eye(len(hessian)), gradient)
    found = prior.mean + spread.T @ cho_solve(factor, linear - camera @ step, check_finite=False)
    return _Solved(found, step.reshape(-1, _POSE), cost, factor, spread, camera, hessian)


def fit_joint(views: Mapping[View, NumberedView], belief: Belief, rounds: int = 4) -> JointFit:
    """Fit cameras, bite, places and sizes of one numbering and weigh it.

    Args:
        views: the numbered views with cameras to start from.
        belief: what is held about the teeth before these views.
        rounds: Gauss-Newton steps.
    """
    if rounds < 0:
        raise ValueError("rounds must not be negative")
    return next(itertools.islice(joint_fits(views, belief), rounds, None))


def joint_fits(views: Mapping[View, NumberedView], belief: Belief) -> Iterator[JointFit]:
    """The fits that `fit_joint` goes through, without end; the first one is not robust.

    Args:
        views: the numbered views with cameras to start from.
        belief: what is held about the teeth before these views.
    """
    current, now = dict(views), belief
    for turn in itertools.count():
        rows = [_rows(v, current[v], now, robust=turn > 0) for v in current]
        solved = _solve(rows, list(current.values()), belief, now.mean)
        yield JointFit(current, replace(now, cov=belief.cov), solved)
        now = replace(now, mean=solved.mean)
        current = {
            v: replace(x, camera=x.camera.moved(_bounded(solved.step[k], x.camera)))
            for k, (v, x) in enumerate(current.items())
        }


def _bounded(step: FloatArray, camera: Camera) -> FloatArray:
    """A camera step (9,) no larger than is wise."""
    out = np.concatenate([step, [0.0, 0.0]])
    out[:3] *= min(1.0, 0.4 / max(float(np.linalg.norm(out[:3])), 1e-9))
    out[5] = np.clip(out[5], -0.3 * camera.translation[2], 0.5 * camera.translation[2])
    out[6] = np.clip(out[6], -0.3, 0.3)
    return out
