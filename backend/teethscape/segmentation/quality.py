"""How good a photo is, with the reason: blur, teeth cut off by the border, glare, too little light.

All lengths are measured at a longer side of 800 px, so they are shares of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental.views import View
from teethscape.segmentation.network import scaled

FloatImage = NDArray[np.float32]
_LONG_SIDE = 800
#: Standard deviations, px, of the two smoothings that blur is told by.
_FINE, _COARSE = 1.0, 2.0
#: Blur is read off the strongest edges near teeth: those above this percentile, of each direction, so that a
#: shaken photo counts, whose edges along the movement stay sharp. Directions overlap by a half.
_STRONG = 85
_DIRECTIONS = 8
_FEWEST_EDGES = 30
#: The brightest part of a picture tells how well it is lit: this percentile of its grey levels.
_BRIGHTEST = 95
#: All three colours at or above this are washed out.
_WASHED_OUT = 250
#: Groups of teeth above this share of the largest one belong to the row that the photo is to show.
_ALIKE = 0.5
#: Highlights make holes in the mask of the teeth; those up to this width, px, are closed.
_HOLE = 33


class QualityReason(str, Enum):
    """What may be wrong with a photo."""

    BLUR = "blur"
    CUT_OFF = "cut_off"
    GLARE = "glare"
    DARK = "dark"
    WRONG_SUBJECT = "wrong_subject"

    __str__ = str.__str__


class Verdict(str, Enum):
    """What a photo is good for."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    UNUSABLE = "unusable"

    __str__ = str.__str__


#: What from which a photo is doubtful: chosen on degraded synthetic photos (benchmarks/photo_quality.py).
LIMITS = {QualityReason.BLUR: 2.4, QualityReason.CUT_OFF: 0.4, QualityReason.GLARE: 0.085}
#: Brightness (0-1) below which a picture may show no teeth only because it is dark: with grey levels divided
#: by four every photo of a real case was still recognised, divided by eight none.
_DARK = 0.2
_WORDS = {
    QualityReason.BLUR: "Blurred: the edges of the teeth are unsharp ({value:.1f} px of 800). "
    "Take it again in focus and with a steady hand.",
    QualityReason.CUT_OFF: "The row of teeth is cut off at the {side} of the picture. "
    "Take it again with all teeth in the frame.",
    QualityReason.GLARE: "Glare: {value:.0%} of the teeth are washed out. "
    "Take it again with softer light or less exposure.",
    QualityReason.DARK: "Too dark to see teeth in it. Take it again with more light.",
    QualityReason.WRONG_SUBJECT: "It shows no teeth. Choose another photo.",
}


@dataclass(frozen=True)
class QualityFinding:
    """One thing that is wrong with a photo.

    Attributes:
        reason: what.
        value: how much (see `PhotoQuality`); of a wrong subject the chance that it shows no teeth, of a dark
            photo its light.
        side: side of the picture where teeth are cut off, else empty.
    """

    reason: QualityReason
    value: float
    side: str = ""

    @property
    def sentence(self) -> str:
        """For the user: what is wrong and what to do."""
        return _WORDS[self.reason].format(value=self.value, side=self.side)


@dataclass(frozen=True)
class PhotoQuality:
    """What was measured on a photo.

    Attributes:
        blur_px: standard deviation of the blur of the strongest edges across the worst direction, px of 800;
            None without edges.
        cut_off: how much of the border teeth touch where they should not, in widths of a tooth.
        cut_side: the side with the most of it.
        glare: share of the teeth that is washed out.
        light: brightness of the picture's brightest part, 0-1; 1 where nobody asked.
        none: chance that the picture shows no teeth; 0 where nobody asked.
        shows_teeth: whether the picture is an intra-oral photo at all.
    """

    blur_px: float | None = None
    cut_off: float = 0.0
    cut_side: str = ""
    glare: float = 0.0
    light: float = 1.0
    none: float = 0.0
    shows_teeth: bool = True

    @property
    def findings(self) -> tuple[QualityFinding, ...]:
        """What is wrong; empty when the photo is good."""
        blur = QualityFinding(QualityReason.BLUR, self.blur_px or 0.0)
        if not self.shows_teeth:
            wrong = QualityFinding(QualityReason.WRONG_SUBJECT, self.none)
            dark = QualityFinding(QualityReason.DARK, self.light)
            perhaps = ((blur, blur.value > LIMITS[blur.reason]), (dark, self.light < _DARK))
            return (wrong, *(finding for finding, told in perhaps if told))
        measured = (
            blur,
            QualityFinding(QualityReason.CUT_OFF, self.cut_off, self.cut_side),
            QualityFinding(QualityReason.GLARE, self.glare),
        )
        return tuple(finding for finding in measured if finding.value > LIMITS[finding.reason])

    @property
    def verdict(self) -> Verdict:
        """Good, doubtful or unusable."""
        if not self.shows_teeth:
            return Verdict.UNUSABLE
        return Verdict.DOUBTFUL if self.findings else Verdict.GOOD


def measure_quality(pixels: NDArray[np.uint8], tooth: NDArray[np.floating], view: View) -> PhotoQuality:
    """Measure a photo that shows teeth.

    Args:
        pixels: (h, w, 3) RGB, upright.
        tooth: (h', w') probability of teeth on the same picture at any size.
        view: what it shows.
    """
    small = scaled(pixels, _LONG_SIDE)
    size = (small.shape[1], small.shape[0])
    teeth = cv2.resize(tooth.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
    cut, side = cut_off(main_rows(teeth), view)
    return PhotoQuality(blur_of(small, teeth), cut, side, glare_of(small, teeth))


def main_rows(teeth: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest group of teeth and those about as large: the two sides of an arch whose front is cut off.

    Smaller ones are seen beside a mirror, or are no teeth.
    """
    near = cv2.dilate(teeth.astype(np.uint8), np.ones((9, 9), np.uint8))
    count, groups = cv2.connectedComponents(near)
    if count < 2:
        return teeth
    areas = np.bincount(groups[teeth], minlength=count)
    areas[0] = 0
    return teeth & np.isin(groups, np.flatnonzero(areas >= _ALIKE * areas.max()))


def blur_of(pixels: NDArray[np.uint8], teeth: NDArray[np.bool_]) -> float | None:
    """Standard deviation, px, of the blur of the strongest edges near teeth, across the worst direction.

    The slopes of a blurred step at two more smoothings tell its own blur (re-blurring;
    Zhuo & Sim, Pattern Recognition 2011): ``R = g1 / g2``, ``s^2 = (t2^2 - R^2 t1^2) / (R^2 - 1)``.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    across, down = _gradient(grey, _FINE)
    fine, coarse = cv2.magnitude(across, down), cv2.magnitude(*_gradient(grey, _COARSE))
    near = cv2.dilate(teeth.astype(np.uint8), np.ones((17, 17), np.uint8)) > 0
    crest = near & (fine >= cv2.dilate(fine, np.ones((3, 3), np.uint8)) - 1e-6) & (fine > 0.5)
    way = np.arctan2(down[crest], across[crest])
    fine, coarse = np.asarray(fine[crest], np.float32), np.asarray(coarse[crest], np.float32)
    found = []
    for direction in np.arange(_DIRECTIONS) * np.pi / _DIRECTIONS:
        aslant = np.abs((way - direction + np.pi / 2) % np.pi - np.pi / 2)
        own = aslant < np.pi / _DIRECTIONS
        if int(own.sum()) >= _FEWEST_EDGES:
            found.append(_blur(fine[own], coarse[own]))
    return max(found, default=None)


def _blur(fine: FloatImage, coarse: FloatImage) -> float:
    """Median blur, px, of the strongest of some edges with their slopes (n,) at the two smoothings."""
    strong = fine >= np.percentile(fine, _STRONG)
    ratio = np.clip(fine[strong] / np.maximum(coarse[strong], 1e-6), 1.02, _COARSE / _FINE)
    variance = (_COARSE**2 - ratio**2 * _FINE**2) / (ratio**2 - 1)
    return float(np.median(np.sqrt(np.maximum(variance, 0.0))))


def measure_hidden(pixels: NDArray[np.uint8], none: float) -> PhotoQuality:
    """Measure a picture in which no teeth were recognised: perhaps because of its blur, or in the dark.

    Args:
        pixels: (h, w, 3) RGB.
        none: chance that it shows no teeth.
    """
    small = scaled(pixels, _LONG_SIDE)
    blur = blur_of(small, np.ones(small.shape[:2], np.bool_))
    light = float(np.percentile(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), _BRIGHTEST)) / 255
    return PhotoQuality(blur_px=blur, light=light, none=none, shows_teeth=False)


def _gradient(grey: FloatImage, spread: float) -> tuple[FloatImage, FloatImage]:
    """Gradient across and down after smoothing, grey levels per px."""
    smooth = cv2.GaussianBlur(grey, (0, 0), spread)
    across = cv2.Scharr(smooth, cv2.CV_32F, 1, 0, scale=1 / 32)
    down = cv2.Scharr(smooth, cv2.CV_32F, 0, 1, scale=1 / 32)
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def glare_of(pixels: NDArray[np.uint8], teeth: NDArray[np.bool_]) -> float:
    """Share of the teeth, highlights among them included, in which all colours are washed out."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_HOLE, _HOLE))
    whole = cv2.morphologyEx(teeth.astype(np.uint8), cv2.MORPH_CLOSE, kernel) > 0
    washed = cv2.inRange(pixels, (_WASHED_OUT,) * 3, (255,) * 3) > 0
    return float((washed & whole).sum() / max(int(whole.sum()), 1))


def cut_off(row: NDArray[np.bool_], view: View) -> tuple[float, str]:
    """How much of the border teeth touch, in widths of a tooth, and the worst side.

    A buccal photo may end anywhere among the front teeth, an anterior one among the premolars:
    those sides do not count.
    """
    sides = {"top": row[:2], "bottom": row[-2:], "left": row[:, :2].T, "right": row[:, -2:].T}
    if view is View.ANTERIOR:
        sides = {name: sides[name] for name in ("top", "bottom")}
    elif view is View.LEFT_BUCCAL:
        del sides["left"]
    elif view is View.RIGHT_BUCCAL:
        del sides["right"]
    tooth = np.sqrt(max(int(row.sum()), 1) / _teeth_in(view))
    touched = {name: float(edge.any(axis=0).sum() / tooth) for name, edge in sides.items()}
    worst = max(touched, key=touched.__getitem__)
    return touched[worst], worst if touched[worst] > 0 else ""


def _teeth_in(view: View) -> int:
    """Teeth that a photo of a view usually shows."""
    return 14 if view.is_occlusal else 16
