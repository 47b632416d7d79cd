"""Runs the segmentation network with onnxruntime: pictures in, probability maps out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import PLACES
from teethscape.dental.masks import ids_of
from teethscape.dental.views import View
from teethscape.errors import BadInputError, MissingComponentError

FloatImage = NDArray[np.float32]
WEIGHTS = Path(__file__).parent / "data" / "segmenter.onnx"
#: Longer side in px at which a photo is first seen, by which its view is recognised too.
PLAIN_SIZE = 448
_STRIDE = 32
_OUTPUTS = ("maps", "kinds", "views", "turned")
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
        gum: (h, w) pixel belongs to a gum or the palate.
        kind: (7, h', w') place in the quadrant (1 central incisor ... 7 second molar), meaningful inside
            teeth; the same picture at about half the size.
    """

    tooth: FloatImage
    boundary: FloatImage
    energy: FloatImage
    upper: FloatImage
    gum: FloatImage
    kind: FloatImage

    @property
    def planes(self) -> tuple[FloatImage, ...]:
        """All maps of the full size, in order."""
        return self.tooth, self.boundary, self.energy, self.upper, self.gum

    @property
    def kind_weight(self) -> FloatImage:
        """(h', w') how surely there is a tooth where kinds are told, 0 to 0.5."""
        height, width = self.kind.shape[1:]
        small = cv2.resize(self.tooth, (width, height), interpolation=cv2.INTER_AREA)
        return np.maximum(small - 0.5, 0).astype(np.float32)

    def kinds_of(self, labels: NDArray[np.int32]) -> dict[int, FloatImage]:
        """Mean kind probabilities (7,) of every id but 0 in labels (h, w); even where too few pixels tell."""
        return mean_kinds(self.kind, labels)

    def flipped(self) -> PixelMaps:
        """Left and right swapped."""
        return PixelMaps.of([one[:, ::-1] for one in self.planes], self.kind[:, :, ::-1])

    @classmethod
    def of(cls, planes: Iterable[FloatImage], kind: FloatImage) -> PixelMaps:
        """From the maps of the full size, in order, and the kinds."""
        tooth, boundary, energy, upper, gum = (np.ascontiguousarray(one) for one in planes)
        return cls(tooth, boundary, energy, upper, gum, np.ascontiguousarray(kind))

    @classmethod
    def mean(cls, looks: Sequence[PixelMaps], size: tuple[int, int]) -> PixelMaps:
        """Of several looks at a photo, enlarged to a size (width, height)."""
        half = (max(size[0] // 2, 1), max(size[1] // 2, 1))
        planes = _mean_at([one.planes for one in looks], size)
        return cls.of(planes, _mean_at([tuple(one.kind) for one in looks], half))


def _mean_at(looks: Sequence[Sequence[FloatImage]], size: tuple[int, int]) -> FloatImage:
    """(c, h, w) mean over looks of c maps each, enlarged to a size (width, height)."""
    total = np.empty((len(looks[0]), size[1], size[0]), np.float32)
    for mean, first, *others in zip(total, *looks, strict=True):
        cv2.resize(first, size, dst=mean, interpolation=cv2.INTER_LINEAR)
        for values in others:
            mean += cv2.resize(values, size, interpolation=cv2.INTER_LINEAR)
    total /= len(looks)
    return total


def mean_kinds(kind: FloatImage, labels: NDArray[np.int32]) -> dict[int, FloatImage]:
    """Mean kind probabilities (7,) of every id but 0 in labels; even where too few pixels tell.

    Args:
        kind: (7, h', w') of a picture.
        labels: (h, w) of the same picture at any size.
    """
    height, width = kind.shape[1:]
    small = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST).ravel()
    count = np.bincount(small, minlength=int(labels.max()) + 1)
    total = np.array([np.bincount(small, one.ravel(), len(count)) for one in kind])
    mean = np.where(count > 0, total / np.maximum(count, 1), 1 / PLACES).astype(np.float32)
    return {i: mean[:, i] for i in ids_of(labels)}


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
        if {one.name for one in self._session.get_outputs()} != set(_OUTPUTS):
            raise BadInputError(
                "weights_differ",
                f"{path.name} is no segmentation network of this version.",
                "Give an ONNX file that `teethscape train segmenter` wrote.",
            )
        self.path = path
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._run_bytes)

    def run(self, pixels: NDArray[np.uint8]) -> tuple[PixelMaps, PictureGuess]:
        """Maps and guess for an RGB picture (h, w, 3) at its own size."""
        height, width = pixels.shape[:2]
        padded = np.zeros((-(-height // _STRIDE) * _STRIDE, -(-width // _STRIDE) * _STRIDE, 3), np.float32)
        top, left = (padded.shape[0] - height) // 2, (padded.shape[1] - width) // 2
        padded[top : top + height, left : left + width] = pixels.astype(np.float32) / 255
        image = np.ascontiguousarray(padded.transpose(2, 0, 1)[None])
        maps, kinds, views, turned = (np.asarray(a)[0] for a in self._session.run(_OUTPUTS, {"image": image}))
        guess = PictureGuess(views[: len(View)], float(views[len(View)]), float(turned[0]))
        # Kinds were taught at every second row and column, the odd ones.
        kind = kinds[:, top // 2 : (top + height) // 2, left // 2 : (left + width) // 2]
        return PixelMaps.of(maps[:, top : top + height, left : left + width], kind), guess

    def plain(self, pixels: NDArray[np.uint8]) -> tuple[PixelMaps, PictureGuess]:
        """Maps and guess for an RGB photo at ``PLAIN_SIZE``; remembered for the photos of a patient."""
        small = scaled(pixels, PLAIN_SIZE)
        return self._remembered(small.tobytes(), small.shape[0])

    def _run_bytes(self, pixels: bytes, height: int) -> tuple[PixelMaps, PictureGuess]:
        return self.run(np.frombuffer(pixels, np.uint8).reshape(height, -1, 3))

    def average(self, pixels: NDArray[np.uint8], size: int) -> PixelMaps:
        """Maps averaged over the plain look and ``GLANCES``, with the longer side at ``size`` px."""
        looks = [self.plain(pixels)[0], *(self._glimpse(pixels, glance) for glance in GLANCES)]
        return PixelMaps.mean(looks, scaled_size(pixels, size))

    def _glimpse(self, pixels: NDArray[np.uint8], glance: Glance) -> PixelMaps:
        """One more look, as seen in the photo."""
        picture = scaled(pixels, glance.long_side)
        if glance.lit:
            picture = evenly_lit(picture)
        if not glance.mirrored:
            return self.run(picture)[0]
        return self.run(np.ascontiguousarray(picture[:, ::-1]))[0].flipped()
