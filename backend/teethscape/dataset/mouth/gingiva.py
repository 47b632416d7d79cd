"""The gum round single teeth: margins that follow the necks, papillae, root prominences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from teethscape.dataset.gums import neck_ring
from teethscape.dataset.mouth.fields import ArchLine, ArchMap, smooth_min
from teethscape.dataset.mouth.nets import Array
from teethscape.dataset.patient_crowns import Crown
from teethscape.dental.fdi import Jaw


@dataclass(frozen=True)
class GingivaStyle:
    """Shape of a patient's gums, mm.

    Attributes:
        cover: how far the margin lies occlusal of the neck.
        uneven: s.d. of a tooth's own cover.
        papilla: height of the papillae above the margin.
        thick: thickness of the margin.
        roots: how far roots stand out from the alveolar process.
        ridge: half width of the alveolar process.
        stipple: height of the fine relief.
    """

    cover: float = 0.3
    uneven: float = 0.15
    papilla: float = 2.6
    thick: float = 0.6
    roots: float = 0.25
    ridge: float = 4.2
    stipple: float = 0.035


def column(crown: Crown, points: Array, style: GingivaStyle, cover: float) -> Array:
    """Field of the gum round one tooth.

    Args:
        crown: the tooth.
        points: (n, 3) mm.
        style: shape of the gums.
        cover: how far this tooth's margin lies occlusal of its neck, mm.
    """
    ring = neck_ring(crown)
    middle = ring.mean(axis=0)
    local_ring, local = (ring - middle) @ crown.axes, (points - middle) @ crown.axes
    ring_angle = np.arctan2(local_ring[:, 1], local_ring[:, 0])
    order = np.argsort(ring_angle)
    angle = np.arctan2(local[:, 1], local[:, 0])

    def along(values: Array) -> Array:
        return np.interp(angle, ring_angle[order], values[order], period=2.0 * np.pi)

    beside = np.hypot(local[:, 0], local[:, 1]) - along(np.hypot(local_ring[:, 0], local_ring[:, 1]))
    tall = float(np.percentile((crown.vertices - middle) @ crown.axes[:, 2], 98))
    papilla = min(style.papilla, 0.42 * tall) * np.exp(-((np.minimum(beside + 0.3, 0.0) / 0.7) ** 2))
    margin = along(local_ring[:, 2]) + cover + papilla * np.abs(np.cos(angle)) ** 5
    # Well inside the tooth the gum stays low, or it would come out through a worn or hollow crown.
    margin = margin - 2.5 * (1.0 - np.exp(-((np.minimum(beside + 0.6, 0.0) / 0.8) ** 2)))
    depth = np.maximum(margin - local[:, 2], 0.0)
    root = style.roots * np.exp(-(((depth - 4.5) / 3.0) ** 2)) * np.abs(np.sin(angle))
    thick = style.thick + 0.34 * depth**0.75 + root
    return -smooth_min(thick - beside, margin - local[:, 2], 0.5)


def ridge(place: ArchMap, above: Array, line: ArchLine, style: GingivaStyle) -> Array:
    """Field of the alveolar process, also where teeth are missing.

    Args:
        place: (nx, ny) map of the grid.
        above: (nx, ny, nz) mm apical of the necks.
        line: the jaw's neck line.
        style: shape of the gums.
    """
    middle = 0.5 * place.along.max()
    # Wider at the molars than at the incisors.
    half = style.ridge * (0.72 + 0.28 * np.clip(np.abs(place.along - middle) / 35.0, 0.0, 1.0))
    beside = place.distance - (0.6 if line.jaw is Jaw.LOWER else 0.0)
    flat = np.abs(beside)[:, :, None] / half[:, :, None]
    radius = (flat**2.5 + (np.abs(above - 7.5) / 6.8) ** 2.5) ** (1.0 / 2.5)
    return (radius - 1.0) * half[:, :, None]


def covers(crowns: Sequence[Crown], style: GingivaStyle, rng: np.random.Generator) -> dict[int, float]:
    """Each tooth's own cover of its neck, mm; by FDI number."""
    return {c.fdi: float(np.clip(style.cover + rng.normal(0.0, style.uneven), -1.6, 1.4)) for c in crowns}
