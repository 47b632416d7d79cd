"""Which instance covers which tooth when the fitted crowns are painted over the labels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from teethscape.dental.views import View
from teethscape.parametric.camera import Camera
from teethscape.parametric.numbering_crowns import crowns_of, place
from teethscape.parametric.numbering_joint import Belief
from teethscape.parametric.rotation import FloatArray
from teethscape.parametric.start_cameras import counted_teeth

#: Longer side of the painted pictures, px.
_PAINTED_SIZE = 320
#: Least intersection over union of an instance and its tooth.
LEAST_OVERLAP = 0.12
_WEAK_OVERLAP = 0.3


@dataclass(frozen=True)
class Overlap:
    """Instances against teeth of one view.

    Attributes:
        ids: (n,) instance labels.
        union: (n, 28) intersection over union.
        inside: (n, 28) part of the instance that the tooth covers.
        shown: (28,) painted area of each tooth, px^2 of the painted picture.
    """

    ids: NDArray[np.int32]
    union: FloatArray
    inside: FloatArray
    shown: FloatArray


def paint(view: View, camera: Camera, belief: Belief) -> NDArray[np.int32]:
    """(h, w) index of the tooth at each pixel of the camera's picture, -1 where none.

    Each crown without its neck cap is painted as the convex outline of its points,
    the farthest first.
    """
    prior = belief.layout.prior
    drawn = belief.layout.present & counted_teeth(view, prior)
    points = place(crowns_of(prior), prior, belief.state).points
    out = np.full((camera.height, camera.width), -1, np.int32)
    depth = camera.to_camera(points.mean(axis=1))[:, 2]
    for tooth in np.argsort(-depth):
        if drawn[tooth] and depth[tooth] > 5.0:
            pixels = np.clip(camera.project(points[tooth]), -4000, 4000)
            hull = cv2.convexHull(np.round(pixels).astype(np.int32))
            cv2.fillConvexPoly(out, hull, int(tooth))
    return out


def overlap(
    view: View, labels: NDArray[np.int32], ids: NDArray[np.int32], camera: Camera, belief: Belief
) -> Overlap:
    """Overlap of instances (``ids`` of ``labels``, the camera's picture) with the painted teeth."""
    factor = min(1.0, _PAINTED_SIZE / max(camera.width, camera.height))
    size = (round(camera.width * factor), round(camera.height * factor))
    painted = paint(view, camera.resized(*size), belief)
    small = cv2.resize(labels.astype(np.float32), size, interpolation=cv2.INTER_NEAREST).astype(np.int32)
    row = np.full(max(int(small.max()), int(ids.max())) + 1, len(ids))
    row[ids] = np.arange(len(ids))
    row[0] = len(ids)
    n = len(belief.layout.prior.fdi)
    pairs = row[small.ravel()] * (n + 1) + painted.ravel() + 1
    counts = np.bincount(pairs, minlength=(len(ids) + 1) * (n + 1)).reshape(len(ids) + 1, n + 1).astype(float)
    both = counts[:-1, 1:]
    own, teeth = counts[:-1].sum(axis=1), counts[:, 1:].sum(axis=0)
    union = both / np.maximum(own[:, None] + teeth[None] - both, 1.0)
    return Overlap(ids, union, both / np.maximum(own, 1.0)[:, None], teeth)


def match_overlap(found: Overlap) -> tuple[NDArray[np.intp], FloatArray]:
    """Teeth (n,) of the instances, -1 where none fits, and the overlap (n,) that speaks for them."""
    rows, columns = linear_sum_assignment(-found.union)
    tooth = np.full(len(found.ids), -1, dtype=np.intp)
    share = np.zeros(len(found.ids))
    good = found.union[rows, columns] >= LEAST_OVERLAP
    tooth[rows[good]] = columns[good]
    share[rows[good]] = found.union[rows[good], columns[good]]
    return tooth, share
