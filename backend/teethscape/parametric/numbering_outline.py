"""A closer look at rival numberings: outlines of instances against crowns with shape, place and size.

An instance's outline is told by its extent in 16 directions (its support function), the
crown's by the farthest visible point of its scattered surface.  All unknowns are fitted
jointly; the Laplace approximation of the evidence weighs one numbering against another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import mirrored
from teethscape.dental.views import View
from teethscape.parametric.arch import ArchState
from teethscape.parametric.camera import Camera
from teethscape.parametric.numbering_crowns import Placed, crowns_of, front_and_unhidden, lower_teeth
from teethscape.parametric.numbering_joint import Belief, JointFit, NumberedView, fit_joint, focal_terms
from teethscape.parametric.numbering_layout import Layout
from teethscape.parametric.numbering_measure import Instances
from teethscape.parametric.numbering_occlusal import Candidate
from teethscape.parametric.rotation import FloatArray, left_jacobian, rotation_matrix, skew
from teethscape.parametric.start_cameras import counted_teeth

DIRECTIONS = 16
MODES = 10
#: Correlation of the shapes of left and right twins.
TWIN_CORRELATION = 0.6
_ANGLES = np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS
_UNIT = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
#: Noise of an outline in mm: common to an instance, smooth along it, of each direction.
_COMMON_SD, _SMOOTH_SD, _OWN_SD = 0.15, 0.15, 0.15
_GUM_SD_MM = 0.7  # where the outline is the gum line
_GUM_SHARE = 0.3  # lowest part of a crown in whose reach the gum line lies
_HIDDEN_FACTOR, _MOST_HIDDEN_MM = (
    0.4,
    6.0,
)  # an edge that another tooth makes is as uncertain as it hides much
_SMOOTH_REACH = 0.35  # how far along the outline noise is smooth, as 1 - cos of the angle
_USUAL, _MOST_DOUBT = 2.5, 5.0
_MOST_RIVALS = 6
_POSE = 7


@dataclass(frozen=True)
class Outline:
    """Extents of the instances of one view.

    Attributes:
        extent: (n, 16) greatest coordinate along each direction, px.
        valid: (n, 16) false where the picture's border cuts the instance.
    """

    extent: FloatArray
    valid: NDArray[np.bool_]


def outlines(labels: NDArray[np.int32], ids: NDArray[np.int32]) -> Outline:
    """Extents of the instances ``ids`` of a label image."""
    height, width = labels.shape
    extent = np.zeros((len(ids), DIRECTIONS))
    valid = np.ones((len(ids), DIRECTIONS), bool)
    for k, value in enumerate(ids):
        mask = (labels == value).astype(np.uint8)
        count, parts, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
        if count > 2:
            mask = (parts == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
        found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        points = np.concatenate(found)[:, 0].astype(float)
        along = points @ _UNIT.T
        far = np.argmax(along, axis=0)
        extent[k] = along[far, np.arange(DIRECTIONS)] + 0.5
        x, y = points[far].T
        valid[k] = (x > 2) & (y > 2) & (x < width - 3) & (y < height - 3)
    return Outline(extent, valid)


@dataclass(frozen=True)
class OutlineFit:
    """A numbering fitted to outlines.

    Attributes:
        views: the views with their fitted cameras.
        layout: the arch meant.
        state: teeth and bite about the layout's mean.
        cost: negative log evidence, nats.
    """

    views: Mapping[View, NumberedView]
    layout: Layout
    state: ArchState
    cost: float


@dataclass(frozen=True)
class _System:
    """Columns of the unknowns of the teeth that are seen.

    Attributes:
        teeth: (m,) indices of the seen teeth.
        slot: (28,) position in ``teeth`` or -1.
        precision: (m * 17 + 6, ...) prior precision of pose, size, shape and bite.
        log_det: log determinant of the precision.
    """

    teeth: NDArray[np.intp]
    slot: NDArray[np.intp]
    precision: FloatArray
    log_det: float


_PER_TOOTH = 7 + MODES


def _system(layout: Layout, teeth: NDArray[np.intp]) -> _System:
    prior, n, m = layout.prior, len(layout.prior.fdi), len(teeth)
    pose = prior.pose_cov.reshape(n, 6, n, 6).copy()
    place = layout.place_cov.reshape(n, 3, n, 3)
    pose[:, :3, :, :3] = np.einsum("iab,iajc,jcd->ibjd", prior.axes, place, prior.axes)
    cov = np.zeros((m, _PER_TOOTH, m, _PER_TOOTH))
    cov[:, :6, :, :6] = pose[np.ix_(teeth, np.arange(6), teeth, np.arange(6))]
    cov[:, 6, :, 6] = prior.log_size_cov[np.ix_(teeth, teeth)]
    twins = np.eye(m)
    index = {prior.fdi[t]: k for k, t in enumerate(teeth)}
    for fdi, k in index.items():
        if mirrored(fdi) in index:
            twins[k, index[mirrored(fdi)]] = TWIN_CORRELATION
    for mode in range(MODES):
        cov[:, 7 + mode, :, 7 + mode] = twins
    size = m * _PER_TOOTH
    precision = np.zeros((size + 6, size + 6))
    precision[:size, :size] = np.linalg.inv(cov.reshape(size, size))
    precision[size:, size:] = np.linalg.inv(prior.bite_cov)
    slot = np.full(n, -1, dtype=np.intp)
    slot[teeth] = np.arange(m)
    return _System(teeth, slot, precision, float(np.linalg.slogdet(precision)[1]))


@dataclass(frozen=True)
class _Shaped:
    """Crowns placed with shape: the scattered points in local axes too, (28, P, 3)."""

    placed: Placed
    turned: FloatArray


def _place(layout: Layout, state: ArchState) -> _Shaped:
    """Scattered crowns with their shapes in the world."""
    prior, crowns = layout.prior, crowns_of(layout.prior)
    local = crowns.points + np.einsum("tk,tkpi->tpi", state.shape, crowns.modes[:, :MODES])
    rotation = rotation_matrix(state.rotation)
    turned = np.exp(state.log_size)[:, None, None] * np.einsum("tij,tpj->tpi", rotation, local)
    points = (
        np.einsum("tij,tpj->tpi", prior.axes, turned + state.translation[:, None]) + prior.centre[:, None]
    )
    normals = np.einsum("tij,tpj->tpi", prior.axes @ rotation, crowns.normals)
    lower, bite = lower_teeth(prior), rotation_matrix(state.bite[3:])
    points[lower] = (points[lower] - prior.bite_pivot) @ bite.T + prior.bite_pivot + state.bite[:3]
    normals[lower] = normals[lower] @ bite.T
    return _Shaped(Placed(points, normals, crowns.areas * np.exp(2 * state.log_size)[:, None]), turned)


@dataclass(frozen=True)
class _Extremes:
    """Farthest visible points of the numbered instances, (r,) each.

    Attributes:
        instance: row of the instance.
        direction: number of the direction.
        tooth: index of the tooth.
        point: scattered point of the crown.
        hidden: how much farther the crown reaches behind another, mm.
    """

    instance: NDArray[np.intp]
    direction: NDArray[np.intp]
    tooth: NDArray[np.intp]
    point: NDArray[np.intp]
    hidden: FloatArray


def _extremes(
    view: View, numbered: NumberedView, layout: Layout, shaped: _Shaped, outline: Outline
) -> _Extremes:
    camera = numbered.camera
    drawn = layout.present & counted_teeth(view, layout.prior)
    pixels, front, free = front_and_unhidden(shaped.placed, camera, drawn)
    px_per_mm = camera.focal / max(float(camera.translation[2]), 1.0)
    rows, hidden = [], []
    for k in numbered.used:
        tooth = int(numbered.tooth[k])
        along = pixels[tooth] @ _UNIT.T
        whole = np.where(front[tooth][:, None], along, -np.inf).max(axis=0)
        seen = np.where((free if free[tooth].any() else front)[tooth][:, None], along, -np.inf)
        point = np.argmax(seen, axis=0)
        way = np.flatnonzero(outline.valid[k])
        reach = seen.max(axis=0)[way]
        behind = np.where(np.isfinite(reach), whole[way] - np.where(np.isfinite(reach), reach, 0.0), np.inf)
        hidden.append(np.clip(behind / px_per_mm, 0.0, _MOST_HIDDEN_MM))
        rows.append(np.stack([np.full(len(way), k), way, np.full(len(way), tooth), point[way]], axis=1))
    table = np.concatenate(rows).astype(np.intp)
    return _Extremes(table[:, 0], table[:, 1], table[:, 2], table[:, 3], np.concatenate(hidden))


@dataclass(frozen=True)
class _Block:
    """A view whitened: residual (r,), derivative to teeth and bite (r, m*17+6), to the camera (r, 7)."""

    residual: FloatArray
    teeth: FloatArray
    camera: FloatArray
    log_noise: float


def _derivatives(
    rows: _Extremes, numbered: NumberedView, fit: OutlineFit, shaped: _Shaped, system: _System
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Predicted extents (r,), derivatives to teeth and bite, and to the camera."""
    layout, state, camera = fit.layout, fit.state, numbered.camera
    prior, crowns = layout.prior, crowns_of(layout.prior)
    tooth, point, count = rows.tooth, rows.point, len(rows.tooth)
    world = shaped.placed.points[tooth, point]
    pixels, to_world, step = camera.jacobians(world)
    unit = _UNIT[rows.direction]
    extent = np.einsum("rk,rk->r", pixels, unit)
    across = np.einsum("rk,rki->ri", unit, to_world)
    lower = lower_teeth(prior)[tooth]
    turn = rotation_matrix(state.bite[3:])
    own = np.where(lower[:, None], across @ turn, across)
    own = np.einsum("ri,rij->rj", own, prior.axes[tooth])
    turned = shaped.turned[tooth, point]
    block = np.empty((count, _PER_TOOTH))
    block[:, :3] = own
    block[:, 3:6] = np.einsum(
        "ri,rij->rj", -np.einsum("ri,rij->rj", own, skew(turned)), left_jacobian(state.rotation[tooth])
    )
    block[:, 6] = np.einsum("ri,ri->r", own, turned)
    spin = np.exp(state.log_size)[:, None, None] * rotation_matrix(state.rotation)
    back = np.einsum("ri,rij->rj", own, spin[tooth])
    block[:, 7:] = np.einsum("ri,rki->rk", back, crowns.modes[tooth, :MODES, point])
    out = np.zeros((count, len(system.precision)))
    columns = system.slot[tooth][:, None] * _PER_TOOTH + np.arange(_PER_TOOTH)
    out[np.arange(count)[:, None], columns] = block
    arm = world - prior.bite_pivot - state.bite[:3]
    out[:, -6:-3] = np.where(lower[:, None], across, 0.0)
    out[:, -3:] = np.where(lower[:, None], np.cross(arm, across), 0.0)
    return extent, out, np.einsum("rk,rkc->rc", unit, step[:, :, :_POSE])


def _noise_roots(rows: _Extremes, layout: Layout) -> list[tuple[NDArray[np.intp], FloatArray]]:
    """Per instance its rows and the Cholesky factor of their noise, mm."""
    height = crowns_of(layout.prior).height[rows.tooth, rows.point]
    low = np.clip((_GUM_SHARE - height) / _GUM_SHARE, 0.0, 1.0)
    extra = _OWN_SD**2 + (_GUM_SD_MM * low) ** 2 + (_HIDDEN_FACTOR * rows.hidden) ** 2
    out = []
    for k in np.unique(rows.instance):
        mine = np.flatnonzero(rows.instance == k)
        apart = _ANGLES[rows.direction[mine]]
        smooth = np.exp((np.cos(apart[:, None] - apart[None]) - 1) / _SMOOTH_REACH)
        cov = _COMMON_SD**2 + _SMOOTH_SD**2 * smooth
        cov[np.diag_indices(len(mine))] += extra[mine]
        out.append((mine, np.linalg.cholesky(cov)))
    return out


def _block(view: View, fit: OutlineFit, system: _System, outline: Outline, robust: bool) -> _Block:
    """A view's outlines, linearised and whitened; ``robust`` doubts instances that are far off."""
    numbered, shaped = fit.views[view], _place(fit.layout, fit.state)
    rows = _extremes(view, numbered, fit.layout, shaped, outline)
    extent, teeth, camera = _derivatives(rows, numbered, fit, shaped, system)
    residual = outline.extent[rows.instance, rows.direction] - extent
    px_per_mm = numbered.camera.focal / max(float(numbered.camera.translation[2]), 1.0)
    log_noise = 0.0
    for mine, root in _noise_roots(rows, fit.layout):
        parts = np.concatenate([residual[mine, None], teeth[mine], camera[mine]], axis=1)
        white = np.linalg.solve(root * px_per_mm, parts)
        doubt = np.clip(np.sqrt((white[:, 0] ** 2).mean() / _USUAL), 1.0, _MOST_DOUBT) if robust else 1.0
        log_noise += float(np.log(np.diag(root)).sum()) + len(mine) * float(np.log(doubt * px_per_mm))
        white /= doubt
        residual[mine], teeth[mine], camera[mine] = white[:, 0], white[:, 1:-_POSE], white[:, -_POSE:]
    return _Block(residual, teeth, camera, log_noise)


def fit_outlines(start: JointFit, outline: Mapping[View, Outline], rounds: int = 6) -> OutlineFit:
    """Fit all unknowns to the outlines and weigh the numbering."""
    layout = start.belief.layout
    teeth = np.unique(np.concatenate([v.tooth[v.used] for v in start.views.values()])).astype(np.intp)
    system = _system(layout, teeth)
    mean = start.belief.state
    state = replace(mean, shape=np.zeros((len(layout.prior.fdi), MODES)))
    fit = OutlineFit(dict(start.views), layout, state, np.inf)
    best = fit
    for turn in range(rounds + 1):
        cost, following = _step(fit, system, outline, turn)
        if turn >= 2 and cost < best.cost:
            best = replace(fit, cost=cost)
        fit = following
    return best


def _step(
    fit: OutlineFit, system: _System, outline: Mapping[View, Outline], turn: int
) -> tuple[float, OutlineFit]:
    """The cost of a fit in nats, and the fit after a Gauss-Newton step."""
    order, size = list(fit.views), len(system.precision)
    blocks = [_block(v, fit, system, outline[v], robust=turn > 0) for v in order]
    hessian = np.zeros((size + _POSE * len(order), size + _POSE * len(order)))
    gradient, unknown = np.zeros(len(hessian)), _vector(fit.state, system)
    hessian[:size, :size] = system.precision
    gradient[:size] = -system.precision @ unknown
    precision, lean = focal_terms([fit.views[v] for v in order])
    where = size + 6 + _POSE * np.arange(len(order))
    hessian[np.ix_(where, where)] += precision
    gradient[where] -= precision @ lean
    energy = float(unknown @ system.precision @ unknown + lean @ precision @ lean)
    for k, block in enumerate(blocks):
        columns = np.r_[0:size, size + _POSE * k : size + _POSE * (k + 1)]
        jacobian = np.concatenate([block.teeth, block.camera], axis=1)
        hessian[np.ix_(columns, columns)] += jacobian.T @ jacobian
        gradient[columns] += jacobian.T @ block.residual
        energy += float(block.residual @ block.residual) + 2 * block.log_noise
    log_det = float(np.linalg.slogdet(hessian[:size, :size])[1])
    hessian[np.diag_indices(len(hessian))] *= 1.01
    step = np.linalg.solve(hessian + 1e-9 * np.eye(len(hessian)), gradient)
    return 0.5 * (energy + log_det - system.log_det), _moved(fit, system, step, order)


@dataclass(frozen=True)
class OcclusalSet:
    """What an occlusal view offers for a closer look.

    Attributes:
        view: which view.
        labels: (h, w) instance ids.
        found: the instances in arch order.
        focal: mean and standard deviation of the log focal length.
        exif: true when the focal length comes from the file.
    """

    view: View
    labels: NDArray[np.int32]
    found: Instances
    focal: tuple[float, float]
    exif: bool


def look_closer(seen: OcclusalSet, candidates: list[Candidate], reach: float) -> list[Candidate]:
    """Candidates with the outlines weighed in, best first.

    Only candidates within ``reach`` nats of the best one that number the same instances
    are compared by outlines; the others keep their distance to the best one.
    """
    first = candidates[0]
    near = [c for c in candidates if c.cost < first.cost + reach and _alike(c, first)][:_MOST_RIVALS]
    if len(near) < 2:
        return candidates
    outline = {seen.view: outlines(seen.labels, seen.found.ids)}
    costs = [_outline_cost(seen, c, outline) for c in near]
    weighed = [replace(c, cost=c.cost + cost - costs[0]) for c, cost in zip(near, costs, strict=True)]
    rest = [c for c in candidates if not any(c is other for other in near)]
    return sorted(weighed + rest, key=lambda c: c.cost)


def _alike(one: Candidate, other: Candidate) -> bool:
    """True when two candidates number the same instances."""
    return bool(((one.tooth >= 0) == (other.tooth >= 0)).all())


def _outline_cost(seen: OcclusalSet, candidate: Candidate, outline: Mapping[View, Outline]) -> float:
    """What the outlines of an occlusal view say against a candidate, nats."""
    numbered = NumberedView(seen.found, candidate.tooth, candidate.camera, seen.focal, seen.exif)
    start = fit_joint({seen.view: numbered}, Belief.before(candidate.layout), rounds=2)
    return fit_outlines(start, outline).cost


def _vector(state: ArchState, system: _System) -> FloatArray:
    return np.concatenate([state.tooth_vector()[system.teeth].ravel(), state.bite])


def _moved(fit: OutlineFit, system: _System, step: FloatArray, order: list[View]) -> OutlineFit:
    size = len(system.precision)
    teeth = np.zeros((len(fit.layout.prior.fdi), _PER_TOOTH))
    teeth[system.teeth] = step[: size - 6].reshape(-1, _PER_TOOTH)
    views = {}
    for k, view in enumerate(order):
        move = np.concatenate([step[size + _POSE * k : size + _POSE * (k + 1)], [0.0, 0.0]])
        move[:3] *= min(1.0, 0.3 / max(float(np.linalg.norm(move[:3])), 1e-9))
        move[6] = np.clip(move[6], -0.3, 0.3)
        camera: Camera = fit.views[view].camera
        views[view] = replace(fit.views[view], camera=camera.moved(move))
    return replace(fit, views=views, state=fit.state.moved(teeth, step[size - 6 : size]))
