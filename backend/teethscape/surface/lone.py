"""Size and place of views of a case that has teeth of one jaw alone.

The views' world is that of the jaw pair: its largest extent is 1, its middle the origin. Without the other
jaw the case tells neither. What the views show does: the fitted teeth must fill their outlines. Where they do
not, average teeth stand in for the missing jaw.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.mesh.align import Similarity, best_similarity
from teethscape.mesh.solid import Solid
from teethscape.parametric.prior import load_prior
from teethscape.surface.hull import touches_border
from teethscape.surface.views import Array, Views

#: Share of a picture's height, at least a pixel, by which half of the outlines' ends may be off.
_OFF, _OFF_PX = 0.015, 1.0
#: Beyond so many pixels an end counts less: that of a wrong mask.
_WRONG_PX = 2.0
#: Views and teeth that tell size and place.
_VIEWS, _TEETH = 3, 3


def lacking(teeth: Mapping[int, Solid]) -> Jaw | None:
    """The jaw of which there are no teeth; None where there are of both."""
    there = {jaw_of(fdi) for fdi in teeth}
    return next((jaw for jaw in Jaw if jaw not in there), None)


def average_antagonists(teeth: Mapping[int, Solid], lacks: Jaw) -> Array:
    """(n, 3) points of the average teeth of the missing jaw, laid beside those that are there, mm."""
    prior = load_prior()
    shared = [fdi for fdi in teeth if fdi in prior.fdi]
    others = np.concatenate([prior.mean_vertices(fdi) for fdi in prior.fdi if jaw_of(fdi) is lacks])
    if not shared:
        return others
    mean = np.array([prior.mean_vertices(fdi).mean(axis=0) for fdi in shared])
    own = np.array([teeth[fdi].vertices.mean(axis=0) for fdi in shared], np.float64)
    if len(shared) < _TEETH:
        return others + (own - mean).mean(axis=0)
    return best_similarity(mean, own, with_scale=True).points(others)


def place_by_outlines(views: Views, points: Array, start: Similarity, keep_size: bool) -> Similarity | None:
    """Our frame to the views' world, so that teeth fill the outlines of the views; None where they cannot.

    Args:
        views: whole outlines of the teeth.
        points: (n, 3) of the teeth's surfaces, our frame, mm.
        start: about where they lie; its rotation is kept.
        keep_size: keep its scale too.
    """
    seen = [v for v, mask in enumerate(views.foreground) if _is_whole(mask)]
    if len(seen) < _VIEWS:
        return None
    ends = np.array([_ends(np.argwhere(views.foreground[v] > 0.5)[:, ::-1] + 0.5, 0.5) for v in seen])

    def placed(values: Array) -> Similarity:
        scale = start.scale if keep_size else start.scale * float(np.exp(values[3]))
        return Similarity(scale, start.rotation, start.shift + values[:3])

    def off(values: Array) -> Array:
        moved = placed(values).points(points)
        return np.concatenate(
            [_ends(views.project(v, moved)[0]) - e for v, e in zip(seen, ends, strict=True)]
        )

    found = least_squares(off, np.zeros(3 if keep_size else 4), loss="soft_l1", f_scale=_WRONG_PX)
    most = max(_OFF_PX, _OFF * views.size[0])
    return placed(found.x) if np.median(np.abs(off(found.x))) <= most else None


def _ends(pixels: NDArray[np.floating], half: float = 0.0) -> Array:
    """(4,) least and largest column and row of (n, 2) pixels, outward by half of one's side."""
    return np.concatenate([pixels.min(axis=0) - half, pixels.max(axis=0) + half])


def _is_whole(mask: NDArray[np.floating]) -> bool:
    return bool((mask > 0.5).any()) and not touches_border(mask)
