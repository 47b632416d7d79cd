"""The segmentation network (needs torch; only training and ONNX export import it)."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from teethscape.dental.fdi import PLACES

#: Channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the input.
WIDTHS = (16, 32, 64, 128, 160)
#: Residual blocks per level; the coarse levels are cheap and see the whole arch.
DEPTHS = (1, 1, 2, 2, 1)
#: Pixel outputs: tooth, boundary, energy, upper jaw, gum; and at half the size tooth kinds 1-7 (FDI number
#: modulo 10), which are asked for whole teeth.
PIXEL_CHANNELS = 5
#: Picture outputs: the five views and "not teeth".
VIEW_CLASSES = 6


def _conv(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    """Convolution without bias and its batch norm."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    """Two 3x3 convolutions around an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width)
        self.second = _conv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, width, h, w) to the same shape."""
        return torch.relu(x + self.second(torch.relu(self.first(x))))


class SegmentationNetwork(nn.Module):
    """U-Net with additive skips, a pixel-shuffle head and a head for the whole picture.

    Input (n, 3, h, w), RGB in [0, 1], h and w multiples of 32.  Output: logits (n, 5, h, w) of the pixel
    channels, (n, 7, h / 2, w / 2) of the tooth kinds, (n, 6) of view classes and (n, 1) of "upside down".
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv(3, WIDTHS[0], stride=2, kernel=5)
        self.blocks = nn.ModuleList(
            nn.Sequential(*(Residual(w) for _ in range(d))) for w, d in zip(WIDTHS, DEPTHS, strict=True)
        )
        pairs = list(itertools.pairwise(WIDTHS))
        self.down = nn.ModuleList(_conv(a, b, stride=2) for a, b in pairs)
        self.lateral = nn.ModuleList(_conv(b, a, kernel=1) for a, b in pairs)
        self.merge = nn.ModuleList(Residual(a) for a, _ in pairs)
        self.head = nn.Sequential(_conv(WIDTHS[0], 32), nn.ReLU())
        self.pixels = nn.Conv2d(32, 4 * PIXEL_CHANNELS, 1)
        self.kinds = nn.Conv2d(32, PLACES, 1)
        self.shuffle = nn.PixelShuffle(2)
        self.picture = nn.Sequential(
            nn.Linear(2 * WIDTHS[-1], 96), nn.ReLU(), nn.Linear(96, VIEW_CLASSES + 1)
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits of pixels, kinds, views and "upside down" for a batch of pictures."""
        x = torch.relu(self.stem(image * 2.0 - 1.0))
        skips = []
        for level, block in enumerate(self.blocks):
            x = block(x)
            if level < len(self.down):
                skips.append(x)
                x = torch.relu(self.down[level](x))
        picture = self.picture(_halves(x))
        for level in reversed(range(len(self.down))):
            up = nn.functional.interpolate(self.lateral[level](x), scale_factor=2.0, mode="nearest")
            x = self.merge[level](skips[level] + up)
        seen = self.head(x)
        views, turned = picture[:, :VIEW_CLASSES], picture[:, VIEW_CLASSES:]
        return self.shuffle(self.pixels(seen)), self.kinds(seen), views, turned


def _halves(x: Tensor) -> Tensor:
    """Mean of the whole picture, and right minus left and lower minus upper half in alternate channels.

    A plain mean would hide on which side the posterior teeth stand.
    """
    column = torch.linspace(-1.0, 1.0, x.shape[3], dtype=x.dtype, device=x.device)
    row = torch.linspace(-1.0, 1.0, x.shape[2], dtype=x.dtype, device=x.device)
    sideways = (x * column).mean(dim=(2, 3))
    upright = (x * row[:, None]).mean(dim=(2, 3))
    half = x.shape[1] // 2
    moments = torch.cat([sideways[:, :half], upright[:, half:]], dim=1)
    return torch.cat([x.mean(dim=(2, 3)), moments], dim=1)
