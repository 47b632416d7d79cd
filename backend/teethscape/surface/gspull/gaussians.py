"""A cloud of Gaussians and how it grows and is pruned (needs torch).

Source: Kerbl et al. 2023, "3D Gaussian Splatting"; ``gspull-spec.md``, section 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import Tensor, nn

from teethscape.surface.gspull import harmonics
from teethscape.surface.gspull.losses import rotation_of, thin_axis

_SH0 = 0.28209479177387814
_START_OPACITY = 0.5
_SPLIT_SHRINK, _SPLIT_PARTS = 1.6, 2
NAMES = ("centres", "log_scales", "quaternions", "logits", "shades", "tints")


class Gaussians(nn.Module):
    """n Gaussians; colours are spherical harmonics: ``shades`` the same everywhere, ``tints`` what changes.

    Args:
        points: (n, 3) world.
        colours: (n, 3) 0..1.
        degree: greatest of the harmonics; 0: colours do not change with the direction.
    """

    _origin: Tensor

    def __init__(self, points: NDArray[np.floating], colours: NDArray[np.floating], degree: int = 0) -> None:
        super().__init__()
        count = len(points)
        near = np.ones((1, 1)) if count == 1 else KDTree(points).query(points, k=min(4, count))[0][:, 1:]
        size = np.sqrt(np.maximum((near**2).mean(axis=1), 1e-12))
        self.centres = nn.Parameter(torch.tensor(points, dtype=torch.float32))
        self.log_scales = nn.Parameter(torch.tensor(np.log(size), dtype=torch.float32)[:, None].repeat(1, 3))
        self.quaternions = nn.Parameter(torch.tensor([[1.0, 0, 0, 0]]).repeat(count, 1))
        logit = float(np.log(_START_OPACITY / (1 - _START_OPACITY)))
        self.logits = nn.Parameter(torch.full((count,), logit))
        self.shades = nn.Parameter(torch.tensor((colours - 0.5) / _SH0, dtype=torch.float32))
        self.tints = nn.Parameter(torch.zeros(count, harmonics.count(degree) - 1, 3))
        self.register_buffer("_origin", torch.arange(count), persistent=False)

    def __len__(self) -> int:
        return len(self.centres)

    @property
    def scales(self) -> Tensor:
        """(n, 3) standard deviations, world units."""
        return self.log_scales.exp()

    @property
    def rotations(self) -> Tensor:
        """(n, 3, 3)."""
        return rotation_of(self.quaternions)

    @property
    def opacity(self) -> Tensor:
        """(n,) 0..1."""
        return torch.sigmoid(self.logits)

    @property
    def colours(self) -> Tensor:
        """(n, 3) RGB that is the same from everywhere, clipped at 0."""
        return (self.shades * _SH0 + 0.5).clamp_min(0.0)

    def seen_from(self, place: Tensor, degree: int) -> Tensor:
        """(n, 3) RGB seen from a place (3,), by harmonics up to a degree, clipped at 0."""
        known = min(harmonics.count(degree) - 1, self.tints.shape[1])
        if not known:
            return self.colours
        values = harmonics.basis(self.centres - place, degree)[:, 1 : known + 1]
        tints = torch.einsum("nk,nkc->nc", values, self.tints[:, :known])
        return (self.shades * _SH0 + 0.5 + tints).clamp_min(0.0)

    @property
    def normals(self) -> Tensor:
        """(n, 3) thin axes, either way."""
        return thin_axis(self.rotations, self.scales)

    @torch.no_grad()
    def replace(self, rows: Tensor, added: dict[str, Tensor] | None = None) -> None:
        """Keep some rows (booleans or indices) and add others by name."""
        for name in NAMES:
            kept = getattr(self, name).detach()[rows]
            parts = [kept] if added is None else [kept, added[name]]
            setattr(self, name, nn.Parameter(torch.cat(parts)))
        stayed = self._origin[rows]
        self._origin = torch.cat([stayed, stayed.new_full((len(self) - len(stayed),), -1)])

    def settle(self) -> Tensor:
        """(n,) the row that each Gaussian had when this was last called, -1 for those added since."""
        origin, self._origin = self._origin, torch.arange(len(self), device=self.centres.device)
        return origin

    def rows(self, index: Tensor) -> dict[str, Tensor]:
        """Copies of some rows by name."""
        return {name: getattr(self, name).detach()[index].clone() for name in NAMES}


@dataclass(frozen=True)
class DensityRules:
    """When Gaussians are added and removed.

    Attributes:
        slope: mean gradient of the projected centre above which one is added.
        dense: size above which one is split instead of cloned, share of the extent.
        faint: opacity below which one is removed.
        huge: size above which one is removed, share of the extent.
        wide: radius in a picture above which one is removed, px; None: none is for that.
        most: Gaussians at most, those that pull most strongly first; None: any number.
    """

    slope: float = 2e-4
    dense: float = 0.01
    faint: float = 0.005
    huge: float = 0.1
    wide: float | None = None
    most: int | None = 150_000


@torch.no_grad()
def densify(cloud: Gaussians, slopes: Tensor, extent: float, rules: DensityRules) -> None:
    """Clone small and split large Gaussians whose projected centres pull strongly.

    A clone takes a place drawn from its Gaussian (not a copy of it); a split one becomes two smaller ones.

    Args:
        cloud: changed in place.
        slopes: (n,) mean gradients of the projected centres.
        extent: of the scene, world units.
        rules: thresholds.
    """
    wanted = _steepest(slopes, len(cloud), rules)
    large = cloud.scales.amax(dim=1) > rules.dense * extent
    clones, splits = (wanted & ~large).nonzero()[:, 0], (wanted & large).nonzero()[:, 0]
    new = [cloud.rows(clones), *(cloud.rows(splits) for _ in range(_SPLIT_PARTS))]
    for rows in new:
        turn, size = rotation_of(rows["quaternions"]), rows["log_scales"].exp()
        rows["centres"] += torch.einsum("nij,nj->ni", turn, torch.randn_like(size) * size)
    for rows in new[1:]:
        rows["log_scales"] -= float(np.log(_SPLIT_SHRINK))
    keep = torch.ones(len(cloud), dtype=torch.bool, device=slopes.device)
    keep[splits] = False
    cloud.replace(keep, {name: torch.cat([rows[name] for rows in new]) for name in NAMES})


def _steepest(slopes: Tensor, count: int, rules: DensityRules) -> Tensor:
    """(n,) which of ``count`` Gaussians one is added for: each adds one, and there is room for so many."""
    wanted = slopes > rules.slope
    room = count if rules.most is None else max(rules.most - count, 0)
    if int(wanted.sum()) <= room:
        return wanted
    kept = torch.zeros_like(wanted)
    kept[slopes.topk(room).indices] = True
    return kept


@torch.no_grad()
def prune(cloud: Gaussians, extent: float, rules: DensityRules, huge_too: bool) -> Tensor:
    """Remove faint (and, with ``huge_too``, huge) Gaussians; which were kept (n,)."""
    keep = cloud.opacity > rules.faint
    if huge_too:
        keep &= cloud.scales.amax(dim=1) < rules.huge * extent
    cloud.replace(keep)
    return keep


@torch.no_grad()
def prune_outside(cloud: Gaussians, outside: Tensor) -> None:
    """Remove Gaussians (n,) whose centres no mask allows."""
    cloud.replace(~outside)
