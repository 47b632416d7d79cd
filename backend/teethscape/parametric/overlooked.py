"""Teeth that the numbering missed and the photos show where the fitted arch leaves room for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import arch, jaw_of
from teethscape.dental.views import View
from teethscape.parametric.arch import Arch
from teethscape.parametric.camera import Camera
from teethscape.parametric.expected import expected_teeth
from teethscape.parametric.interface import Sight

#: Share of a tooth's place that no tooth of the model may cover.  Gaps of nine rendered patients that had
#: closed left up to 0.43.
_FREE = 0.5
#: Share of that free place which a photo must show as tooth: open gaps of rendered patients had at most 0.23,
#: teeth that were there at least 0.8.
_TOOTH = 0.6
#: A tooth whose place is smaller than this share of the median tooth's is hidden in that photo.
_HIDDEN = 0.3

IntImage = NDArray[np.int32]


@dataclass(frozen=True)
class Scene:
    """A fitted arch before its cameras.

    Attributes:
        arch: the teeth.
        present: FDI numbers of those that exist.
        cameras: per view, px of its sight.
        sight: what the network saw.
        expected: per view, (h, w) FDI numbers of the present teeth, 0 none.
    """

    arch: Arch
    present: frozenset[int]
    cameras: Mapping[View, Camera]
    sight: Mapping[View, Sight]
    expected: Mapping[View, IntImage]


def overlooked(scene: Scene, absent: frozenset[int]) -> frozenset[int]:
    """Missing teeth between two present ones in whose place the photos show a tooth.

    The prior knows where a missing tooth would stand between its neighbours. Second molars, which have
    one neighbour, are left to the numbering: a third molar may stand in their place.

    Args:
        scene: the arch without them.
        absent: teeth that the user says are missing.
    """
    return frozenset(fdi for fdi in _between(scene.present) - absent if _shown(scene, fdi))


def _between(present: frozenset[int]) -> frozenset[int]:
    """Missing teeth whose neighbours on both sides are present."""
    out: set[int] = set()
    for jaw in {jaw_of(fdi) for fdi in present}:
        row = arch(jaw)
        trios = zip(row, row[1:], row[2:], strict=False)
        out |= {b for a, b, c in trios if b not in present and {a, c} <= present}
    return frozenset(out)


def _shown(scene: Scene, fdi: int) -> bool:
    """Whether a photo shows a tooth in the free place of a missing one; another may have lost it."""
    return any(_shown_in(scene, view, fdi) for view in scene.expected if jaw_of(fdi) in view.jaws)


def _shown_in(scene: Scene, view: View, fdi: int) -> bool:
    expected = scene.expected[view]
    place = expected_teeth(scene.arch, scene.present | {fdi}, view, scene.cameras[view]) == fdi
    areas = np.unique(expected[expected > 0], return_counts=True)[1]
    free = place & (expected == 0)
    if not len(areas) or place.sum() < _HIDDEN * np.median(areas) or free.sum() < _FREE * place.sum():
        return False
    return bool(scene.sight[view].teeth[free].mean() > _TOOTH)
