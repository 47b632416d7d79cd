"""Photos with the outlines of the fitted teeth drawn over them, hidden lines removed."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental import fdi
from teethscape.dental.views import View
from teethscape.parametric.interface import CameraRecord, FittedTooth
from teethscape.parametric.raster import render_ids
from teethscape.report.drawing import crown_soup, pinhole

#: Label of the neck caps in the id buffer: they hide what lies behind, like gum.
_CAP = 0
#: Teeth that cover less than this share of the photo get no number.
_SMALLEST_LABELLED = 4e-4
#: Line width and text height as shares of the photo's long side.
_LINE = 1 / 700
_TEXT = 1 / 60
_TINT = 0.13
#: Parts of a tooth smaller than this share of its largest visible part are not drawn.
_SPECK = 0.1
#: Length over which an outline's 'inferred' flag is averaged, as a share of the long side.
_STRETCH = 1 / 36
_SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class _Style:
    """Sizes in pixels for one photo."""

    line: int
    text: float

    @staticmethod
    def of(width: int, height: int) -> _Style:
        long_side = max(width, height)
        return _Style(max(1, round(long_side * _LINE)), long_side * _TEXT / 22.0)


@dataclass(frozen=True, eq=False)
class _Part:
    """What a photo shows of one tooth.

    Attributes:
        number: FDI.
        corner: x, y of the window in the photo, pixels.
        mask: (h, w) the tooth, in the window.
        inferred: (h, w) where the surface is inferred, in the window.
    """

    number: int
    corner: tuple[int, int]
    mask: NDArray[np.bool_]
    inferred: NDArray[np.bool_]


def draw_overlay(
    pixels: NDArray[np.uint8], view: View, record: CameraRecord, teeth: Mapping[int, FittedTooth]
) -> NDArray[np.uint8]:
    """Draw the visible outline and the FDI number of every tooth that the photo shows.

    An outline is solid where some photo shows the crown's surface, and thin and
    pale where the surface is inferred.

    Args:
        pixels: (h, w, 3) uint8 RGB.
        view: the photo's view.
        record: its camera.
        teeth: fitted crowns by FDI number.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    shown = {n: tooth for n, tooth in teeth.items() if fdi.jaw_of(n) in view.jaws}
    if not shown:
        return pixels.copy()
    owner, inferred = _visible(shown, record)
    style = _Style.of(record.width, record.height)
    drawn = [number for number, tooth in shown.items() if view in tooth.seen_in]
    parts = [part for number in drawn if (part := _part(owner, inferred, number)) is not None]
    picture = pixels.copy()
    for part in parts:
        _tint(picture, part)
    for part in parts:
        _draw_outline(picture, part, style)
    for part in parts:
        _draw_number(picture, part, style)
    return picture


def colour(number: int) -> tuple[int, int, int]:
    """RGB colour of a tooth: neighbours differ, the two sides match."""
    place = number % 10
    hue = ((place - 1) * 0.31 + (0.08 if fdi.jaw_of(number) is fdi.Jaw.LOWER else 0.5)) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _visible(
    teeth: Mapping[int, FittedTooth], record: CameraRecord
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Per pixel the tooth that is seen (FDI, 0 cap, -1 none), and whether it is inferred there."""
    owner = np.concatenate(
        [np.where(t.cap[t.faces].all(axis=1), _CAP, number) for number, t in teeth.items()]
    )
    hidden = np.concatenate([t.inferred[t.faces].all(axis=1) for t in teeth.values()])
    buffer = render_ids(crown_soup(teeth, owner), pinhole(record))
    inferred = (buffer.face >= 0) & hidden[np.maximum(buffer.face, 0)]
    return buffer.owner, inferred


def _part(owner: NDArray[np.int32], inferred: NDArray[np.bool_], number: int) -> _Part | None:
    """A tooth's visible part without the specks that shine through between others."""
    whole = (owner == number).astype(np.uint8)
    x, y, width, height = cv2.boundingRect(whole)
    if width == 0:
        return None
    window = slice(y, y + height), slice(x, x + width)
    mask = whole[window]
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    areas = stats[:, cv2.CC_STAT_AREA]
    keep = areas >= _SPECK * areas[1:].max()
    keep[0] = False
    return _Part(number, (x, y), keep[labels], inferred[window])


def _tint(picture: NDArray[np.uint8], part: _Part) -> None:
    """Lay a breath of the tooth's colour over the photo, in place."""
    height, width = part.mask.shape
    x, y = part.corner
    region = picture[y : y + height, x : x + width]
    mixed = region[part.mask] * (1 - _TINT) + np.array(colour(part.number)) * _TINT
    region[part.mask] = mixed.round().astype(np.uint8)


def _draw_outline(picture: NDArray[np.uint8], part: _Part, style: _Style) -> None:
    """Draw the border of a tooth's visible part, in place."""
    contours, _ = cv2.findContours(part.mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    tint = colour(part.number)
    pale = tuple(round(0.55 * c + 0.45 * 140) for c in tint)
    window = round(max(picture.shape) * _STRETCH)
    for contour in contours:
        points = np.asarray(contour[:, 0], np.intp)
        if len(points) < 8:
            continue
        smooth = _smoothed(points.astype(np.float64)) + part.corner
        thin = _steadied(part.inferred[points[:, 1], points[:, 0]], window)
        for start, stop in _runs(thin):
            look = (pale, 1) if thin[start] else (tint, style.line)
            _polyline(picture, smooth, range(start, stop + 1), look)


def _smoothed(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """A closed pixel chain without its stairs (moving average over seven points)."""
    kernel = np.array([1, 2, 3, 4, 3, 2, 1], float) / 16
    padded = np.concatenate([points[-3:], points, points[:3]])
    return np.stack([np.convolve(padded[:, k], kernel, "valid") for k in range(2)], axis=1)


def _steadied(flags: NDArray[np.bool_], window: int) -> NDArray[np.bool_]:
    """Flags along a closed chain, true only where most neighbours agree."""
    window = min(window | 1, (len(flags) - 1) | 1)
    half = window // 2
    around = np.concatenate([flags[-half:], flags, flags[:half]]) if half else flags
    return np.convolve(around, np.ones(window) / window, "valid")[: len(flags)] > 0.6


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and end (exclusive) of each stretch of equal flags."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8))) + 1
    bounds = [0, *edges.tolist(), len(flags)]
    return list(pairwise(bounds))


def _polyline(
    picture: NDArray[np.uint8],
    points: NDArray[np.float64],
    span: range,
    look: tuple[tuple[int, ...], int],
) -> None:
    chosen = points[np.arange(span.start, span.stop) % len(points)]
    fixed = np.round(chosen * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    cv2.polylines(picture, [fixed], False, look[0], look[1], cv2.LINE_AA, _SUBPIXEL_BITS)


def _draw_number(picture: NDArray[np.uint8], part: _Part, style: _Style) -> None:
    """Write the FDI number where the visible part is widest, in place."""
    if part.mask.sum() < _SMALLEST_LABELLED * picture.shape[0] * picture.shape[1]:
        return
    padded = np.pad(part.mask.astype(np.uint8), 1)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    scale = float(np.clip(depth[y, x] / 18.0, 0.45, 1.0)) * style.text
    text, font = str(part.number), cv2.FONT_HERSHEY_SIMPLEX
    (width, height), _ = cv2.getTextSize(text, font, scale, style.line)
    origin = (round(part.corner[0] + float(x) - width / 2), round(part.corner[1] + float(y) + height / 2))
    cv2.putText(picture, text, origin, font, scale, (20, 20, 20), style.line + 3, cv2.LINE_AA)
    cv2.putText(picture, text, origin, font, scale, (255, 255, 255), style.line, cv2.LINE_AA)
