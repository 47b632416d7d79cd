"""Tooth labels as a person or a network would draw them: hidden parts, gum line, errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dataset.gums import GumStyle, Mesh, gum_mesh
from teethscape.dataset.patient_crowns import Crown
from teethscape.dental.fdi import Jaw
from teethscape.dental.views import View
from teethscape.parametric.camera import Camera
from teethscape.parametric.raster import TriangleSoup, render_ids

Labels = NDArray[np.int32]
#: Errors are stated for a picture of this width.
_NOMINAL_WIDTH = 1440.0
_GUM = 0
_SLIVER_SHARE = 0.06


@dataclass(frozen=True)
class LabelErrors:
    """Errors of the labels of one patient, in px of a picture 1440 wide.

    Attributes:
        growth: common dilation (> 0) or erosion (< 0).
        growth_spread: s.d. of a view's own deviation from it.
        wobble: s.d. of the displacement of the edges.
        wobble_length: distance over which it is correlated.
        dropped: chance that an instance is not drawn at all.
        merged: chance that an instance is drawn as one with a neighbour.
    """

    growth: float = 0.0
    growth_spread: float = 0.7
    wobble: float = 2.0
    wobble_length: float = 20.0
    dropped: float = 0.02
    merged: float = 0.0


def random_errors(rng: np.random.Generator) -> LabelErrors:
    """Errors of a random annotator: two thirds as a person, one third as a network."""
    network = rng.random() < 1.0 / 3.0
    return LabelErrors(
        growth=float(rng.uniform(-3.0, 3.0)),
        wobble=float(rng.uniform(1.2, 2.5)),
        dropped=float(rng.uniform(0.0, 0.06 if network else 0.03)),
        merged=float(rng.uniform(0.0, 0.02)) if network else 0.0,
    )


@dataclass(frozen=True)
class Mouth:
    """What stands before the cameras.

    Attributes:
        crowns: teeth by FDI number, world mm.
        gums: soft parts of each jaw: vertices (n, 3) and faces (m, 3).
    """

    crowns: Mapping[int, Crown]
    gums: Mapping[Jaw, Mesh]


def mouth_of(crowns: Mapping[int, Crown], style: GumStyle, rng: np.random.Generator) -> Mouth:
    """Teeth with the gums of a style round their necks."""
    return Mouth(crowns, {jaw: gum_mesh(list(crowns.values()), jaw, style, rng) for jaw in Jaw})


def true_labels(mouth: Mouth, view: View, camera: Camera) -> Labels:
    """(h, w) FDI number of the tooth that each pixel shows, 0 where none; exact."""
    vertices, faces, owner, count = [], [], [], 0
    parts = [(c.vertices, c.faces, fdi) for fdi, c in mouth.crowns.items() if c.jaw in view.jaws]
    parts += [(*mouth.gums[jaw], _GUM) for jaw in view.jaws]
    for points, triangles, value in parts:
        vertices.append(points)
        faces.append(triangles + count)
        owner.append(np.full(len(triangles), value, np.int32))
        count += len(points)
    soup = TriangleSoup(np.vstack(vertices), np.vstack(faces).astype(np.int32), np.concatenate(owner))
    return np.maximum(render_ids(soup, camera).owner, 0)


def opening(view: View, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.bool_]:
    """(h, w) True where lips, cheeks or retractors leave the sight free.

    A super-ellipse; in the buccal views it ends on the cheek's side.
    """
    height, width = shape
    middle = np.array([0.5, 0.5]) + rng.normal(0.0, 0.02, 2)
    reach = np.array([rng.uniform(0.46, 0.62), rng.uniform(0.50, 0.65)])
    if view in (View.LEFT_BUCCAL, View.RIGHT_BUCCAL):
        cheek = 1.0 if view is View.LEFT_BUCCAL else -1.0
        reach[0], middle[0] = 0.75, 0.5 + cheek * (rng.uniform(0.36, 0.55) - 0.75)
    y, x = np.mgrid[:height, :width]
    u = (x / width - middle[0]) / reach[0]
    v = (y / height - middle[1]) / reach[1]
    return np.abs(u) ** 3 + np.abs(v) ** 3 < 1.0


def _tidied(own: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """One instance (h, w) as a pen would outline it: cracks closed, thin spurs and loose bits gone."""
    pen = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (max(3, 2 * round(4.0 * scale) + 1),) * 2)
    closed = cv2.morphologyEx(own, cv2.MORPH_CLOSE, pen, borderType=cv2.BORDER_REPLICATE)
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, pen, borderType=cv2.BORDER_REPLICATE)
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(opened)
    if len(stats) < 2:
        return np.zeros_like(own)
    return (pieces == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)


def outlined(labels: Labels) -> Labels:
    """Labels (h, w) as someone who outlines each tooth once would draw them.

    Keeps the largest piece of each tooth, without cracks and spurs, and leaves
    out slivers below 6 % of the median tooth's area.
    """
    out = np.zeros_like(labels)
    scale = labels.shape[1] / _NOMINAL_WIDTH
    pieces = {int(v): _tidied((labels == v).astype(np.uint8), scale) for v in np.unique(labels[labels > 0])}
    areas = {value: int(piece.sum()) for value, piece in pieces.items()}
    least = _SLIVER_SHARE * float(np.median(list(areas.values()) or [0]))
    for value, piece in pieces.items():
        if areas[value] > max(least, 1.0):
            out[(piece > 0) & ((labels == value) | (labels == 0))] = value
    return out


def _wobbled(labels: Labels, errors: LabelErrors, rng: np.random.Generator) -> Labels:
    """Labels displaced by a smooth random field."""
    height, width = labels.shape
    scale = width / _NOMINAL_WIDTH
    # A Gaussian filter of s.d. s gives noise correlated over about 2 s.
    sigma = 0.5 * errors.wobble_length * scale
    field = rng.normal(size=(2, height, width)).astype(np.float32)
    for k in range(2):
        field[k] = cv2.GaussianBlur(field[k], (0, 0), sigma)
        field[k] *= errors.wobble * scale / field[k].std()
    y, x = np.mgrid[:height, :width].astype(np.float32)
    moved = cv2.remap(labels.astype(np.uint8), x + field[0], y + field[1], cv2.INTER_NEAREST)
    return moved.astype(np.int32)


def _grown(labels: Labels, way: float) -> Labels:
    """Labels dilated into the background (way > 0 px) or eroded on all edges (way < 0)."""
    if way >= 0.0:
        distance, zone = cv2.distanceTransformWithLabels(
            (labels == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        value_of_zone = np.zeros(int(zone.max()) + 1, np.int32)
        value_of_zone[zone[labels > 0]] = labels[labels > 0]
        return np.where(distance <= way, value_of_zone[zone], 0).astype(np.int32)
    out = labels.copy()
    for value in np.unique(labels[labels > 0]):
        own = labels == value
        inner = cv2.distanceTransform(np.pad(own, 1, mode="edge").astype(np.uint8), cv2.DIST_L2, 5)
        out[own & (inner[1:-1, 1:-1] <= -way)] = 0
    return out


def _neighbour_of(labels: Labels, value: int) -> int | None:
    """The label with the longest border to ``value``, or None."""
    ring = cv2.dilate((labels == value).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    around = labels[ring & (labels > 0) & (labels != value)]
    return int(np.bincount(around).argmax()) if len(around) else None


def _misread(labels: Labels, errors: LabelErrors, rng: np.random.Generator) -> Labels:
    """Some instances dropped, some merged with a neighbour."""
    out = labels.copy()
    for value in np.unique(labels[labels > 0]):
        dice = rng.random(2)
        if dice[0] < errors.dropped:
            out[labels == value] = 0
        elif dice[1] < errors.merged:
            neighbour = _neighbour_of(labels, int(value))
            if neighbour is not None:
                out[labels == value] = neighbour
    return out


def drawn_labels(labels: Labels, view: View, errors: LabelErrors, rng: np.random.Generator) -> Labels:
    """FDI labels (h, w) with the errors of an annotator; merged teeth keep one number."""
    scale = labels.shape[1] / _NOMINAL_WIDTH
    sighted = np.where(opening(view, labels.shape, rng), labels, 0).astype(np.int32)
    wobbled = _wobbled(_misread(outlined(sighted), errors, rng), errors, rng)
    way = errors.growth + rng.normal(0.0, errors.growth_spread)
    return outlined(_grown(wobbled, way * scale))


def shuffled_ids(labels: Labels, rng: np.random.Generator) -> tuple[Labels, dict[int, int]]:
    """Labels under arbitrary ids, and the FDI number behind each id."""
    values = np.unique(labels[labels > 0])
    ids = rng.permutation(np.arange(1, 200))[: len(values)]
    table = np.zeros(int(values.max(initial=0)) + 1, np.int32)
    table[values] = ids
    return table[labels], {int(i): int(v) for i, v in zip(ids, values, strict=True)}
