"""Numberings of bite views judged by outlines: fit each, read the numbers again, compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree

from teethscape.dental.fdi import Jaw, arch
from teethscape.dental.views import View
from teethscape.parametric.arch import Arch, ArchState
from teethscape.parametric.camera import Camera
from teethscape.parametric.contours import Contour, outline, owned_outline
from teethscape.parametric.fit import Evidence, problem_of, resized
from teethscape.parametric.observations import WORKING_SIZE, match_key
from teethscape.parametric.penalties import PriorPrecision
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.raster import IdBuffer, render_ids
from teethscape.parametric.rims import build_soup, tooth_map, visible_teeth
from teethscape.parametric.solver import FitState, Stage, run_stage

#: Size of the pictures on which hypotheses are compared, px.
COMPARED_SIZE = 360
#: Outline distances are believed and cut off like this, px at working size.
_SIGMA_PX, _CUT_PX = 8.0, 14.0
#: Cost in nats of a labelled instance that no tooth explains.
_UNEXPLAINED = 12.0
#: A numbering that starts this much worse than the best one will not catch up, nats.
_HOPELESS = 150.0
#: Least overlap (intersection over union) of an instance and its tooth.
_LEAST_OVERLAP = 0.3
#: An instance whose second tooth overlaps it this much, against its first, covers both.
_EQUAL = 0.5
#: Part of a scrap that one tooth must cover to take it.
_COVERED = 0.6
#: Part of a tooth that a scrap must show to stand for it alone: its outline is believed.
_MOST_OF_TOOTH = 0.5
#: Part of a tooth's place that scraps must cover to say that it exists.
_HINT = 0.1
#: A scrap of a tooth (by area against the median) must fit better to get a number.
_SMALL, _LEAST_OVERLAP_SMALL = 0.35, 0.6
_FIRST = Stage(5, (24.0, 12.0), focal=True)
_AGAIN = Stage(4, (12.0, 6.0), focal=True)
_JOINT = Stage(5, (10.0, 6.0), focal=True, pose=True)


@dataclass(frozen=True)
class Instances:
    """Instance labels of one photo at full and compared size.

    Attributes:
        view: which photo.
        labels: (h, w) arbitrary ids, 0 = none.
        focal: focal length from EXIF in px of ``labels``, or None.
    """

    view: View
    labels: NDArray[np.int32]
    focal: float | None

    def numbered(self, fdi: Mapping[int, int]) -> NDArray[np.int32]:
        """The labels in FDI numbers; ids without a number become 0."""
        table = np.zeros(int(self.labels.max()) + 1, np.int32)
        for identity, number in fdi.items():
            table[identity] = number
        return table[self.labels]


@dataclass(frozen=True)
class Explained:
    """A numbering of one view with its fit.

    Attributes:
        fdi: id -> FDI number.
        camera: fitted camera, px of the full labels.
        state: the teeth and the bite that this view asks for.
        cost: nats.
    """

    fdi: Mapping[int, int]
    camera: Camera
    state: ArchState
    cost: float


class Refiner:
    """Compares numberings of the photos of one patient.

    Args:
        prior: tooth prior with the mean places that the numbering means.
        present: FDI numbers of the teeth that exist.
    """

    def __init__(self, prior: ToothPrior, present: frozenset[int]) -> None:
        self.prior, self.present = prior, present
        self.precision = PriorPrecision.of(prior)

    def explain(
        self, seen: Instances, fdi: Mapping[int, int], start: FitState, known: float
    ) -> Explained | None:
        """Fit camera and bite to a numbering, number again by overlap, weigh.

        Args:
            seen: the view.
            fdi: id -> FDI number to try.
            start: teeth, bite, and one camera in px of the full labels.
            known: cost of the best numbering so far; a far worse one is not refined.

        Returns:
            What the numbering became, or None when it cannot be fitted.
        """
        state, camera = start.arch, start.cameras[0]
        best: Explained | None = None
        for stage in (_FIRST, _AGAIN):
            if len(set(fdi.values())) < 4:
                return best
            try:
                fit = self._fitted({seen.view: (seen, fdi)}, FitState(state, (camera,)), stage)
            except np.linalg.LinAlgError:
                return best
            state, camera = fit.arch, fit.cameras[0].resized(*seen.labels.shape[::-1])
            found = self.weigh(seen, camera, state)
            if best is None or found.cost < best.cost:
                best = found
            if found.cost > known + _HOPELESS:
                return best
            fdi = found.fdi
        return best

    def together(
        self,
        views: Mapping[View, tuple[Instances, Mapping[int, int]]],
        cameras: Mapping[View, Camera],
        state: ArchState,
    ) -> FitState:
        """A short joint fit of all views, poses included; cameras in px of the full labels."""
        start = FitState(state, tuple(cameras[view] for view in views))
        fit = self._fitted(views, start, _JOINT)
        full = [
            camera.resized(*seen.labels.shape[::-1])
            for camera, (seen, _) in zip(fit.cameras, views.values(), strict=True)
        ]
        return replace(fit, cameras=tuple(full))

    def _fitted(
        self, views: Mapping[View, tuple[Instances, Mapping[int, int]]], start: FitState, stage: Stage
    ) -> FitState:
        labels = {view: seen.numbered(fdi) for view, (seen, fdi) in views.items()}
        focal = {view: seen.focal for view, (seen, _) in views.items()}
        problem = problem_of(self.prior, Evidence(labels, self.present, focal), COMPARED_SIZE)
        return run_stage(problem, resized(start, problem), stage)

    def weigh(self, seen: Instances, camera: Camera, state: ArchState, strict: bool = False) -> Explained:
        """Cost of a camera and a bite for one view, whatever the numbers; and the numbers it means.

        ``strict`` leaves out instances that cover two teeth about equally.
        """
        labels, painted, buffer = self._drawn(seen, camera, state)
        fdi, unexplained = self._read(labels, painted, strict)
        cost = _outline_cost(labels, painted, buffer) + _UNEXPLAINED * unexplained
        if not seen.view.is_occlusal:
            cost += 0.5 * float(state.bite @ self.precision.bite @ state.bite)
        return Explained(fdi, camera, state, cost)

    def merged(
        self, seen: Instances, fdi: Mapping[int, int], fit: FitState, known: frozenset[int]
    ) -> dict[int, int]:
        """Numbers with scraps joined to the tooth that covers them, if any view shows that tooth.

        A network cuts molars along their fissures; the fitted arch tells which parts
        belong together.
        """
        labels, painted, _ = self._drawn(seen, fit.cameras[0], fit.arch)
        numbers = np.array(self.prior.fdi)
        out = dict(fdi)
        for identity in np.unique(labels[labels > 0]):
            if int(identity) in fdi:
                continue
            shown = painted[labels == identity]
            count = np.bincount(shown[shown >= 0], minlength=len(numbers))
            tooth = int(numbers[np.argmax(count)])
            new = tooth in known and count.max() >= _MOST_OF_TOOTH * (painted == np.argmax(count)).sum()
            if count.max() >= _COVERED * len(shown) and (tooth in fdi.values() or new):
                out[int(identity)] = tooth
        return out

    def hinted(self, seen: Instances, fdi: Mapping[int, int], fit: FitState) -> frozenset[int]:
        """Teeth whose place holds scraps that no number was given to: they exist, unoutlined."""
        labels, painted, _ = self._drawn(seen, fit.cameras[0], fit.arch)
        scraps = (labels > 0) & ~np.isin(labels, list(fdi)) & (painted >= 0)
        size = len(self.prior.fdi)
        covered = np.bincount(painted[scraps], minlength=size)
        shown = np.bincount(painted[painted >= 0], minlength=size)
        return frozenset(self.prior.fdi[i] for i in np.flatnonzero(covered > _HINT * np.maximum(shown, 1)))

    def _drawn(
        self, seen: Instances, camera: Camera, state: ArchState
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], IdBuffer]:
        """Labels and rendered teeth (index, -1 none) at the compared size."""
        small = camera.resized(*_small(seen.labels))
        labels = _shrunk(seen.labels, (small.width, small.height))
        present = np.array([i for i, f in enumerate(self.prior.fdi) if f in self.present])
        teeth = visible_teeth(self.prior, present, seen.view)
        buffer = render_ids(build_soup(Arch(self.prior, state), teeth, seen.view), small)
        return labels, tooth_map(self.prior, teeth, buffer), buffer

    def _read(
        self, labels: NDArray[np.int32], painted: NDArray[np.int32], strict: bool
    ) -> tuple[dict[int, int], int]:
        """Numbers of the instances by overlap with the painted teeth; count of those without."""
        ids = np.unique(labels[labels > 0])
        union = np.zeros((len(ids), len(self.prior.fdi)))
        area = np.array([(labels == identity).sum() for identity in ids])
        total = np.bincount(painted[painted >= 0].ravel(), minlength=len(self.prior.fdi))
        for row, identity in enumerate(ids):
            own = labels == identity
            both = np.bincount(painted[own & (painted >= 0)], minlength=len(self.prior.fdi))
            union[row] = both / np.maximum(own.sum() + total - both, 1)
        rows, columns = linear_sum_assignment(-union)
        if strict:
            second = np.sort(union, axis=1)[rows, -2]
            clear = second < _EQUAL * union[rows, columns]
            rows, columns = rows[clear], columns[clear]
        small = area[rows] < _SMALL * np.median(area)
        good = union[rows, columns] >= np.where(small, _LEAST_OVERLAP_SMALL, _LEAST_OVERLAP)
        found = {int(ids[r]): self.prior.fdi[c] for r, c in zip(rows[good], columns[good], strict=True)}
        return found, len(ids) - len(found)


def _small(labels: NDArray[np.int32]) -> tuple[int, int]:
    height, width = labels.shape
    factor = COMPARED_SIZE / max(height, width)
    return round(width * factor), round(height * factor)


def _shrunk(labels: NDArray[np.int32], size: tuple[int, int]) -> NDArray[np.int32]:
    """Nearest-neighbour resampling to width and height."""
    rows = (np.arange(size[1]) + 0.5) * labels.shape[0] / size[1]
    columns = (np.arange(size[0]) + 0.5) * labels.shape[1] / size[0]
    return labels[rows.astype(int)[:, None], columns.astype(int)[None]]


def _truncated(source: Contour, target: Contour) -> float:
    """Half the sum of cut-off squared distances from one outline to another, whoever owns it."""
    if not len(source):
        return 0.0
    if not len(target):
        return 0.5 * len(source) * (_CUT_PX / _SIGMA_PX) ** 2
    factor = COMPARED_SIZE / WORKING_SIZE
    tree = KDTree(match_key(target.position, target.normal))
    keys = match_key(source.position, source.normal)
    distance = tree.query(keys, distance_upper_bound=_CUT_PX * factor)[0]
    distance = np.minimum(distance, _CUT_PX * factor) / (_SIGMA_PX * factor)
    return 0.5 * float((distance**2).sum())


def _outline_cost(labels: NDArray[np.int32], painted: NDArray[np.int32], buffer: IdBuffer) -> float:
    """Disagreement of labelled and rendered outlines in nats."""
    given = outline(np.where(labels > 0, labels, -1).astype(np.int32))
    drawn = owned_outline(buffer, painted)
    column, row = np.rint(drawn.position).astype(int).T
    inside = labels[np.clip(row, 0, labels.shape[0] - 1), np.clip(column, 0, labels.shape[1] - 1)] > 0
    return _truncated(given, drawn) + _truncated(drawn.only(inside), given)


def moved_along(present: frozenset[int], fdi: Mapping[int, int], by: tuple[int, int]) -> dict[int, int]:
    """A numbering shifted along the present teeth by places in the upper and in the lower jaw."""
    out = {}
    for jaw, way in zip(Jaw, by, strict=True):
        row = [number for number in arch(jaw) if number in present]
        place = {number: k + way for k, number in enumerate(row)}
        for identity, number in fdi.items():
            if 0 <= place.get(number, -1) < len(row):
                out[identity] = row[place[number]]
    return out
