"""Parts of the ToothSeg networks (needs torch).  Names of tensors are those of the published checkpoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from teethscape.segmentation.toothseg.spec import REDUCTION


def _resized(x: Tensor, like: Tensor) -> Tensor:
    """``x`` (n, c, h, w) interpolated to the height and width of ``like``."""
    return nn.functional.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=True)


class DoubleConv(nn.Module):
    """Twice: 3x3 convolution without bias, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, middle: int | None = None) -> None:
        super().__init__()
        middle = middle or outputs
        self.double_conv = nn.Sequential(
            nn.Conv2d(inputs, middle, 3, padding=1, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) to (n, outputs, h, w)."""
        return self.double_conv(x)


class Down(nn.Module):
    """Halve the picture, then a double convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) to (n, outputs, h // 2, w // 2)."""
        return self.maxpool_conv(x)


class Up(nn.Module):
    """Double the picture, pad it to the skip, join both, then a double convolution."""

    def __init__(self, inputs: int, outputs: int, bilinear: bool) -> None:
        super().__init__()
        if bilinear:
            self.up: nn.Module = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            self.conv = DoubleConv(inputs, outputs, inputs // 2)
        else:
            self.up = nn.ConvTranspose2d(inputs, inputs // 2, 2, stride=2)
            self.conv = DoubleConv(inputs, outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Decoder (n, c, h, w) and skip (n, c', h', w') to (n, outputs, h', w')."""
        x = self.up(x)
        rows, columns = skip.shape[2] - x.shape[2], skip.shape[3] - x.shape[3]
        edges = [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2]
        return self.conv(torch.cat([skip, nn.functional.pad(x, edges)], dim=1))


class Head(nn.Module):
    """1x1 convolution to logits."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) to (n, outputs, h, w)."""
        return self.conv(x)


def _squeeze(width: int, reduction: int) -> nn.Sequential:
    """Mean of the picture through two 1x1 layers without bias: (n, width, 1, 1)."""
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(width, width // reduction, 1, bias=False),
        nn.ReLU(inplace=True),
        nn.Conv2d(width // reduction, width, 1, bias=False),
    )


def _mean_and_max(x: Tensor) -> Tensor:
    """Mean and largest value over the channels: (n, 2, h, w)."""
    return torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)


class DecoderGate(nn.Module):
    """Spatial and channel attention on a skip, steered by the decoder (spec, section 1: new scAG)."""

    def __init__(self, skip: int, decoder: int) -> None:
        super().__init__()
        self.conv_query = nn.Conv2d(decoder, skip, 1, bias=False)
        self.bn_query = nn.BatchNorm2d(skip)
        self.mlp = _squeeze(skip, REDUCTION)
        self.conv_spatial = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, skip: Tensor, decoder: Tensor) -> Tensor:
        """Skip (n, c, h, w) and decoder (n, c', h', w') to the gated skip (n, c, h, w)."""
        both = skip + _resized(self.bn_query(self.conv_query(decoder)), skip)
        channel = torch.sigmoid(self.mlp(both))
        place = torch.sigmoid(self.conv_spatial(_mean_and_max(both)))
        return skip * channel * place


class SkipGate(nn.Module):
    """The first published gate: it looks at the skip alone."""

    def __init__(self, skip: int, decoder: int) -> None:  # noqa: ARG002 - built like `DecoderGate`
        super().__init__()
        self.mlp = _squeeze(skip, REDUCTION)
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, skip: Tensor, decoder: Tensor) -> Tensor:  # noqa: ARG002 - called like `DecoderGate`
        """Skip (n, c, h, w) to the gated skip of the same shape; the decoder is ignored."""
        channel = torch.sigmoid(self.mlp(skip))
        place = torch.sigmoid(self.conv(_mean_and_max(skip)))
        return skip * channel * place


class ContextBlock(nn.Module):
    """Four dilated convolutions mixed by weights that the whole picture chooses (spec, section 1: NAC)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch1, self.branch2, self.branch3, self.branch4 = (
            nn.Conv2d(width, width, 3, padding=step, dilation=step) for step in (1, 2, 3, 5)
        )
        self.weight_gen = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(width, width // 4, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width // 4, 4, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, width, h, w) to the same shape."""
        weights = torch.softmax(self.weight_gen(x), dim=1)
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        mixed = [weights[:, k : k + 1] * branch(x) for k, branch in enumerate(branches)]
        return mixed[0] + mixed[1] + mixed[2] + mixed[3]
