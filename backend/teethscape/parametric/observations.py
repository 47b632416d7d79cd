"""What the photos say: tooth outlines of every view, ready for matching."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.dental.views import View
from teethscape.parametric.contours import UNKNOWN, Contour, outline
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.rotation import FloatArray

#: Long side of the label images on which outlines are taken, px.
WORKING_SIZE = 720
#: Weight of a unit of normal against a px of position when outlines are matched.
NORMAL_PX = 10.0
#: Value in a label image of a tooth whose number nobody knows.
UNNUMBERED = 99


@dataclass(frozen=True)
class Observation:
    """Labelled teeth of one view at working size.

    Attributes:
        view: which photo.
        teeth: (h, w) index into ``prior.fdi``, -1 where no tooth, ``UNKNOWN`` where it may be any.
        contour: outline of all labels.
        belief: (n,) chance that a point of the contour is a tooth's outline.
        trees: per tooth, a tree over (position, NORMAL_PX * normal) and the rows of
            ``contour`` that it holds.
    """

    view: View
    teeth: NDArray[np.int32]
    contour: Contour
    belief: FloatArray
    trees: dict[int, tuple[KDTree, NDArray[np.intp]]]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px."""
        return self.teeth.shape[1], self.teeth.shape[0]


def match_key(position: FloatArray, normal: FloatArray) -> FloatArray:
    """(n, 4) coordinates in which outline points are compared."""
    return np.hstack([position, NORMAL_PX * normal])


def trees_of(contour: Contour) -> dict[int, tuple[KDTree, NDArray[np.intp]]]:
    """A search tree per tooth with at least 8 outline points."""
    keys = match_key(contour.position, contour.normal)
    out = {}
    for tooth in np.unique(contour.tooth):
        rows = np.flatnonzero(contour.tooth == tooth)
        if len(rows) >= 8:
            out[int(tooth)] = (KDTree(keys[rows]), rows)
    return out


def working_size(width: int, height: int, long_side: int) -> tuple[int, int]:
    """Width and height whose longer side is given."""
    factor = long_side / max(width, height)
    return round(width * factor), round(height * factor)


def observe(
    view: View,
    labels: NDArray[np.int32],
    prior: ToothPrior,
    long_side: int = WORKING_SIZE,
    clarity: NDArray[np.float32] | None = None,
) -> Observation:
    """Outlines of a label image of FDI numbers (0 = none, ``UNNUMBERED`` = may be any) of any size.

    Teeth that do not count in the view (the other jaw of an occlusal photo) and
    numbers that the prior does not model are ignored. ``clarity`` (h, w), of any size, is the
    chance that an outline at a pixel is a tooth's; None: all are.
    """
    lookup = np.full(UNNUMBERED + 1, -1, np.int32)
    lookup[UNNUMBERED] = UNKNOWN
    for index, fdi in enumerate(prior.fdi):
        if Jaw(jaw_of(fdi)) in view.jaws:
            lookup[fdi] = index
    size = working_size(labels.shape[1], labels.shape[0], long_side)
    resized = cv2.resize(labels.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
    teeth = lookup[np.where(resized > UNNUMBERED, 0, resized)]
    contour = outline(teeth)
    return Observation(view, teeth, contour, _belief(clarity, contour, size), trees_of(contour))


def _belief(clarity: NDArray[np.float32] | None, contour: Contour, size: tuple[int, int]) -> FloatArray:
    if clarity is None:
        return np.ones(len(contour))
    return cv2.resize(clarity, size, interpolation=cv2.INTER_LINEAR).ravel()[contour.pixel].astype(float)
