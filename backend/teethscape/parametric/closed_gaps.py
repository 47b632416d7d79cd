"""Which gaps of missing teeth the neighbours have closed, told from numbered labels of occlusal photos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import arch, jaw_of
from teethscape.dental.masks import ids_of
from teethscape.dental.views import View
from teethscape.parametric.camera import Camera
from teethscape.parametric.numbering.crowns import see
from teethscape.parametric.numbering.layout import Layouts
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.rotation import FloatArray
from teethscape.parametric.start_cameras import (
    CENTROID_SD_MM,
    ViewTask,
    fit_camera,
    nominal_rotations,
    task_of_labels,
)

#: Most gaps of a jaw that are told apart one by one; who lacks more teeth has room for the others.
_MOST = 4

IntImage = NDArray[np.int32]


def closed_gaps(
    labels: Mapping[View, IntImage], prior: ToothPrior, focal_px: Mapping[View, float | None]
) -> frozenset[int]:
    """Missing teeth whose place the teeth beside them have taken, as after an extraction.

    Each gap between two labelled teeth of an occlusal photo may be open or closed; those are taken to be
    closed with which a camera explains where the teeth are best.

    Args:
        labels: per view, an (h, w) label image of FDI numbers, 0 = none.
        prior: the tooth prior, all teeth in their own places.
        focal_px: per view, the focal length in px of the label image, None where unknown.
    """
    seen = {fdi for image in labels.values() for fdi in ids_of(image)}
    layouts = Layouts(prior)
    closed: frozenset[int] = frozenset()
    for view in (view for view in labels if view.is_occlusal):
        gaps = _gaps(arch(view.jaws[0]), seen)[:_MOST]
        task = task_of_labels(view, labels[view], prior, focal_px.get(view)) if gaps else None
        if task is not None:
            ways = [frozenset(way) for n in range(len(gaps) + 1) for way in combinations(gaps, n)]
            tasks = {way: replace(task, placed=layouts.get(frozenset(), way).placed) for way in ways}
            closed |= min(ways, key=lambda way: _cost(tasks[way], view, prior))
    return closed


def _gaps(row: tuple[int, ...], seen: set[int]) -> list[int]:
    """Teeth of a row without a label, between two that have one."""
    ends = [k for k, fdi in enumerate(row) if fdi in seen]
    return [fdi for fdi in row[ends[0] : ends[-1]] if fdi not in seen] if ends else []


def _cost(task: ViewTask, view: View, prior: ToothPrior) -> float:
    """How badly the best camera explains the labels, above all the gaps between them."""
    camera, cost = fit_camera(task, nominal_rotations(view))
    return cost + float(((_gap_errors(task, camera, prior) / CENTROID_SD_MM) ** 2).sum())


def _gap_errors(task: ViewTask, camera: Camera, prior: ToothPrior) -> FloatArray:
    """(n,) mm by which labelled teeth with missing ones between them lie too far apart.

    A camera can make up for a closed gap by where it stands, but not right there.
    """
    anchors = see(task.placed, camera, task.drawn).anchor
    row = sorted(range(len(task.points.tooth)), key=lambda k: _place(prior.fdi[task.points.tooth[k]]))
    pairs = np.array(list(pairwise(row)), int).reshape(-1, 2)
    places = np.array([_place(prior.fdi[i]) for i in task.points.tooth])
    pairs = pairs[places[pairs[:, 1]] > places[pairs[:, 0]] + 1]
    a, b = task.points.tooth[pairs].T
    expected = np.linalg.norm(np.subtract(*camera.jacobians(anchors)[0][[a, b]]), axis=1)
    shown = np.linalg.norm(np.subtract(*task.points.centre[pairs.T]), axis=1)
    return (shown / expected - 1) * np.linalg.norm(anchors[a] - anchors[b], axis=1)


def _place(fdi: int) -> int:
    """Place of a tooth in the row of its jaw."""
    return arch(jaw_of(fdi)).index(fdi)
