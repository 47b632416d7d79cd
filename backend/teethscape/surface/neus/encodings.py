"""What a position is turned into before the network sees it: one interface, several ways (needs torch)."""

from __future__ import annotations

import logging
from functools import cache
from importlib import util
from typing import Any

import torch
from torch import Tensor

from teethscape.errors import MissingComponentError
from teethscape.surface.neus.hash_grid import Encoding, HashGrid, HashGridSpec
from teethscape.surface.request import GridName

log = logging.getLogger(__name__)
#: What two ways to compute the same numbers, up to about a hundred, may differ by.
_ALIKE = 1e-3


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

    layout = "tcnn"

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


def hash_grid(spec: HashGridSpec, name: GridName, device: torch.device) -> Encoding:
    """The hash grid by the implementation that is asked for.

    Args:
        spec: sizes.
        name: ``auto``: on a graphics processor the Triton kernels where they run, then tiny-cuda-nn where
            it is installed; else plain PyTorch.
        device: where it will run.

    Raises:
        MissingComponentError: tinycudann or triton is asked for, and missing or of no use here.
    """
    if name is GridName.AUTO:
        return _best(spec, device)
    if name is GridName.TRITON and not fused_runs(device):
        raise _missing(
            "triton", f"does not run here ({device.type})", "It comes with PyTorch for NVIDIA cards"
        )
    return _loaded_tcnn(spec) if name is GridName.TCNN else _own(spec, name)


def _loaded_tcnn(spec: HashGridSpec) -> TcnnGrid:
    """The grid of tiny-cuda-nn.

    Raises:
        MissingComponentError: it is not installed, or cannot be loaded here.
    """
    try:
        return TcnnGrid(spec)
    except ModuleNotFoundError as error:
        raise _missing("tinycudann", "is not installed", "It is compiled on your machine") from error
    except (ImportError, OSError, RuntimeError) as error:  # compiled for another card, CUDA or PyTorch
        raise _missing(
            "tinycudann", f"cannot be loaded ({error})", "It is compiled for one card and PyTorch"
        ) from error


def _own(spec: HashGridSpec, name: GridName) -> HashGrid:
    if name is not GridName.TRITON:
        return HashGrid(spec)
    from teethscape.surface.neus.triton_lookup import TritonLookup

    return HashGrid(spec, TritonLookup)


def _best(spec: HashGridSpec, device: torch.device) -> Encoding:
    """What is quickest: Triton's slopes come in closed form, tiny-cuda-nn's by differentiation."""
    if device.type == "cuda" and fused_runs(device):
        return _own(spec, GridName.TRITON)
    if device.type == "cuda" and util.find_spec("tinycudann") is not None:
        try:
            return _loaded_tcnn(spec)
        except MissingComponentError as error:
            log.info("%s", error)
    return HashGrid(spec)


@cache
def fused_runs(device: torch.device) -> bool:
    """Whether the Triton kernels run on a device and give the plain path's numbers there, gradients too."""
    if util.find_spec("triton") is None:
        return False
    try:
        found = _probed(GridName.TRITON, device)
    except Exception as error:  # noqa: BLE001 - its compiler raises all kinds of errors
        log.info("triton does not run on %s: %s", device, error)
        return False
    wanted = _probed(GridName.TORCH, device)
    return all(torch.allclose(f, w, rtol=_ALIKE, atol=_ALIKE) for f, w in zip(found, wanted, strict=True))


def _probed(name: GridName, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Features, slopes and the table's gradient of one of our grids for numbers that are the same each time.

    Two of its levels are hashed; the points need several programs and lie partly beyond the cube.
    """
    spec = HashGridSpec(levels=3, log2_table=9, base=4, growth=2.0)
    draws = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):  # a training draws the same numbers with and without a probe
        grid = _own(spec, name)
    with torch.no_grad():
        grid.table.normal_(generator=draws)
    unit = 1.2 * torch.rand(300, 3, generator=draws) - 0.1
    shapes = (300, spec.width), (300, spec.width, 3)
    weights = [torch.randn(shape, generator=draws).to(device) for shape in shapes]
    with torch.enable_grad():
        features, slopes = grid.to(device)(unit.to(device))
        told = (features * weights[0]).sum() + (slopes * weights[1]).sum()
        (gradient,) = torch.autograd.grad(told, grid.table)
    return features.detach(), slopes.detach(), gradient


def _missing(name: str, what: str, why: str) -> MissingComponentError:
    advice = f"{why}; our own hash grid needs nothing: leave --hash-grid out."
    return MissingComponentError(f"{name}_missing", f"{name} {what}.", advice)
