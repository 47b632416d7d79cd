"""Runs the segmentation network with onnxruntime: pictures in, probability maps out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
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
#: Longer side in px at which a photo is first seen, by which its view is recognised too.
PLAIN_SIZE = 448
_STRIDE = 32
#: Photos whose first look is remembered: those of one patient.
_REMEMBERED = len(View)
#: The same at each of four sizes.
_REMEMBERED_SIZES = 4 * _REMEMBERED


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
    def layers(self) -> tuple[FloatImage, ...]:
        """All twelve maps, as :meth:`of` takes them."""
        return self.tooth, self.boundary, self.energy, self.upper, *self.kind, self.gum

    def cropped(self, box: tuple[slice, slice]) -> PixelMaps:
        """The rows and columns of a box."""
        kind = self.kind[(slice(None), *box)]
        return PixelMaps(
            self.tooth[box], self.boundary[box], self.energy[box], self.upper[box], kind, self.gum[box]
        )

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


@dataclass(frozen=True)
class Glance:
    """One more way to look at a photo after the plain one.

    Attributes:
        long_side: longer side in px.
        lit: with dark regions lifted.
        mirrored: left and right swapped, and the maps swapped back.
    """

    long_side: int
    lit: bool
    mirrored: bool


#: What is averaged with the plain one.  Twice as many, each also in its opposite, gave the same
#: scores on photos the network had not seen.
GLANCES = (Glance(576, lit=False, mirrored=True), Glance(736, lit=True, mirrored=False))


class _Picture:
    """A picture told from others by which array it is: comparing pixels costs as much as scaling them."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.pixels = pixels

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Picture) and self.pixels is other.pixels

    def __hash__(self) -> int:
        return id(self.pixels)


def scaled(pixels: NDArray[np.uint8], long_side: int) -> NDArray[np.uint8]:
    """The picture with its longer side at ``long_side`` px, read-only.

    Recognition, quality, network and drawing ask for the same sizes, so those of a patient's photos are
    remembered: ``pixels`` must not be changed afterwards.
    """
    return _scaled(_Picture(pixels), long_side)


@lru_cache(maxsize=_REMEMBERED_SIZES)
def _scaled(picture: _Picture, long_side: int) -> NDArray[np.uint8]:
    pixels = picture.pixels
    method = cv2.INTER_AREA if long_side < max(pixels.shape[:2]) else cv2.INTER_LINEAR
    out = cv2.resize(pixels, scaled_size(pixels, long_side), interpolation=method).astype(np.uint8)
    out.flags.writeable = False
    return out


def scaled_size(pixels: NDArray[np.uint8], long_side: int) -> tuple[int, int]:
    """Width and height of the picture with its longer side at ``long_side`` px."""
    height, width = pixels.shape[:2]
    factor = long_side / max(height, width)
    return max(round(width * factor), 1), max(round(height * factor), 1)


def evenly_lit(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with dark regions lifted: the last molars lie in shadow."""
    light = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32) + 8
    # So wide a blur leaves nothing finer than a few pixels: a quarter of the size does.
    height, width = light.shape
    size = (max(width // 4, 1), max(height // 4, 1))
    quarter = cv2.resize(light, size, interpolation=cv2.INTER_AREA)
    wide = cv2.GaussianBlur(quarter, (0, 0), 0.05 * max(quarter.shape))
    local = cv2.resize(wide, (width, height), interpolation=cv2.INTER_LINEAR)
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
        # One thread needs a sixth less processor time than two; pictures may be run side by side.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # Planned per size, memory is not shared between the sizes of one patient's pictures.
        options.enable_mem_pattern = False
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.path = path
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._run_bytes)

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

    def plain(self, pixels: NDArray[np.uint8]) -> tuple[PixelMaps, PictureGuess]:
        """Maps and guess for an RGB photo at ``PLAIN_SIZE``; remembered for the photos of a patient."""
        small = scaled(pixels, PLAIN_SIZE)
        return self._remembered(small.tobytes(), small.shape[0])

    def _run_bytes(self, pixels: bytes, height: int) -> tuple[PixelMaps, PictureGuess]:
        return self.run(np.frombuffer(pixels, np.uint8).reshape(height, -1, 3))

    def average(self, pixels: NDArray[np.uint8], size: int) -> PixelMaps:
        """Maps averaged over the plain look and ``GLANCES``, with the longer side at ``size`` px."""
        width, height = scaled_size(pixels, size)
        total = np.empty((4 + KINDS + 1, height, width), np.float32)
        for one, values in zip(total, self.plain(pixels)[0].layers, strict=True):
            cv2.resize(values, (width, height), dst=one, interpolation=cv2.INTER_LINEAR)
        for glance in GLANCES:
            for one, values in zip(total, self._glimpse(pixels, glance), strict=True):
                one += cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)
        total /= 1 + len(GLANCES)
        return PixelMaps.of(total)

    def _glimpse(self, pixels: NDArray[np.uint8], glance: Glance) -> tuple[FloatImage, ...]:
        """All maps of one more look, as seen in the photo."""
        picture = scaled(pixels, glance.long_side)
        if glance.lit:
            picture = evenly_lit(picture)
        if not glance.mirrored:
            return self.run(picture)[0].layers
        mirrored = self.run(np.ascontiguousarray(picture[:, ::-1]))[0]
        return tuple(np.ascontiguousarray(values[:, ::-1]) for values in mirrored.layers)
