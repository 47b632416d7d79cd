"""Runs the segmentation network with onnxruntime: pictures in, probability maps out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental.views import View
from teethscape.errors import MissingComponentError

FloatImage = NDArray[np.float32]
WEIGHTS = Path(__file__).parent / "data" / "segmenter.onnx"
#: Tooth kinds 1-7: FDI number modulo 10.
KINDS = 7
_STRIDE = 32
_THREADS = 2


@dataclass(frozen=True)
class PixelMaps:
    """Probabilities per pixel of one photo at a working size.

    Attributes:
        tooth: (h, w) pixel belongs to a tooth.
        boundary: (h, w) pixel lies on the border of a tooth.
        energy: (h, w) distance to the tooth's border, 1 at its middle.
        upper: (h, w) tooth of the upper jaw, meaningful inside teeth.
        kind: (7, h, w) place in the quadrant (1 central incisor ... 7 second molar), meaningful inside teeth.
        gum: (h, w) pixel belongs to a gum or the palate; 0 from a network that was not taught gums.
    """

    tooth: FloatImage
    boundary: FloatImage
    energy: FloatImage
    upper: FloatImage
    kind: FloatImage
    gum: FloatImage

    @property
    def stacked(self) -> FloatImage:
        """All maps as (12, h, w)."""
        first = np.stack([self.tooth, self.boundary, self.energy, self.upper])
        return np.concatenate([first, self.kind, self.gum[None]])

    @classmethod
    def of(cls, maps: FloatImage) -> PixelMaps:
        """From (12, h, w), or (11, h, w) of a network that was not taught gums."""
        gum = maps[4 + KINDS] if len(maps) > 4 + KINDS else np.zeros_like(maps[0])
        return cls(maps[0], maps[1], maps[2], maps[3], maps[4 : 4 + KINDS], gum)


@dataclass(frozen=True)
class PictureGuess:
    """What the whole picture seems to be.

    Attributes:
        views: (5,) probability of each view.
        none: probability that it shows no teeth.
        turned: probability that it is upside down.
    """

    views: NDArray[np.float32]
    none: float
    turned: float

    @property
    def best(self) -> View:
        """The likeliest view."""
        return View(int(np.argmax(self.views)))


def scaled(pixels: NDArray[np.uint8], long_side: int) -> NDArray[np.uint8]:
    """The picture with its longer side at ``long_side`` px."""
    height, width = pixels.shape[:2]
    factor = long_side / max(height, width)
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return cv2.resize(pixels, size, interpolation=method).astype(np.uint8)


def evenly_lit(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with dark regions lifted: the last molars lie in shadow."""
    light = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32) + 8
    local = cv2.GaussianBlur(light, (0, 0), 0.05 * max(light.shape))
    gain = np.clip((float(np.percentile(local, 80)) / local) ** 0.6, 1.0, 2.5)
    return np.clip(pixels * gain[..., None], 0, 255).astype(np.uint8)


class SegmentationRuntime:
    """The network, loaded once."""

    def __init__(self, weights: Path | None = None) -> None:
        path = weights or WEIGHTS
        if not path.is_file():
            raise MissingComponentError(
                "segmenter_missing",
                f"The segmentation network {path.name} is not there.",
                "Install the engine again, or train it with: teethscape train segmenter",
            )
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = _THREADS
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry(
            "session.intra_op.allow_spinning", "0"
        )  # waiting costs processor time
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.path = path

    @property
    def knows_gum(self) -> bool:
        """Whether the network was taught gums; else their map is 0 and says nothing."""
        return self._session.get_outputs()[0].shape[1] == 4 + KINDS + 1

    def run(self, pixels: NDArray[np.uint8]) -> tuple[PixelMaps, PictureGuess]:
        """Maps and guess for an RGB picture (h, w, 3) at its own size."""
        height, width = pixels.shape[:2]
        padded = np.zeros((-(-height // _STRIDE) * _STRIDE, -(-width // _STRIDE) * _STRIDE, 3), np.float32)
        top, left = (padded.shape[0] - height) // 2, (padded.shape[1] - width) // 2
        padded[top : top + height, left : left + width] = pixels.astype(np.float32) / 255
        image = np.ascontiguousarray(padded.transpose(2, 0, 1)[None])
        maps, views, turned = (np.asarray(a) for a in self._session.run(None, {"image": image}))
        inside = maps[0, :, top : top + height, left : left + width]
        guess = PictureGuess(views[0, : len(View)], float(views[0, len(View)]), float(turned[0, 0]))
        return PixelMaps.of(inside), guess

    def average(self, pixels: NDArray[np.uint8], long_sides: tuple[int, ...], size: int) -> PixelMaps:
        """Maps averaged over scales, each once plain and once evenly lit, one of the two mirrored."""
        height, width = scaled(pixels, size).shape[:2]
        total = np.zeros((4 + KINDS + 1, height, width), np.float32)
        for number, long_side in enumerate(long_sides):
            picture = scaled(pixels, long_side)
            mirrored, straight = picture, evenly_lit(picture)
            if number % 2:
                mirrored, straight = straight, mirrored
            flipped = self.run(np.ascontiguousarray(mirrored[:, ::-1]))[0].stacked[..., ::-1]
            mean = (self.run(straight)[0].stacked + flipped) / 2
            for channel, values in enumerate(mean):
                total[channel] += cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)
        return PixelMaps.of(np.asarray(total / len(long_sides), np.float32))
