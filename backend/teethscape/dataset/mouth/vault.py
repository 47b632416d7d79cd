"""The soft sheet between and beside the alveolar processes: palate, floor of the mouth, vestibule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from teethscape.dataset.mouth.fields import ArchLine, ArchMap, Grid, bumps
from teethscape.dataset.mouth.nets import Array
from teethscape.dental.fdi import Jaw


@dataclass(frozen=True)
class VaultStyle:
    """Shape of palate, floor and vestibule, mm.

    Attributes:
        vault: height of the palate, or depth of the floor of the mouth, over the necks.
        fold: distance from the necks to the fold between gum and lip.
        rugae: height of the palate's transverse folds.
        spacing: distance between them.
        frenum: how far the labial frenum stands out.
    """

    vault: float = 13.0
    fold: float = 10.5
    rugae: float = 0.6
    spacing: float = 3.4
    frenum: float = 2.2


def _rugae(x: Array, y: Array, style: VaultStyle, rng: np.random.Generator) -> Array:
    """(nx, ny) folds of the anterior palate, the raphe and the incisive papilla, mm; y from the incisors."""
    u, v = np.meshgrid(x, y, indexing="ij")
    side = np.where(u < 0.0, 0, 1)
    phase, lean = rng.uniform(0.0, 2.0 * np.pi, 2)[side], rng.uniform(0.05, 0.35, 2)[side]
    warp = bumps(u.shape, 2.6, rng)
    sway = v - lean * np.abs(u) - 1.1 * np.sin(0.42 * np.abs(u) + phase) + 0.8 * warp
    crest = np.cos(2.0 * np.pi * sway / style.spacing + phase)
    folds = style.rugae * (np.maximum(crest, -0.35) ** 3 + 0.3 * crest)
    broken = np.clip(0.75 + 0.5 * bumps(u.shape, 2.2, rng), 0.0, 1.3)
    zone = np.exp(-((np.maximum(np.abs(v - 14.0) - 4.5, 0.0) / 2.6) ** 2)) * np.exp(
        -((np.maximum(np.abs(u) - 11.0, 0.0) / 3.0) ** 2)
    )
    folds = folds * broken * zone * (1.0 - np.exp(-((u / 1.6) ** 2)))
    raphe = 0.5 * np.exp(-((u / 0.7) ** 2)) * np.clip((v - 8.0) / 8.0, 0.0, 1.0)
    papilla = 1.3 * np.exp(-((u / 1.5) ** 2) - ((v - 7.0) / 2.0) ** 2)
    return folds - raphe + papilla


def _frena(along: Array, outside: Array, style: VaultStyle, rng: np.random.Generator) -> Array:
    """(nx, ny) how far the labial and buccal frena reach down, mm."""
    middle = 0.5 * along.max()
    out = np.zeros_like(outside)
    for place, height in ((0.0, style.frenum), (-23.0, 0.6 * style.frenum), (23.0, 0.6 * style.frenum)):
        at = middle + place + rng.normal(0.0, 1.2)
        wide = rng.uniform(0.9, 1.6)
        bulge = np.clip(outside / 3.0, 0.0, 1.0) * np.exp(-np.clip(outside - 3.0, 0.0, None) / 9.0)
        out += height * np.exp(-(((along - at) / wide) ** 2)) * bulge
    return out


def sheet(place: ArchMap, grid: Grid, line: ArchLine, style: VaultStyle, rng: np.random.Generator) -> Array:
    """(nx, ny) apical height of the soft surface over the necks, mm."""
    x, y, _ = grid.axes()
    distance = place.distance
    upper = line.jaw is Jaw.UPPER
    deep = np.clip((-distance - 3.0) / 13.0, 0.0, 1.0)
    inner = 3.0 + style.vault * (1.0 - (1.0 - deep) ** 2.2)
    if upper:
        inner = inner - _rugae(x - float(line.points[:, 0].mean()), y - line.front, style, rng)
    else:
        lingual = np.exp(-(((x[:, None] - 0.0) / 1.2) ** 2)) * np.clip((y - line.front - 9.0) / 6.0, 0.0, 1.0)
        inner = inner - 2.4 * lingual * np.exp(-np.clip(y - line.front - 15.0, 0.0, None) / 6.0)
    outside = np.clip(distance - 2.0, 0.0, None)
    wave = 0.45 * bumps(distance.shape, 5.0, rng) + 0.14 * bumps(distance.shape, 1.2, rng)
    outer = style.fold + 2.0 * (1.0 - np.exp(-outside / 3.0)) - 0.05 * outside
    outer = outer - _frena(place.along, outside, style, rng)
    blend = np.clip((distance + 1.5) / 3.0, 0.0, 1.0)
    return inner * (1.0 - blend) + outer * blend + wave * (1.0 if not upper else 0.5 + 0.5 * blend)
