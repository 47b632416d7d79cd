"""Drawing Gaussians: one interface, a small splatter in PyTorch and gsplat's (needs torch).

Source: Zwicker et al. 2001, "EWA Volume Splatting"; Kerbl et al. 2023, equations 2-6.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from teethscape.errors import MissingComponentError
from teethscape.surface.gspull.gaussians import Gaussians

#: Added to the projected covariance, px^2; opacity below which a splat is not drawn; largest opacity.
_DILATION, _LEAST, _MOST = 0.3, 1 / 255, 0.99
_NEAR = 0.01
#: Radius of a splat, standard deviations.
_REACH = 3.0
#: Distance in standard deviations beyond which no splat is drawn; a hundredth more, for rounding.
_DRAWN = 1.01 * math.sqrt(2 * math.log(1 / _LEAST))
#: Gaussians that ours draws on a graphics processor.
_FEW = 5000
#: Pairs of a pixel and a Gaussian at a time, a bound on memory: slopes need 70 bytes for each.
_PAIRS = 1 << 19


@dataclass(frozen=True, eq=False)
class Shot:
    """A camera for splatting.

    Attributes:
        pose: (3, 4) world to camera, OpenCV axes.
        k: (3, 3) pixels, pixel centres at +0.5.
        height: px.
        width: px.
    """

    pose: Tensor
    k: Tensor
    height: int
    width: int


@dataclass(frozen=True, eq=False)
class Picture:
    """What a camera sees.

    Attributes:
        values: (h, w, c) blended values, background included for the first three.
        opacity: (h, w).
        means: (n, 2) projected centres; their gradient tells where detail is missing.
        radii: (n,) three standard deviations along the longest axis, px; 0 where one is not in the picture.
    """

    values: Tensor
    opacity: Tensor
    means: Tensor
    radii: Tensor


#: Gaussians, their values (n, c), a camera, a background (c,), centres (n, 3) elsewhere or None: a picture.
Rasteriser = Callable[[Gaussians, Tensor, Shot, Tensor, Tensor | None], Picture]


def draw(
    cloud: Gaussians, values: Tensor, shot: Shot, background: Tensor, centres: Tensor | None = None
) -> Picture:
    """Draw Gaussians at all pixels that they reach: exact and differentiable, for some thousands of them.

    Memory does not grow with pixels times Gaussians: slopes are computed by pieces of the picture.
    """
    local = (cloud.centres if centres is None else centres) @ shot.pose[:, :3].T + shot.pose[:, 3]
    depth = local[:, 2].clamp_min(_NEAR)
    focal = torch.stack([shot.k[0, 0], shot.k[1, 1]])
    means = local[:, :2] / depth[:, None] * focal + shot.k[:2, 2]
    if means.requires_grad:
        means.retain_grad()
    cov = _covariance(cloud, local, depth, shot)
    inverse = torch.stack([cov[:, 2], -cov[:, 1], cov[:, 0]], dim=1) / _determinant(cov)[:, None]
    order = torch.argsort(depth)
    order = order[local[order, 2] > _NEAR]
    ys, xs = torch.meshgrid(
        torch.arange(shot.height, device=depth.device),
        torch.arange(shot.width, device=depth.device),
        indexing="ij",
    )
    pixels = torch.stack([xs, ys], dim=-1).reshape(-1, 2) + 0.5
    splats = means[order], inverse[order], cloud.opacity[order], values[order]
    pieces = _Pieces(shot, splats[0][:, 1].detach(), _DRAWN * cov[order, 2].detach().sqrt())
    drawn: tuple[Tensor, Tensor] = _Blended.apply(pieces, pixels, *splats, background)
    shape = (shot.height, shot.width)
    shown, opacity = drawn[0].reshape(*shape, -1), drawn[1].reshape(shape)
    return Picture(shown, opacity, means, _radii(cov, means, local[:, 2] > _NEAR, shot))


@torch.no_grad()
def _radii(cov: Tensor, means: Tensor, in_front: Tensor, shot: Shot) -> Tensor:
    """(n,) radii of projected Gaussians, px, 0 for those outside the frame."""
    middle = (cov[:, 0] + cov[:, 2]) / 2
    longest = middle + (middle**2 - _determinant(cov)).clamp_min(0).sqrt()
    radii = _REACH * longest.sqrt()
    size = torch.tensor([shot.width, shot.height], device=means.device)
    here = in_front & (means > -radii[:, None]).all(dim=1) & (means < size + radii[:, None]).all(dim=1)
    return torch.where(here, radii, 0.0)


def _determinant(cov: Tensor) -> Tensor:
    return (cov[:, 0] * cov[:, 2] - cov[:, 1] ** 2).clamp_min(1e-12)


def _covariance(cloud: Gaussians, local: Tensor, depth: Tensor, shot: Shot) -> Tensor:
    """(n, 3) entries xx, xy, yy of each projected covariance, px^2."""
    fx, fy = shot.k[0, 0], shot.k[1, 1]
    zero = torch.zeros_like(depth)
    rows = [fx / depth, zero, -fx * local[:, 0] / depth**2, zero, fy / depth, -fy * local[:, 1] / depth**2]
    jacobian = torch.stack(rows, dim=1).reshape(-1, 2, 3)
    axes = jacobian @ shot.pose[:, :3] @ cloud.rotations * cloud.scales[:, None, :]
    cov = axes @ axes.transpose(1, 2)
    return torch.stack([cov[:, 0, 0] + _DILATION, cov[:, 0, 1], cov[:, 1, 1] + _DILATION], dim=1)


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Parts of a picture, each with few enough pixels and Gaussians for memory.

    Attributes:
        shot: camera.
        middles: (n,) rows at which Gaussians lie, px.
        reaches: (n,) how far above and below they may be drawn, px.
    """

    shot: Shot
    middles: Tensor
    reaches: Tensor

    def __iter__(self) -> Iterator[tuple[slice, Tensor]]:
        """Pixels, counted row by row, and which Gaussians (m,) may be drawn there."""
        width, height = self.shot.width, self.shot.height
        rows = max(_PAIRS // max(width * len(self.middles), 1), 1)
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            beyond = (self.middles < top - self.reaches) | (self.middles > bottom + self.reaches)
            near = (~beyond).nonzero()[:, 0]
            count = max(_PAIRS // max(len(near), 1), 1)
            for first in range(top * width, bottom * width, count):
                yield slice(first, min(first + count, bottom * width)), near


class _Blended(torch.autograd.Function):
    """Blending by pieces; each piece is blended again for its slopes, so that none need be remembered."""

    @staticmethod
    def forward(ctx: Any, pieces: _Pieces, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        """Values (p, c) and opacity (p,) of pixels (p, 2), then as :func:`_blend` takes them."""
        ctx.pieces = pieces
        ctx.save_for_backward(*tensors)
        pixels, *splats, background = tensors
        shown, opacity = pixels.new_empty(len(pixels), len(background)), pixels.new_empty(len(pixels))
        for part, near in pieces:
            shown[part], opacity[part] = _blend(pixels[part], [s[near] for s in splats], background)
        return shown, opacity

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] - torch's decorator hides the names
        ctx: Any, *slopes: Tensor
    ) -> tuple[Tensor | None, ...]:
        """Slopes of the splats; pixels and background have none."""
        pixels, *splats, background = ctx.saved_tensors
        found = [torch.zeros_like(s) for s in splats]
        for part, near in ctx.pieces:
            with torch.enable_grad():
                some = [s[near].requires_grad_() for s in splats]
                drawn = _blend(pixels[part], some, background)
            parts = torch.autograd.grad(drawn, some, [s[part] for s in slopes])
            for total, more in zip(found, parts, strict=True):
                total[near] += more
        return None, None, *found, None


def _blend(pixels: Tensor, splats: list[Tensor], background: Tensor) -> tuple[Tensor, Tensor]:
    """Values (p, c) and opacity (p,) of pixels (p, 2).

    Args:
        pixels: px.
        splats: front to back: centres (n, 2), inverse covariances (n, 3), opacities (n,), values (n, c).
        background: (c,).
    """
    means, inverse, opacity, values = splats
    off = pixels[:, None] - means
    power = inverse[:, 0] * off[..., 0] ** 2 + 2 * inverse[:, 1] * off[..., 0] * off[..., 1]
    power = power + inverse[:, 2] * off[..., 1] ** 2
    alpha = (opacity * torch.exp(-0.5 * power)).clamp_max(_MOST)
    alpha = torch.where(alpha < _LEAST, 0.0, alpha)
    through = torch.log1p(-alpha)
    reached = torch.exp(torch.cumsum(through, dim=1) - through)
    weight = alpha * reached
    total = weight.sum(dim=1)
    return weight @ values + (1 - total)[:, None] * background, total


def rasteriser(device: torch.device, count: int, warn: Callable[[str, str], None]) -> Rasteriser:
    """The rasteriser of a device: gsplat's on a graphics processor, ours elsewhere or for few Gaussians.

    Args:
        device: where is drawn.
        count: Gaussians to begin with.
        warn: told when gsplat does not run and ours draws on the graphics processor.

    Raises:
        MissingComponentError: a graphics processor is used, gsplat does not run, and Gaussians are many.
    """
    if device.type != "cuda":
        return draw
    fault = gsplat_fault(device)
    if fault is None:
        return draw_fast
    if count <= _FEW:
        warn("gsplat_unused", f"gsplat does not run here ({fault}); Gaussians are drawn by PyTorch.")
        return draw
    raise too_many(fault)


def too_many(fault: str) -> MissingComponentError:
    """The refusal of Gaussians that gsplat alone could draw on a graphics processor.

    Args:
        fault: why it does not run there.
    """
    return MissingComponentError(
        "gsplat_missing",
        f"So many Gaussians need gsplat on a graphics processor, and it does not run here ({fault}).",
        "Install gsplat and NVIDIA's CUDA toolkit, whose nvcc it compiles with; or give --preset small.",
    )


def gsplat_fault(device: torch.device) -> str | None:
    """Why gsplat cannot draw on a device; None where it can.

    It imports everywhere and compiles at its first picture, so one Gaussian is drawn.
    """
    cloud = Gaussians(np.zeros((1, 3)), np.full((1, 3), 0.5)).to(device)
    pose, k = torch.eye(3, 4, device=device), torch.eye(3, device=device)
    pose[2, 3] = 4.0
    try:
        with torch.no_grad():
            draw_fast(cloud, cloud.colours, Shot(pose, k, 8, 8), torch.zeros(3, device=device))
    except (ImportError, AttributeError, RuntimeError, OSError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'}"
    return None


def draw_fast(
    cloud: Gaussians, values: Tensor, shot: Shot, background: Tensor, centres: Tensor | None = None
) -> Picture:
    """Draw Gaussians by gsplat, on a graphics processor alone."""
    import gsplat  # pyright: ignore[reportMissingImports] - never required

    pose = torch.eye(4, device=values.device)
    pose[:3] = shot.pose
    found, opacity, info = gsplat.rasterization(
        cloud.centres if centres is None else centres, cloud.quaternions, cloud.scales, cloud.opacity,
        values, pose[None], shot.k[None], shot.width, shot.height, near_plane=_NEAR, packed=False,
    )  # fmt: skip
    means = info["means2d"]
    if means.requires_grad:
        means.retain_grad()
    alpha = opacity[0, ..., 0]
    radii = info["radii"][0].reshape(len(cloud), -1).amax(dim=1).to(alpha.dtype)
    return Picture(found[0] + (1 - alpha)[..., None] * background, alpha, means, radii)
