"""What a position is turned into before the network sees it: one interface, several ways (needs torch)."""

from __future__ import annotations

from importlib import util
from typing import Any

import torch
from torch import Tensor

from teethscape.errors import MissingComponentError
from teethscape.surface.neus.hash_grid import Encoding, HashGrid, HashGridSpec
from teethscape.surface.request import GridName


class FrequencyEncoding(Encoding):
    """The position, then sines and cosines of its multiples 1, 2, 4 ... (without pi).

    Args:
        frequencies: how many multiples.
    """

    def __init__(self, frequencies: int) -> None:
        super().__init__()
        self.factors = [2.0**k for k in range(frequencies)]
        self.width = 6 * frequencies

    def values(self, unit: Tensor) -> Tensor:
        """(n, 3) in the unit cube to (n, w) features."""
        turned = [unit * factor for factor in self.factors]
        return torch.cat([wave(t) for t in turned for wave in (torch.sin, torch.cos)], dim=1)

    def forward(self, unit: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 3) in the unit cube to (n, w) features and (n, w, 3) derivatives."""
        values, slopes = [], []
        for factor in self.factors:
            turned = unit * factor
            values += [torch.sin(turned), torch.cos(turned)]
            slopes += [factor * torch.cos(turned), -factor * torch.sin(turned)]
        return torch.cat(values, dim=1), torch.cat([torch.diag_embed(s) for s in slopes], dim=1)


class TcnnGrid(Encoding):
    """The hash grid of tiny-cuda-nn; its derivative comes by automatic differentiation.

    Args:
        spec: sizes; the parameters lie in the same order as ours.
    """

    def __init__(self, spec: HashGridSpec) -> None:
        super().__init__()
        import tinycudann  # pyright: ignore[reportMissingImports] - never required

        config = {
            "otype": "HashGrid", "n_levels": spec.levels, "n_features_per_level": spec.features,
            "log2_hashmap_size": spec.log2_table, "base_resolution": spec.base,
            "per_level_scale": spec.growth,
        }  # fmt: skip
        self.spec, self.active, self.width = spec, spec.levels, spec.width
        self.grid: Any = tinycudann.Encoding(3, config, dtype=torch.float32)

    def values(self, unit: Tensor) -> Tensor:
        """As `HashGrid.values`."""
        keep = torch.arange(self.width, device=unit.device) < self.active * self.spec.features
        return self.grid(unit) * keep

    def forward(self, unit: Tensor) -> tuple[Tensor, Tensor]:
        """As `HashGrid.forward`."""
        unit = unit.detach().requires_grad_(True)
        with torch.enable_grad():
            features = self.values(unit)
            slopes = [
                torch.autograd.grad(features[:, k].sum(), unit, create_graph=True)[0]
                for k in range(self.width)
            ]
        return features, torch.stack(slopes, dim=1)


def hash_grid(spec: HashGridSpec, name: GridName) -> Encoding:
    """The hash grid by the implementation that is asked for.

    Raises:
        MissingComponentError: tinycudann is asked for and missing.
    """
    if name is GridName.TCNN:
        return _tcnn(spec)
    return HashGrid(spec)


def _tcnn(spec: HashGridSpec) -> Encoding:
    if util.find_spec("tinycudann") is None:
        raise MissingComponentError(
            "tinycudann_missing",
            "tinycudann is not installed.",
            "It is compiled on your machine; our own hash grid needs nothing: leave --hash-grid out.",
        )
    return TcnnGrid(spec)
