"""Colours of the fitted crowns from the photos that show them.

Each vertex gets the mean of the photos that see it, the frontal ones most. Photos differ in exposure and
white balance: each is first brought to the mean tooth colour of all. Pixels near a tooth's outline, where gum
or a neighbour shines in, and reflections of the flash hardly count. What no photo shows takes the colour of
the nearest surface of the same tooth that one does. Less light reaches the molars: every tooth's lightness is
moved half-way to that of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from teethscape.dental.fdi import jaw_of
from teethscape.dental.views import View
from teethscape.parametric.camera import Camera
from teethscape.parametric.interface import CameraRecord, FittedTooth
from teethscape.parametric.penetration import vertex_normals
from teethscape.parametric.raster import IdBuffer, render_ids
from teethscape.report.drawing import crown_soup, pinhole

Array = NDArray[np.float64]
Colours = NDArray[np.uint8]

#: How far behind the surface that a photo sees a vertex may lie, mm.
_HIDDEN_MM = 0.3
#: Surface that a vertex stands for, mm, and at which distance from an outline a pixel counts fully, mm.
_SPACING_MM, _CLEAR_MM = 0.25, 0.6
#: Above this in every channel a pixel is taken for a reflection, and what it then counts.
_SHINE, _SHINE_WEIGHT = 232, 0.05
#: How much a photo's colours may be changed at the most.
_MOST_GAIN = 1.8
#: How much of a tooth's difference in lightness is taken for shadow.
_SHADOW = 0.5
#: Seen vertices that an unseen one takes its colour from.
_NEAREST = 6
#: Colour where no photo shows anything.
_IVORY = (226.0, 214.0, 188.0)


@dataclass(frozen=True, eq=False)
class Picture:
    """A photo and its teeth.

    Attributes:
        pixels: (h, w, 3) RGB working copy.
        teeth: (h, w) FDI numbers, 0 no tooth: where the fit lies over gum, the gum is no colour of a tooth.
    """

    pixels: NDArray[np.uint8]
    teeth: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class _Samples:
    """What one photo says of one tooth.

    Attributes:
        colours: (V, 3) RGB 0..255.
        weights: (V,) 0 where the photo does not show a vertex.
    """

    colours: Array
    weights: Array


def photo_colours(
    photos: Mapping[View, Picture],
    cameras: Mapping[View, CameraRecord],
    teeth: Mapping[int, FittedTooth],
) -> dict[int, Colours]:
    """Colours of all crowns.

    Args:
        photos: those that count.
        cameras: of them, and perhaps of others.
        teeth: fitted crowns by FDI number.

    Returns:
        (V, 3) RGB by FDI number.
    """
    seen = [_seen(photos[view], view, camera, teeth) for view, camera in cameras.items() if view in photos]
    seen = _balanced([samples for samples in seen if samples])
    mixed = {number: _mixed([s[number] for s in seen if number in s]) for number in teeth}
    mean = _mean([one for one in mixed.values() if one is not None])
    usual = np.array(_IVORY) if mean is None else mean
    return {
        number: _filled(_lit(mixed[number], usual), tooth.vertices.astype(np.float64), usual)
        for number, tooth in teeth.items()
    }


def _seen(
    photo: Picture, view: View, record: CameraRecord, teeth: Mapping[int, FittedTooth]
) -> dict[int, _Samples]:
    """What a photo says of every tooth that it shows."""
    camera = pinhole(record)
    shown = {n: tooth for n, tooth in teeth.items() if jaw_of(n) in view.jaws}
    if not shown:
        return {}
    owner = np.repeat(np.array(list(shown), np.int32), [len(t.faces) for t in shown.values()])
    buffer = render_ids(crown_soup(shown, owner), camera)
    finite = buffer.depth[np.isfinite(buffer.depth)]
    per_mm = record.focal_px / float(np.median(finite)) if finite.size else 1.0
    soft = max(_SPACING_MM * per_mm / 2, 0.3)
    picture = np.asarray(cv2.GaussianBlur(photo.pixels, (0, 0), soft), np.uint8)
    clear = _clearness(buffer, _CLEAR_MM * per_mm) * (buffer.owner == photo.teeth)
    return {
        n: _sampled((n, tooth), camera, (picture, clear, buffer))
        for n, tooth in shown.items()
        if view in tooth.seen_in
    }


def _clearness(buffer: IdBuffer, reach_px: float) -> NDArray[np.float32]:
    """(h, w) 0 at the outlines of teeth, 1 from ``reach_px`` on."""
    owner = buffer.owner
    same = np.ones(owner.shape, np.uint8)
    same[:, 1:] &= owner[:, 1:] == owner[:, :-1]
    same[1:] &= owner[1:] == owner[:-1]
    return np.minimum(cv2.distanceTransform(same, cv2.DIST_L2, 3) / reach_px, 1.0).astype(np.float32)


def _sampled(
    numbered: tuple[int, FittedTooth], camera: Camera, layers: tuple[NDArray[np.uint8], NDArray, IdBuffer]
) -> _Samples:
    """Colours and weights of a tooth's vertices; layers are picture, clearness and what is drawn there."""
    (number, tooth), (picture, clear, buffer) = numbered, layers
    vertices = tooth.vertices.astype(np.float64)
    pixel = np.rint(camera.project(vertices)).astype(int)
    inside = np.all((pixel >= 0) & (pixel < (picture.shape[1], picture.shape[0])), axis=1)
    column, row = np.where(inside[:, None], pixel, 0).T
    front = camera.to_camera(vertices)[:, 2] < buffer.depth[row, column] + _HIDDEN_MM
    shown = inside & front & (buffer.owner[row, column] == number) & ~tooth.cap
    away = camera.centre - vertices
    facing = (vertex_normals(vertices, tooth.faces) * away).sum(axis=1) / np.linalg.norm(away, axis=1)
    colours = picture[row, column].astype(np.float64)
    shine = np.where((colours > _SHINE).all(axis=1), _SHINE_WEIGHT, 1.0)
    return _Samples(colours, shown * np.clip(facing, 0, 1) ** 2 * clear[row, column] * shine)


def _balanced(seen: list[dict[int, _Samples]]) -> list[dict[int, _Samples]]:
    """All photos with the same mean tooth colour."""
    means = [_mean(list(samples.values())) for samples in seen]
    known = [mean for mean in means if mean is not None]
    if not known:
        return seen
    goal = np.exp(np.mean(np.log(known), axis=0))
    out = []
    for samples, mean in zip(seen, means, strict=True):
        gain = np.ones(3) if mean is None else np.clip(goal / mean, 1 / _MOST_GAIN, _MOST_GAIN)
        out.append({n: _Samples(s.colours * gain, s.weights) for n, s in samples.items()})
    return out


def _mean(samples: list[_Samples]) -> Array | None:
    total = sum(float(s.weights.sum()) for s in samples)
    if total <= 0:
        return None
    return np.maximum(sum((s.weights[:, None] * s.colours).sum(axis=0) for s in samples) / total, 1.0)


def _mixed(samples: list[_Samples]) -> _Samples | None:
    """All photos of a tooth together; None where none shows it."""
    if not samples:
        return None
    weights = np.sum([s.weights for s in samples], axis=0)
    total = np.sum([s.weights[:, None] * s.colours for s in samples], axis=0)
    return _Samples(total / np.maximum(weights, 1e-9)[:, None], weights)


def _lit(mixed: _Samples | None, usual: Array) -> _Samples | None:
    """A tooth with some of its shadow taken away."""
    own = None if mixed is None else _mean([mixed])
    if mixed is None or own is None:
        return None
    gain = float(np.clip((usual.mean() / own.mean()) ** _SHADOW, 1 / _MOST_GAIN, _MOST_GAIN))
    return _Samples(mixed.colours * gain, mixed.weights)


def _filled(mixed: _Samples | None, vertices: Array, usual: Array) -> Colours:
    """(V, 3) RGB with a colour for what no photo shows."""
    if mixed is None:
        return np.tile(np.clip(np.rint(usual), 0, 255).astype(np.uint8), (len(vertices), 1))
    sure = np.flatnonzero(mixed.weights > 0.1 * mixed.weights.max())
    far, index = KDTree(vertices[sure]).query(vertices, k=min(_NEAREST, len(sure)))
    far, index = far.reshape(len(vertices), -1), index.reshape(len(vertices), -1)
    near = 1 / (far + _SPACING_MM)
    around = (near[..., None] * mixed.colours[sure[index]]).sum(axis=1) / near.sum(axis=1)[:, None]
    return np.clip(np.rint(around), 0, 255).astype(np.uint8)
