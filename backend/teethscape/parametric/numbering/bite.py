"""Views of the closed bite: where they start along the arch, and which instance is which tooth."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from teethscape.dental.fdi import Jaw
from teethscape.dental.views import View
from teethscape.parametric.camera import Camera
from teethscape.parametric.numbering.evidence import Cameras, judge
from teethscape.parametric.numbering.joint import Belief
from teethscape.parametric.numbering.kinds import groups_of, named_kinds
from teethscape.parametric.numbering.layout import Layout, jaw_rows
from teethscape.parametric.numbering.measure import Instances, split_rows
from teethscape.parametric.numbering.names import imposed
from teethscape.parametric.numbering.seen import measured_of, stack_expected, view_of
from teethscape.parametric.rotation import FloatArray
from teethscape.parametric.start_cameras import Points, counted_teeth, first_camera, view_rotation

#: Cost in nats of an instance of any view that is no tooth of the arch.
LEFT_OUT_COST = 14.0
#: A tooth that shows less than this (half the log of its px^2) is all but hidden; what its match costs.
_HIDDEN_LOG_SIZE, _HIDDEN_COST = 0.5, 8.0
_STARTS_KEPT = 4
_LARGEST_YAW = 80.0


@dataclass(frozen=True)
class BiteView:
    """A view of the closed bite to be numbered.

    Attributes:
        view: which view.
        found: its instances.
        lower: (n,) true where an instance is taken for a lower tooth at first.
        sure: (n,) instances whose jaw is reliable enough to start from.
        frame: width, height in px; mean and s.d. of the log focal length.
        names: (n,) tooth of each instance that the user has named, else -1; None when there is none.
    """

    view: View
    found: Instances
    lower: NDArray[np.bool_]
    sure: NDArray[np.bool_]
    frame: tuple[int, int, float, float]
    names: NDArray[np.intp] | None = None

    def imposed(self, tooth: NDArray[np.intp]) -> NDArray[np.intp]:
        """Teeth (n,) of the instances with the user's names."""
        return tooth if self.names is None else imposed(tooth, self.names)

    def imposed_on(self, rows: NDArray[np.intp], tooth: NDArray[np.intp]) -> NDArray[np.intp]:
        """Teeth (m,) of some instances with the user's names."""
        return tooth if self.names is None else imposed(tooth, self.names[rows])


def bite_view(
    view: View, found: Instances, jaw_of: dict[int, Jaw] | None, frame: tuple[int, int, float, float]
) -> BiteView:
    """Rows of a bite view, from the given jaws where there are any."""
    lower = split_rows(found)
    known = np.zeros(len(found), bool)
    for k, label in enumerate(found.ids):
        if jaw_of and int(label) in jaw_of:
            lower[k], known[k] = jaw_of[int(label)] is Jaw.LOWER, True
    big = found.area > 0.25 * np.median(found.area)
    return BiteView(view, found, lower, known | big, frame)


def start_cameras(task: BiteView, belief: Belief) -> list[tuple[float, Camera]]:
    """Cameras from which the rows look like a run of neighbouring teeth, best first, with costs."""
    layout = belief.layout
    rows = [np.flatnonzero((task.lower == low) & task.sure) for low in (False, True)]
    rows = [r[np.argsort(task.found.centre[r, 0])] for r in rows]
    runs = [_runs(len(r), layout, jaw) for r, jaw in zip(rows, Jaw, strict=True)]
    used = np.concatenate(rows)
    found = task.found.only(used)
    pairs = [np.concatenate(p).astype(int) for p in product(*runs) if _together(task, found, p, layout)]
    if len(used) < 3 or not pairs:
        return []
    agreeing = [teeth for teeth in pairs if (task.imposed_on(used, teeth) == teeth).all()]
    pairs = agreeing or pairs
    cameras = [_first(task, layout, found, teeth) for teeth in pairs]
    covs = (belief.world_cov(), belief.size_cov())
    seen = [view_of(belief.placed, camera, layout.present) for camera in cameras]
    expected = stack_expected([(covs, teeth, one) for teeth, one in zip(pairs, seen, strict=True)])
    measured = measured_of(found)
    judged = judge(Cameras.of(cameras), expected, measured, task.frame[2:], rounds=4)
    fdi = layout.prior.fdi
    cost = judged.cost + np.array([named_kinds(found.kind_cost, teeth, fdi).sum() for teeth in pairs])
    return [
        (float(cost[k]), judged.cameras.one(int(k), cameras[int(k)]))
        for k in np.argsort(cost)[:_STARTS_KEPT]
        if np.isfinite(cost[k])
    ]


def _runs(count: int, layout: Layout, jaw: Jaw) -> list[NDArray[np.intp]]:
    """All runs of ``count`` neighbouring present teeth of a jaw, from the patient's right."""
    rows = jaw_rows(layout.prior, jaw)
    rows = rows[layout.present[rows]]
    if count == 0:
        return [np.array([], int)]
    return [rows[k : k + count] for k in range(len(rows) - count + 1)]


def _facing(teeth: NDArray[np.intp], layout: Layout) -> float:
    """Yaw in degrees of a camera that faces these teeth."""
    out = layout.prior.axes[teeth][:, :, 1].mean(axis=0)
    return float(np.degrees(np.arctan2(out[0], -out[1])))


def _together(task: BiteView, found: Instances, pair: tuple[NDArray[np.intp], ...], layout: Layout) -> bool:
    """True when both runs face the same side, the one that the view shows."""
    upper, lower = pair
    if len(upper) == 0 and len(lower) == 0:
        return False
    yaw = _facing(np.concatenate(pair).astype(int), layout)
    side = {View.ANTERIOR: abs(yaw) < 30, View.LEFT_BUCCAL: yaw > -8, View.RIGHT_BUCCAL: yaw < 8}
    if not side[task.view] or abs(yaw) > _LARGEST_YAW:
        return False
    if len(upper) == 0 or len(lower) == 0:
        return True
    return abs(_facing(upper, layout) - _facing(lower, layout)) < 40 or len(found) < 6


def _first(task: BiteView, layout: Layout, found: Instances, teeth: NDArray[np.intp]) -> Camera:
    points = Points(teeth, found.centre, found.area, found.whole)
    rotation = view_rotation(_facing(teeth, layout), 0.0)
    return first_camera(
        rotation, layout.prior.centre[teeth], points, (*task.frame[:2], float(np.exp(task.frame[2])))
    )


def assign(view: View, found: Instances, camera: Camera, belief: Belief) -> NDArray[np.intp]:
    """Teeth (n,) that a camera sees, matched one to one with the instances; -1 where none fits.

    Args:
        view: which view.
        found: its instances.
        camera: a camera near the truth.
        belief: the teeth that exist and where they are.
    """
    drawn = belief.layout.present & counted_teeth(view, belief.layout.prior)
    teeth = np.flatnonzero(drawn)
    cost = _match_cost(found, camera, belief, drawn)
    full = np.concatenate([cost, np.full((len(found), len(found)), LEFT_OUT_COST)], axis=1)
    rows, columns = linear_sum_assignment(full)
    tooth = np.full(len(found), -1)
    real = columns < len(teeth)
    tooth[rows[real]] = teeth[columns[real]]
    return tooth


def _match_cost(found: Instances, camera: Camera, belief: Belief, drawn: NDArray[np.bool_]) -> FloatArray:
    """(n, m) cost in nats of each instance being each of the m drawn teeth."""
    n, teeth = len(belief.layout.prior.fdi), np.flatnonzero(drawn)
    seen = view_of(belief.placed, camera, drawn)
    anchor = seen.anchor[teeth]
    pixels, to_world, _ = camera.jacobians(anchor)
    depth = np.maximum(camera.to_camera(anchor)[:, 2], 5.0)
    centre_sd, size_sd, shape_sd = seen.noise[teeth].T
    size_sd = np.hypot(np.sqrt(np.diag(belief.size_cov()))[teeth], size_sd)
    blocks = belief.world_cov().reshape(n, 3, n, 3)[teeth, :, teeth, :]
    plane = np.einsum("tij,tjk,tlk->til", to_world, blocks, to_world)
    plane += ((centre_sd * camera.focal / depth) ** 2)[:, None, None] * np.eye(2)
    measured = measured_of(found)
    apart = measured.centre[:, None] - pixels[None]
    chi = np.einsum("nti,tij,ntj->nt", apart, np.linalg.inv(plane), apart)
    size = seen.log_size[teeth] + np.log(camera.focal / depth)
    chi += ((measured.log_size[:, None] - size) / size_sd) ** 2
    chi += (((measured.shape[:, None] - seen.shape[teeth]) / shape_sd[:, None]) ** 2).sum(axis=2)
    log_det = np.linalg.slogdet(plane)[1] + 2 * np.log(size_sd) + 4 * np.log(shape_sd)
    factor = measured.sd_factor[:, None]
    cost = 0.5 * (chi / factor**2 + log_det + 10 * np.log(factor))
    kind = groups_of(belief.layout.prior.fdi)[teeth]
    return cost + found.kind_cost[:, kind] + np.where(size < _HIDDEN_LOG_SIZE, _HIDDEN_COST, 0.0)
