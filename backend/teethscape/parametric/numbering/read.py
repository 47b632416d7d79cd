"""Numbers read off the fitted arch: which tooth covers which instance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from teethscape.dental.views import View
from teethscape.parametric.arch import Arch, ArchState
from teethscape.parametric.camera import Camera
from teethscape.parametric.numbering.hulls import smooth
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.raster import render_ids
from teethscape.parametric.rims import build_soup, camera_in_view, tooth_map, visible_teeth

#: Size of the pictures on which labels and rendered teeth are compared, px.
_COMPARED_SIZE = 360
#: Least overlap (intersection over union) of an instance and its tooth.
_LEAST_OVERLAP = 0.4
#: An instance whose second tooth overlaps it this much, against its first, covers both.
_EQUAL = 0.45
#: A scrap of a tooth (by area against the median) must fit better to get a number.
_SMALL, _LEAST_OVERLAP_SMALL = 0.5, 0.6
#: A sliver, smaller still, may be that of a neighbour: it gets none.
_SLIVER = 0.3
#: Part of a scrap that one tooth must cover to take it.
_COVERED = 0.8
#: Part of an instance that its own tooth must cover once all is fitted.
_CREDIBLE = 0.25
#: Part of a tooth that a scrap must show to stand for it alone: its outline is believed.
_MOST_OF_TOOTH = 0.5
#: Part of a tooth's place that scraps must cover to say that it exists.
_HINT = 0.1
#: A sliver of a bite view that drawn teeth cover less than this is explained by none of them.
_EXPLAINED = 0.3
#: How far it may lie from a tooth that it shows, in sides of the median label, and its least area against it.
_BESIDE, _LEAST_SLIVER = 0.25, 0.05


@dataclass(frozen=True)
class Overlaps:
    """How instances and rendered teeth of a view cover each other.

    Attributes:
        ids: (n,) instances.
        area: (n,) px at the compared size.
        shared: (n, 28) px that an instance and a tooth share.
        shown: (28,) px of each rendered tooth.
    """

    ids: NDArray[np.int32]
    area: NDArray[np.intp]
    shared: NDArray[np.intp]
    shown: NDArray[np.intp]

    @property
    def union(self) -> NDArray[np.floating]:
        """(n, 28) intersection over union."""
        return self.shared / np.maximum(self.area[:, None] + self.shown - self.shared, 1)


@dataclass(frozen=True)
class BiteScene:
    """A bite view and the teeth that it may show.

    Attributes:
        view: which view.
        labels: (h, w) instance ids, 0 = none.
        camera: in px of the labels, for teeth in occlusion.
        drawn: FDI numbers of the teeth.
    """

    view: View
    labels: NDArray[np.int32]
    camera: Camera
    drawn: frozenset[int]


class Reader:
    """Reads numbers off a fitted arch.

    Args:
        prior: tooth prior with the mean places that the numbering means.
        state: teeth and bite about it.
    """

    def __init__(self, prior: ToothPrior, state: ArchState) -> None:
        self.prior, self.arch = prior, Arch(prior, smooth(state))

    def overlaps(
        self, view: View, labels: NDArray[np.int32], camera: Camera, present: Iterable[int]
    ) -> Overlaps:
        """Render some teeth and compare.

        Args:
            view: which view.
            labels: (h, w) instance ids, 0 = none.
            camera: in px of the labels, for teeth in occlusion.
            present: FDI numbers of the teeth to draw.
        """
        small, painted = self._painted(view, labels, camera, present)
        count = len(self.prior.fdi)
        ids = np.unique(small[small > 0])
        shown = np.bincount(painted[painted >= 0], minlength=count)
        shared = np.zeros((len(ids), count), np.intp)
        for row, identity in enumerate(ids):
            own = painted[small == identity]
            shared[row] = np.bincount(own[own >= 0], minlength=count)
        area = np.array([(small == identity).sum() for identity in ids])
        return Overlaps(ids, area, shared, shown)

    def _painted(
        self, view: View, labels: NDArray[np.int32], camera: Camera, present: Iterable[int]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Labels and drawn teeth (indices into ``prior.fdi``, -1 none) at the compared size, both (h, w)."""
        factor = _COMPARED_SIZE / max(labels.shape)
        size = round(labels.shape[1] * factor), round(labels.shape[0] * factor)
        wanted = frozenset(present)
        indices = np.array([i for i, f in enumerate(self.prior.fdi) if f in wanted])
        teeth = visible_teeth(self.prior, indices, view)
        sight = camera_in_view(self.arch, view, camera.resized(*size))
        buffer = render_ids(build_soup(self.arch, teeth, view), sight)
        return _shrunk(labels, size), tooth_map(self.prior, buffer)

    def numbers(self, seen: Overlaps) -> dict[int, int]:
        """FDI number of each instance that one tooth clearly explains, by id."""
        union = seen.union
        rows, columns = linear_sum_assignment(-union)
        second = np.sort(union, axis=1)[rows, -2]
        clear = second < _EQUAL * union[rows, columns]
        rows, columns = rows[clear], columns[clear]
        small = seen.area[rows] < _SMALL * np.median(seen.area)
        good = union[rows, columns] >= np.where(small, _LEAST_OVERLAP_SMALL, _LEAST_OVERLAP)
        good &= seen.area[rows] >= _SLIVER * np.median(seen.area)
        pairs = zip(rows[good], columns[good], strict=True)
        return {int(seen.ids[r]): self.prior.fdi[c] for r, c in pairs}

    def credible(self, seen: Overlaps, numbers: Mapping[int, int]) -> dict[int, int]:
        """Numbers without those of instances that lie elsewhere than their tooth.

        Beside a label that merges two teeth the next one easily gets the wrong number.
        """
        return {
            i: numbers[i]
            for row, i in enumerate(map(int, seen.ids))
            if i in numbers
            and seen.shared[row, self.prior.fdi.index(numbers[i])] >= _CREDIBLE * seen.area[row]
        }

    def merged(self, seen: Overlaps, numbers: Mapping[int, int], known: frozenset[int]) -> dict[int, int]:
        """Numbers with scraps joined to the tooth that covers them, if any view shows that tooth.

        A network cuts molars along their fissures; the fitted arch tells which parts
        belong together.
        """
        out = dict(numbers)
        for row, identity in enumerate(map(int, seen.ids)):
            if identity in numbers:
                continue
            best = int(np.argmax(seen.shared[row]))
            tooth, covered = self.prior.fdi[best], seen.shared[row, best]
            new = tooth in known and covered >= _MOST_OF_TOOTH * seen.shown[best]
            if covered >= _COVERED * seen.area[row] and (tooth in numbers.values() or new):
                out[identity] = tooth
        return out

    def hinted(self, seen: Overlaps, numbers: Mapping[int, int]) -> frozenset[int]:
        """Teeth whose place holds scraps that no number was given to: they exist, unoutlined."""
        covered = seen.shared[~np.isin(seen.ids, list(numbers))].sum(axis=0)
        return frozenset(
            self.prior.fdi[i] for i in np.flatnonzero(covered > _HINT * np.maximum(seen.shown, 1))
        )

    def peeping(
        self, scene: BiteScene, numbers: Mapping[int, int], doubtful: frozenset[int]
    ) -> frozenset[int]:
        """Doubtful teeth of which a bite view shows a sliver that no other tooth explains.

        Args:
            scene: the view, with the teeth that are not doubted.
            numbers: FDI number of each numbered instance.
            doubtful: teeth that may be missing.
        """
        small, painted = self._painted(scene.view, scene.labels, scene.camera, scene.drawn - doubtful)
        ids, area = np.unique(small[small > 0], return_counts=True)
        if not len(ids) or not doubtful:
            return frozenset()
        far = {fdi: self._distance(scene, fdi) for fdi in doubtful}
        side, out = np.sqrt(np.median(area)), set()
        for identity in ids[area >= _LEAST_SLIVER * np.median(area)]:
            own = small == identity
            if int(identity) in numbers or (painted[own] >= 0).mean() > _EXPLAINED:
                continue
            beside = {fdi: float(distance[own].mean()) for fdi, distance in far.items()}
            nearest = min(beside, key=lambda fdi: beside[fdi])
            if beside[nearest] < _BESIDE * side:
                out.add(nearest)
        return frozenset(out)

    def _distance(self, scene: BiteScene, fdi: int) -> NDArray[np.float32]:
        """(h, w) px from the whole silhouette of a tooth at the compared size; infinite if it is not seen."""
        _, painted = self._painted(scene.view, scene.labels, scene.camera, {fdi})
        if not (painted >= 0).any():
            return np.full(painted.shape, np.inf, np.float32)
        distance = cv2.distanceTransform((painted < 0).astype(np.uint8), cv2.DIST_L2, 3)
        return np.asarray(distance, np.float32)


def _shrunk(labels: NDArray[np.int32], size: tuple[int, int]) -> NDArray[np.int32]:
    """Nearest-neighbour resampling to width and height."""
    rows = (np.arange(size[1]) + 0.5) * labels.shape[0] / size[1]
    columns = (np.arange(size[0]) + 0.5) * labels.shape[1] / size[0]
    return labels[rows.astype(int)[:, None], columns.astype(int)[None]]
