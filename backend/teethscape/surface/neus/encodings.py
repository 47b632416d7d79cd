"""What a position is turned into before the network sees it: one interface, several ways (needs torch)."""

from __future__ import annotations

import logging
from functools import cache
from importlib import util
from typing import Any

import torch
from torch import Tensor

from teethscape.errors import MissingComponentError
from teethscape.surface.neus.hash_grid import Chain, Encoding, HashGrid, HashGridSpec
from teethscape.surface.request import GridName

log = logging.getLogger(__name__)
#: What two ways to compute the same numbers, up to about two hundred, may differ by; most of it is what a
#: level's scale, rounded otherwise, does to slopes.
_ALIKE = 3e-3


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

    Training differentiates through the chain rule, which is one pass; slopes of every feature are one each.

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
        return _dense_backward(self.grid(unit)) * keep

    def chained(self, unit: Tensor) -> tuple[Tensor, Chain]:
        """As `Encoding.chained`."""
        unit = unit.detach().requires_grad_(True)
        with torch.enable_grad():
            features = self.values(unit)

        def chain(derivative: Tensor) -> Tensor:
            with torch.enable_grad():
                derivative = derivative.to(features.dtype)
                (slope,) = torch.autograd.grad(features, unit, derivative, create_graph=True)
            return _dense_backward(slope)

        return features, chain

    def forward(self, unit: Tensor) -> tuple[Tensor, Tensor]:
        """As `HashGrid.forward`."""
        features, chain = self.chained(unit)
        each = torch.eye(self.width, device=unit.device)
        return features, torch.stack([chain(one.expand(len(unit), -1)) for one in each], dim=1)


def _dense_backward(found: Tensor) -> Tensor:
    """What tiny-cuda-nn has found; it reads the memory of gradients that come back to it row by row."""
    if found.requires_grad:
        found.register_hook(lambda gradient: gradient.contiguous())
    return found


def hash_grid(spec: HashGridSpec, name: GridName, device: torch.device) -> Encoding:
    """The hash grid by the implementation that is asked for.

    Args:
        spec: sizes.
        name: ``auto``: on a graphics processor tiny-cuda-nn where it is installed and gives the plain path's
            numbers, then the Triton kernels where they do; else plain PyTorch.
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
    return _asked_tcnn(spec, device) if name is GridName.TCNN else _own(spec, name)


def _asked_tcnn(spec: HashGridSpec, device: torch.device) -> TcnnGrid:
    """The grid of tiny-cuda-nn, or the reason why not.

    Raises:
        MissingComponentError: it is for another device, not installed, cannot be loaded or is of no use here.
    """
    if device.type != "cuda":  # it would lie on the card all the same
        raise _missing(
            "tinycudann", f"does not run here ({device.type})", "It is for NVIDIA cards alone (--device cuda)"
        )
    grid = _loaded_tcnn(spec)
    if not tcnn_runs(device):
        raise _missing(
            "tinycudann", "does not give the numbers that training needs", "Another version of it may"
        )
    return grid


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
    """What was installed for speed, then what PyTorch brings for it, then what always runs."""
    if device.type != "cuda":
        return HashGrid(spec)
    if tcnn_runs(device):
        try:
            return _loaded_tcnn(spec)
        except MissingComponentError as error:
            log.info("%s", error)
    return _own(spec, GridName.TRITON if fused_runs(device) else GridName.TORCH)


@cache
def tcnn_runs(device: torch.device) -> bool:
    """Whether tiny-cuda-nn is installed and gives the plain path's numbers on a device, gradients too."""
    return util.find_spec("tinycudann") is not None and _agrees(GridName.TCNN, device)


@cache
def fused_runs(device: torch.device) -> bool:
    """Whether the Triton kernels run on a device and give the plain path's numbers there, gradients too."""
    return util.find_spec("triton") is not None and _agrees(GridName.TRITON, device)


def _agrees(name: GridName, device: torch.device) -> bool:
    """Whether a grid gives the numbers of the plain path."""
    try:
        found = _probed(name, device)
    except Exception as error:  # noqa: BLE001 - compilers and what they compiled raise all kinds of errors
        log.info("%s does not run on %s: %s", name, device, error)
        return False
    wanted = _probed(GridName.TORCH, device)
    return all(torch.allclose(f, w, rtol=_ALIKE, atol=_ALIKE) for f, w in zip(found, wanted, strict=True))


def _probed(name: GridName, device: torch.device) -> tuple[Tensor, ...]:
    """What training takes from a grid: features, slopes, the chain rule, and gradients of these.

    The numbers that go in are the same each time. Two levels are hashed, and no scale beyond the first is
    near a whole number, where rounding decides; the points need several programs and lie partly beyond the
    cube; as many are chained as tiny-cuda-nn takes without padding them.
    """
    spec = HashGridSpec(levels=3, log2_table=9, base=4, growth=2.2)
    draws = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):  # a training draws the same numbers with and without a probe
        grid = (TcnnGrid(spec) if name is GridName.TCNN else _own(spec, name)).to(device)
    (table,) = grid.parameters()
    with torch.no_grad():
        table.copy_(torch.randn(sum(spec.entries) * spec.features, generator=draws).reshape(table.shape))
    unit = (1.2 * torch.rand(300, 3, generator=draws) - 0.1).to(device)
    shapes = (300, spec.width), (300, spec.width, 3), (256, 3), (256, spec.width)
    *weights, derivative = (torch.randn(shape, generator=draws).to(device) for shape in shapes)
    with torch.enable_grad():
        features, slopes = grid(unit)
        chained = grid.chained(unit[:256])[1](derivative.requires_grad_(True))
        losses = [(f * w).sum() for f, w in zip((features, slopes, chained), weights, strict=True)]
        gradients = torch.autograd.grad(torch.stack(losses).sum(), (table, derivative))
    return tuple(found.detach().flatten() for found in (features, slopes, chained, *gradients))


def _missing(name: str, what: str, why: str) -> MissingComponentError:
    advice = f"{why}; our own hash grid needs nothing: leave --hash-grid out."
    return MissingComponentError(f"{name}_missing", f"{name} {what}.", advice)
