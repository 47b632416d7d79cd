"""Teeth that the numbering missed and the photos show where the fitted arch leaves room for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from teethscape.dental.fdi import arch, jaw_of
from teethscape.dental.views import View
from teethscape.parametric.arch import Arch
from teethscape.parametric.camera import Camera
from teethscape.parametric.expected import expected_teeth
from teethscape.parametric.interface import Sight
from teethscape.parametric.rounds import IntImage, Photos, Round

#: Share of a tooth's place that no tooth of the model may cover in some photo: else its gap has closed, or it
#: stands behind its neighbours everywhere.  Gaps of nine rendered patients that had closed left up to 0.43.
_OPEN = 0.5
#: The same in the photo that shows the tooth, where a neighbour of the model may stand in for part of it: of
#: twenty teeth of rendered patients that the occlusal photo had lost at least 0.37 (two no photo showed).
_FREE = 0.3
#: Share of that free place which a photo must show as tooth: gaps of rendered patients had at most 0.26,
#: those teeth at least 0.64.
_TOOTH = 0.45
#: The same share over all photos, of a tooth that only the model claims: 0.07 in a gap of a rendered patient,
#: 0.34 to 0.70 of those teeth, 0.19 and more of a molar of case-a whose mask a network had half missed.
_SEEN = 0.13
#: The same share below which a photo shows nothing in the free place.
_EMPTY = 0.1
#: A tooth whose place is smaller than this share of the median tooth's is hidden in that photo.
_HIDDEN = 0.3


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

    @classmethod
    def of(cls, found: Round, photos: Photos) -> Scene:
        """Of a round."""
        return cls(found.arch, found.numbered.present, found.cameras, photos.sight, found.expected)


def overlooked(scene: Scene, absent: frozenset[int]) -> frozenset[int]:
    """Missing teeth in whose open place, between or behind two present ones, a photo shows a tooth.

    The prior knows where a missing tooth would stand beside its neighbours.  Second molars have but one:
    their occlusal photo must show them against the first molar, for a third molar that stands apart is none.

    Args:
        scene: the arch without them.
        absent: teeth that the user says are missing.
    """
    return frozenset(fdi for fdi in _beside(scene.present) - absent if _shown(scene, fdi))


def _beside(present: frozenset[int]) -> frozenset[int]:
    """Missing teeth between two present ones, or at the end of a row whose last two are present."""
    out: set[int] = set()
    for jaw in {jaw_of(fdi) for fdi in present}:
        row = arch(jaw)
        ends = (row[2], row[0], row[1]), (row[-3], row[-1], row[-2])
        trios = [*zip(row, row[1:], row[2:], strict=False), *ends]
        out |= {b for a, b, c in trios if b not in present and {a, c} <= present}
    return frozenset(out)


def doubtful_gaps(scene: Scene, teeth: frozenset[int]) -> frozenset[int]:
    """Those of some missing teeth in whose open place a photo shows something, be it a neighbour.

    Args:
        scene: the arch without them.
        teeth: FDI numbers.
    """
    return frozenset(fdi for fdi in teeth if _shown_in_open_place(scene, fdi) >= _EMPTY)


def empty_gaps(scene: Scene, teeth: frozenset[int]) -> frozenset[int]:
    """Those of some missing teeth in whose open place no photo shows anything.

    Args:
        scene: the arch without them.
        teeth: FDI numbers.
    """
    return frozenset(fdi for fdi in teeth if 0 <= _shown_in_open_place(scene, fdi) < _EMPTY)


def unseen(scene: Scene, teeth: frozenset[int]) -> frozenset[int]:
    """Those of some teeth of the model in whose place the photos hardly show any.

    Args:
        scene: the arch with them.
        teeth: FDI numbers.
    """
    return frozenset(fdi for fdi in teeth if _seen_share(scene, fdi) < _SEEN)


def _seen_share(scene: Scene, fdi: int) -> float:
    """Share of a model tooth's visible place that the photos show as tooth, by its size in each."""
    place, seen = 0.0, 0.0
    for view, expected in scene.expected.items():
        own, area = expected == fdi, _median_area(expected)
        place += own.sum() / area
        seen += (own & scene.sight[view].teeth).sum() / area
    return seen / place if place else 0.0


def _shown(scene: Scene, fdi: int) -> bool:
    """Whether a photo shows a tooth in the open gap of a missing one; another may have lost it."""
    row = arch(jaw_of(fdi))
    views = [v for v in scene.expected if v.is_occlusal or fdi not in (row[0], row[-1])]
    return _shown_in_open_place(scene, fdi, views) > _TOOTH


def _shown_in_open_place(scene: Scene, fdi: int, views: Iterable[View] = View) -> float:
    """Largest share of a missing tooth's free place that a photo shows as tooth; -1: no place is open."""
    found = [_free_place(scene, v, fdi) for v in views if v in scene.expected and jaw_of(fdi) in v.jaws]
    if not any(free >= _OPEN for free, _ in found):
        return -1.0
    return max(tooth for free, tooth in found if free >= _FREE)


def _free_place(scene: Scene, view: View, fdi: int) -> tuple[float, float]:
    """Share of a missing tooth's place that no tooth covers, and how much of that a photo shows as tooth."""
    expected = scene.expected[view]
    place = expected_teeth(scene.arch, scene.present | {fdi}, view, scene.cameras[view]) == fdi
    free = place & (expected == 0)
    if not free.any() or place.sum() < _HIDDEN * _median_area(expected):
        return 0.0, 0.0
    return float(free.sum() / place.sum()), float(scene.sight[view].teeth[free].mean())


def _median_area(expected: IntImage) -> float:
    """Of the model's teeth in a photo, px^2; infinite without any."""
    areas = np.unique(expected[expected > 0], return_counts=True)[1]
    return float(np.median(areas)) if len(areas) else np.inf
