"""The photos of one patient, measured at a common size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import jaw_of
from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.parametric.numbering import measure as measuring
from teethscape.parametric.numbering.layout import Layouts
from teethscape.parametric.numbering.measure import NumberingView
from teethscape.parametric.numbering.names import imposed
from teethscape.parametric.numbering.outline import Outline, outlines
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.start_cameras import focal_prior

_FEWEST_TEETH = 4
UNCERTAIN_ADVICE = (
    "If teeth are missing, say which (--absent 31, or mark them in the sidebar); "
    "otherwise click teeth and give their numbers, give masks with FDI numbers, "
    "or retake the photo so that more teeth are seen."
)
#: An instance below this share of the median area is part of a tooth.
SCRAP = 0.35


@dataclass(frozen=True)
class PhotoSet:
    """The photos of one patient, measured at a common size.

    Attributes:
        views: as given.
        labels: per view, (h, w) instance ids at the measured size, slivers left out.
        found: measured instances; occlusal ones in arch order.
        frame: width, height, mean and spread of the log focal length.
        focal: focal length from EXIF in px of ``labels``, or None.
        outline: extents of the instances.
        layouts: layouts of the prior.
        absent: FDI numbers that the user says are missing.
        named: per view, (n,) index into ``prior.fdi`` of each instance that the user has named, else -1.
    """

    views: Mapping[View, NumberingView]
    labels: Mapping[View, NDArray[np.int32]]
    found: Mapping[View, measuring.Instances]
    frame: Mapping[View, tuple[int, int, float, float]]
    focal: Mapping[View, float | None]
    outline: Mapping[View, Outline]
    layouts: Layouts
    absent: frozenset[int] = frozenset()
    named: Mapping[View, NDArray[np.intp]] = field(default_factory=dict)

    @property
    def exif(self) -> bool:
        """True when any photo tells its focal length."""
        return any(focal is not None for focal in self.focal.values())

    def numbers(self, view: View, tooth: NDArray[np.intp]) -> dict[int, int]:
        """FDI number of each numbered instance, by id."""
        ids, fdi = self.found[view].ids, self.layouts.prior.fdi
        return {int(i): fdi[t] for i, t in zip(ids, tooth, strict=True) if t >= 0}

    def teeth(self, view: View, numbers: Mapping[int, int]) -> NDArray[np.intp]:
        """(n,) index into ``prior.fdi`` of each instance, -1 without a number."""
        fdi = self.layouts.prior.fdi
        named = [numbers.get(int(i)) for i in self.found[view].ids]
        return np.array([-1 if n is None else fdi.index(n) for n in named], np.intp)

    def names(self, view: View) -> NDArray[np.intp]:
        """(n,) index into ``prior.fdi`` of each instance that the user has named, else -1."""
        return self.named.get(view, np.full(len(self.found[view]), -1))

    def agrees(self, view: View, tooth: NDArray[np.intp]) -> bool:
        """Whether numbers (n,) of a view are those that the user gave, where some were given."""
        return bool((self.imposed(view, tooth) == tooth).all())

    def imposed(self, view: View, tooth: NDArray[np.intp]) -> NDArray[np.intp]:
        """Numbers (n,) of a view with the user's own, which no other instance has."""
        return imposed(tooth, self.names(view))


def _beside_scraps(seen: measuring.Instances) -> NDArray[np.bool_]:
    """(n,) instances next to a scrap in arch order: it may be a part of them, so their outlines lie."""
    scrap = seen.area < SCRAP * np.median(seen.area)
    out = np.zeros(len(seen), bool)
    out[:-1] |= scrap[1:]
    out[1:] |= scrap[:-1]
    return out


def measure_set(
    views: Mapping[View, NumberingView], prior: ToothPrior, absent: frozenset[int] = frozenset()
) -> PhotoSet:
    """Measure every photo.

    Raises:
        RefusedError: a photo shows fewer than four teeth that can be told apart.
    """
    labels, found, frame, focal, outline = {}, {}, {}, {}, {}
    named: dict[View, NDArray[np.intp]] = {}
    for view, given in views.items():
        small, factor = measuring.shrunk(given.instances)
        seen = measuring.measure(small, given.kinds)
        if view.is_occlusal and len(seen):
            seen = seen.only(measuring.along_arch(seen.centre, view is View.MAXILLARY_OCCLUSAL))
        seen = seen.only(_numberable(seen, given.named, prior, view))
        if len(seen) < _FEWEST_TEETH:
            raise RefusedError(
                "too_few_teeth",
                f"The {view.title} photo shows only {len(seen)} teeth that can be told apart.",
                "Retake it with the cheeks held back, or give masks for it.",
            )
        labels[view] = np.where(np.isin(small, seen.ids), small, 0).astype(np.int32)
        focal[view] = None if given.focal_px is None else given.focal_px * factor
        frame[view] = (
            small.shape[1],
            small.shape[0],
            *focal_prior(small.shape[1], small.shape[0], focal[view]),
        )
        found[view], outline[view] = seen, outlines(small, seen.ids)
        fdi = [given.named.get(int(i)) for i in seen.ids]
        named[view] = np.array([-1 if n is None else prior.fdi.index(n) for n in fdi], np.intp)
        if view.is_occlusal:
            outline[view].valid[_beside_scraps(seen)] = False
    return PhotoSet(views, labels, found, frame, focal, outline, Layouts(prior), absent, named)


def _numberable(
    seen: measuring.Instances, named: Mapping[int, int], prior: ToothPrior, view: View
) -> NDArray[np.bool_]:
    """(n,) instances that may be teeth of the prior which the view shows: no named third molar, for one."""
    shown = {fdi for fdi in prior.fdi if not view.is_occlusal or jaw_of(fdi) in view.jaws}
    return np.array([named.get(int(i)) is None or named[int(i)] in shown for i in seen.ids], bool)
