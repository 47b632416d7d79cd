"""The three ToothSeg networks (needs torch)."""

from __future__ import annotations

from torch import Tensor, nn

from teethscape.segmentation.toothseg.blocks import (
    ContextBlock,
    DecoderGate,
    DoubleConv,
    Down,
    Head,
    SkipGate,
    Up,
)
from teethscape.segmentation.toothseg.spec import Gates, ModelType, NetworkSpec


class UNet2D(nn.Module):
    """U-Net with five levels; input (n, inputs, h, w) of any size from 16 px, logits of the same size."""

    def __init__(self, spec: NetworkSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = spec or NetworkSpec()
        b, f = spec.base, 2 if spec.bilinear else 1
        self.inc = DoubleConv(spec.inputs, b)
        self.down1, self.down2, self.down3 = Down(b, 2 * b), Down(2 * b, 4 * b), Down(4 * b, 8 * b)
        self.down4 = Down(8 * b, 16 * b // f)
        self.up1 = Up(16 * b, 8 * b // f, spec.bilinear)
        self.up2 = Up(8 * b, 4 * b // f, spec.bilinear)
        self.up3 = Up(4 * b, 2 * b // f, spec.bilinear)
        self.up4 = Up(2 * b, b, spec.bilinear)
        self.outc = Head(b, spec.outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, outputs, h, w) of pictures (n, inputs, h, w)."""
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x4 = self.down3(x3)
        x = self.bottom(self.down4(x4))
        x = self.up1(x, self.gated(1, x4, x))
        x = self.up2(x, self.gated(2, x3, x))
        x = self.up3(x, self.gated(3, x2, x))
        return self.outc(self.up4(x, self.gated(4, x1, x)))

    def bottom(self, x: Tensor) -> Tensor:
        """What happens to the coarsest level; nothing here."""
        return x

    def gated(self, number: int, skip: Tensor, decoder: Tensor) -> Tensor:  # noqa: ARG002 - for the gated networks
        """What happens to a skip, counted from the coarsest; nothing here."""
        return skip


class UNet2D_scAG(UNet2D):
    """U-Net whose skips pass spatial and channel attention gates."""

    def __init__(self, spec: NetworkSpec | None = None) -> None:
        super().__init__(spec or NetworkSpec(ModelType.SCAG))
        b, f = self.spec.base, 2 if self.spec.bilinear else 1
        gate = DecoderGate if self.spec.gates is Gates.NEW else SkipGate
        self.scAG1 = gate(8 * b, 16 * b // f)
        self.scAG2 = gate(4 * b, 8 * b // f)
        self.scAG3 = gate(2 * b, 4 * b // f)
        self.scAG4 = gate(b, 2 * b // f)

    def gated(self, number: int, skip: Tensor, decoder: Tensor) -> Tensor:
        """The skip (n, c, h, w) through its gate."""
        gates = (self.scAG1, self.scAG2, self.scAG3, self.scAG4)
        return gates[number - 1](skip, decoder)


class UNet2D_NAC(UNet2D_scAG):
    """Gated U-Net with a context block at its bottom."""

    def __init__(self, spec: NetworkSpec | None = None) -> None:
        super().__init__(spec or NetworkSpec(ModelType.NAC))
        self.bottleneck_nac = ContextBlock(16 * self.spec.base // (2 if self.spec.bilinear else 1))

    def bottom(self, x: Tensor) -> Tensor:
        """The coarsest level through the context block."""
        return self.bottleneck_nac(x)


_CLASSES: dict[ModelType, type[UNet2D]] = {
    ModelType.UNET: UNet2D,
    ModelType.SCAG: UNet2D_scAG,
    ModelType.NAC: UNet2D_NAC,
}


def build(spec: NetworkSpec) -> UNet2D:
    """A fresh network; seed torch before for the same weights."""
    return _CLASSES[spec.model](spec)
