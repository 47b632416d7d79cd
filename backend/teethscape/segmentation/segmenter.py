"""Tooth instances from photographs: the interface that the engine and ``teethscape segment`` use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw
from teethscape.dental.views import View
from teethscape.segmentation.instances import cut_instances
from teethscape.segmentation.network import FloatImage, PixelMaps, SegmentationRuntime, mean_kinds, scaled
from teethscape.segmentation.patient_colour import Cells, PatientColour, colour_cells, learn_colours, refine
from teethscape.segmentation.redraw import ToothMaps, at_photo_size
from teethscape.segmentation.region_graph import boxes_of

#: Longer side in px at which instances are cut.
WORKING_SIZE = 800


@dataclass(frozen=True)
class Segmentation:
    """Teeth of one photo.

    Attributes:
        view: the view that was assumed.
        instances: (h, w) photo pixels, tooth ids 1..n, 0 none.
        jaw_of: jaw of each id.
        confidence: 0-1 per id.
        kind_of: probability of each place in the quadrant (7,), central incisor to second molar, per id.
        kind: (7, h', w') the same all over the photo, meaningful inside teeth, at a smaller size.
        maps: what the network saw, at the working size.
        gum: (h, w) photo pixels, true on gums and palate.
    """

    view: View
    instances: NDArray[np.int32]
    jaw_of: dict[int, Jaw]
    confidence: dict[int, float]
    kind_of: dict[int, NDArray[np.float32]]
    kind: FloatImage
    maps: ToothMaps
    gum: NDArray[np.bool_]

    def kinds_of(self, labels: NDArray[np.int32]) -> dict[int, NDArray[np.float32]]:
        """Probability of each place in the quadrant (7,) of other labels (h, w) of the photo."""
        return self.kind_of if labels is self.instances else mean_kinds(self.kind, labels)


@dataclass(frozen=True)
class _Seen:
    """Colours of a photo at the working size, and the network's maps."""

    cells: Cells
    maps: PixelMaps


@dataclass(frozen=True)
class _Tooth:
    """One instance with its surroundings cut out of the maps (``PixelMaps``)."""

    mask: NDArray[np.bool_]
    upper: FloatImage
    boundary: FloatImage
    chance: FloatImage


def _teeth(labels: NDArray[np.int32], maps: PixelMaps, chance: FloatImage) -> dict[int, _Tooth]:
    """Every instance by its id."""
    found = {}
    for i, box in boxes_of(labels).items():
        found[i] = _Tooth(labels[box] == i, maps.upper[box], maps.boundary[box], chance[box])
    return found


def _jaw(tooth: _Tooth, view: View) -> Jaw:
    """Jaw of an instance; an occlusal photo is about its own jaw unless the network is very sure."""
    chance = float(tooth.upper[tooth.mask].mean())
    if view.is_occlusal:
        own = view.jaws[0]
        against = 1 - chance if own is Jaw.UPPER else chance
        other = Jaw.LOWER if own is Jaw.UPPER else Jaw.UPPER
        return other if against > 0.97 else own
    return Jaw.UPPER if chance >= 0.5 else Jaw.LOWER


def _confidence(tooth: _Tooth) -> float:
    """How sure: mean tooth probability inside times how well the outline is seen as a border."""
    rim = cv2.morphologyEx(tooth.mask.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    outline = float(cv2.dilate(tooth.boundary, np.ones((5, 5), np.uint8))[rim].mean())
    return float(np.clip(float(tooth.chance[tooth.mask].mean()) * np.sqrt(max(outline, 0.0)), 0.0, 1.0))


def _gum(gum: FloatImage, tooth: FloatImage, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Gum at the photo's size (height, width), where no tooth is likelier."""
    # Levels of a byte are fine enough for a border, and enlarged in a fifth of the time.
    levels = (cv2.convertScaleAbs(chance, alpha=255) for chance in (gum, tooth))
    soft, hard = (cv2.resize(level, size[::-1], interpolation=cv2.INTER_LINEAR) for level in levels)
    return (soft > 127) & (hard <= 127)


class Segmenter:
    """The segmentation network with all that follows it.

    Example:
        segmentation = Segmenter.load().segment(photo.pixels, View.ANTERIOR)
    """

    def __init__(self, runtime: SegmentationRuntime) -> None:
        self.runtime = runtime

    @classmethod
    def load(cls, weights: Path | None = None) -> Segmenter:
        """Load the weights that ship with Teethscape, or others.

        Raises:
            MissingComponentError: the weights are not there.
        """
        return cls(SegmentationRuntime(weights))

    def segment(self, pixels: NDArray[np.uint8], view: View) -> Segmentation:
        """Teeth of one upright photo (h, w, 3) RGB; :meth:`segment_all` is better for a whole patient."""
        return self.segment_all({view: pixels})[view]

    def segment_all(self, photos: Mapping[View, NDArray[np.uint8]]) -> dict[View, Segmentation]:
        """Teeth of all photos of one patient, whose colours are learnt from all of them."""
        # One after the other: side by side they need a third more processor time.
        seen = {view: self._look(pixels) for view, pixels in photos.items()}
        colour = learn_colours([(s.cells, s.maps.tooth) for s in seen.values()])
        return {view: self._finish(seen[view], view, photos[view].shape[:2], colour) for view in photos}

    def _look(self, pixels: NDArray[np.uint8]) -> _Seen:
        """Run the network over sizes, light and mirror images."""
        maps = self.runtime.average(pixels, WORKING_SIZE)
        return _Seen(colour_cells(scaled(pixels, WORKING_SIZE)), maps)

    def _finish(self, seen: _Seen, view: View, size: tuple[int, ...], colour: PatientColour) -> Segmentation:
        """Cut instances and describe each."""
        maps = seen.maps
        chance = refine(seen.cells, maps.tooth, colour)
        small = cut_instances(maps, chance)
        teeth = _teeth(small, maps, chance)
        instances = at_photo_size(small, chance, (size[0], size[1]))
        return Segmentation(
            view,
            instances,
            {i: _jaw(tooth, view) for i, tooth in teeth.items()},
            {i: _confidence(tooth) for i, tooth in teeth.items()},
            maps.kinds_of(small),
            maps.kind,
            ToothMaps.of(maps, chance),
            _gum(maps.gum, chance, instances.shape),
        )
