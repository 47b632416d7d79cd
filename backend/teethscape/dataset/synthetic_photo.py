"""Synthetic intra-oral photographs with an exact FDI label per pixel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dataset.enamel import light_surfaces
from teethscape.dataset.gums import gum_mesh, sample_gum_style
from teethscape.dataset.noise import FloatImage
from teethscape.dataset.random_crowns import sample_patient, sample_spread
from teethscape.dataset.surfaces import GUM, Surfaces, see
from teethscape.dataset.surroundings import surround
from teethscape.dataset.viewpoints import random_camera
from teethscape.dental.fdi import jaw_of
from teethscape.dental.views import View
from teethscape.parametric.prior import ToothPrior

Rng = np.random.Generator
#: Pictures are drawn larger by this factor and then averaged down.
_SIZES = ((640, 480), (640, 427), (640, 460))


@dataclass(frozen=True)
class SyntheticPhoto:
    """A picture that we drew, with its truth.

    Attributes:
        view: which photograph it is.
        pixels: (h, w, 3) uint8 RGB.
        labels: (h, w) uint8 FDI number, 0 none.
        gum: (h, w) true where gum or palate is seen.
    """

    view: View
    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    gum: NDArray[np.bool_]


def _expose(linear: FloatImage, teeth: NDArray[np.bool_], rng: Rng) -> FloatImage:
    """Scale so that teeth are bright, compress highlights, vignette, and go to display values."""
    bright = float(np.percentile(linear[teeth], 70)) if teeth.any() else 0.5
    picture = linear * np.float32(rng.uniform(0.35, 0.95) / max(bright, 1e-3))
    picture = np.where(picture > 0.8, 0.8 + 0.35 * np.tanh((picture - 0.8) / 0.35), picture)
    height, width = teeth.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    vignette = 1 - rng.uniform(0, 0.25) * (x**2 + y**2)
    return np.clip(picture * vignette[..., None].astype(np.float32), 0, 1) ** np.float32(1 / 2.2)


def _develop(picture: FloatImage, seen: Surfaces, rng: Rng) -> NDArray[np.uint8]:
    """Depth of field, grain and rounding."""
    focus = float(np.percentile(seen.depth[seen.label > 0], rng.uniform(5, 60)))
    off = np.clip(np.abs(seen.depth - focus) / 25.0 - 0.2, 0, 1)[..., None] * rng.uniform(0, 1)
    soft = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(1.0, 3.0)))
    out = picture * (1 - off) + soft * off
    out = cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.3, 0.9)))
    out = out + rng.normal(0, rng.uniform(0.002, 0.02), out.shape).astype(np.float32)
    return (np.clip(out, 0, 1) * 255 + 0.5).astype(np.uint8)


def draw_photo(prior: ToothPrior, view: View, rng: Rng) -> SyntheticPhoto:
    """Draw one photograph of one random patient (about half a second)."""
    crowns = sample_patient(prior, sample_spread(rng), rng)
    jaws = view.jaws
    crowns = [c for c in crowns if jaw_of(c.fdi) in jaws]
    style = sample_gum_style(rng)
    gums = [gum_mesh(crowns, jaw, style, rng) for jaw in jaws]
    size = _SIZES[int(rng.integers(len(_SIZES)))]
    framed = [c for c in crowns if _on_side(c.fdi, view)]
    camera = random_camera(framed, view, size, rng)
    seen = see(crowns, gums, camera)
    teeth = (seen.label > 0) & (seen.label < GUM)
    mm = camera.focal / float(np.median(seen.depth))
    lit = light_surfaces(seen, mm, rng)
    framed_picture, hidden = surround(lit, teeth, seen.label > 0, view.is_occlusal, rng)
    pixels = _develop(_expose(framed_picture, teeth & ~hidden, rng), seen, rng)
    labels = np.where(teeth & ~hidden, seen.label, 0).astype(np.uint8)
    return SyntheticPhoto(view, pixels, labels, (seen.label == GUM) & ~hidden)


def _on_side(fdi: int, view: View) -> bool:
    """Whether a buccal photo of this side is framed by this tooth."""
    if view is View.LEFT_BUCCAL:
        return fdi // 10 in (2, 3) or fdi % 10 == 1
    if view is View.RIGHT_BUCCAL:
        return fdi // 10 in (1, 4) or fdi % 10 == 1
    return True
