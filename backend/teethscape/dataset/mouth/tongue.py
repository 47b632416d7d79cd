"""A tongue lying in the lower arch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from teethscape.dataset.mouth.fields import STEP, ArchLine, Grid, bumps
from teethscape.dataset.mouth.nets import Array, Quads, surface_nets


@dataclass(frozen=True)
class TongueStyle:
    """Shape and place of the tongue, mm.

    Attributes:
        tip: how far its tip lies behind the lower incisors.
        height: how far its back stands over the necks.
        half: half width.
        groove: depth of the median groove, share of its size.
    """

    tip: float = 19.0
    height: float = 5.0
    half: float = 19.0
    groove: float = 0.1


def tongue(line: ArchLine, style: TongueStyle, rng: np.random.Generator) -> tuple[Array, Quads]:
    """A tongue behind the lower arch ``line``: vertices (n, 3) in mm and quads (m, 4)."""
    front = line.front + style.tip
    grid = Grid.over(
        np.array([-style.half - 8.0, front - 3.0, line.level - 16.0]),
        np.array([style.half + 8.0, front + 52.0, line.level + style.height + 6.0]),
    )
    x, y, z = (
        axis.reshape(s) for axis, s in zip(grid.axes(), ((-1, 1, 1), (1, -1, 1), (1, 1, -1)), strict=True)
    )
    wide = style.half * (0.82 + 0.18 * np.clip((y - front) / 30.0, 0.0, 1.2))
    rise = 0.10 * (y - front)  # the back of the tongue lies higher than its tip
    u, v, w = x / wide, (y - front - 30.0) / 30.0, (z - line.level - style.height + 10.0 - rise) / 10.0
    back = np.clip((y - front - 3.0) / 14.0, 0.0, 1.0)
    groove = style.groove * np.exp(-((x / 2.2) ** 2)) * (w > 0) * back
    body = (np.abs(u) ** 2.6 + np.abs(v) ** 2.4 + np.abs(w) ** 2.2) ** (1.0 / 2.4) - 1.0 + groove
    rough = bumps(grid.shape, 4.0, rng) * 0.5 + bumps(grid.shape, 1.5, rng) * 0.12
    return surface_nets((9.0 * body + rough).astype(np.float32), grid.origin, STEP)
