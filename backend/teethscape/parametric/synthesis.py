"""Analysis by synthesis: the fitted teeth help to draw the photos' labels anew, which are fitted again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.parametric.arch import Arch
from teethscape.parametric.camera import Camera
from teethscape.parametric.expected import expected_teeth
from teethscape.parametric.fit import AGAIN, Evidence, Fit, fit_again
from teethscape.parametric.interface import Sight
from teethscape.parametric.observations import UNNUMBERED
from teethscape.parametric.overlooked import Scene, overlooked
from teethscape.parametric.result import Numbered

#: Most rounds of drawing and fitting.
ROUNDS = 2
#: Fit steps of all rounds and of one for overlooked teeth, for the progress bar.
STEPS = (ROUNDS + 1) * AGAIN.iterations
#: Gain in likelihood, nats per px of tooth, below which a round is not followed by another.
_GAIN = 0.005
#: Least mean of two shares in each photo: of its clear tooth borders that the model explains, and of the
#: model's borders between teeth that the photo confirms.  Wrong numbers, given to rendered patients, left
#: up to 0.73 in some photo, once 0.77; right ones at least 0.74 with braces, whose edges look like borders of
#: teeth, and 0.87 without; case-a has 0.76 with a tenth of its teeth damaged.
_AGREED = 0.74
#: Least share that an occlusal photo confirms: right numbers had 0.86 and more, wrong ones up to 0.82, once
#: 0.95.
_CONFIRMED = 0.84
#: Width, px at the size of the sight, of the brush that spreads pieces without a number over their borders.
_SPREAD = 7

IntImage = NDArray[np.int32]


@dataclass(frozen=True)
class _Round:
    """A fit with the labels it came from and what it looks like.

    Attributes:
        fit: the fit.
        numbered: labels in FDI numbers.
        cameras: per view, px of the sight.
        expected: (h, w) FDI numbers of the model's teeth per view, in the size of the sight.
        likelihood: mean over the photos of how well the model agrees with what the network saw.
    """

    fit: Fit
    numbered: Numbered
    cameras: Mapping[View, Camera]
    expected: Mapping[View, IntImage]
    likelihood: float


def synthesised(
    start: tuple[Fit, Numbered],
    sight: Mapping[View, Sight],
    exif: Mapping[View, float | None],
    on_step: Callable[[], None],
    absent: frozenset[int] = frozenset(),
) -> tuple[Fit, Numbered, dict[View, IntImage]]:
    """Draw the labels anew and fit again while that brings the model nearer to the photos.

    Args:
        start: a finished fit and its labels, of the size of the sight.
        sight: what the network saw in each photo.
        exif: focal length per view in px of the labels, None where unknown.
        on_step: called at every step of a fit; may raise to cancel.
        absent: teeth that the user says are missing.

    Returns:
        The best fit, its labels, and the (h, w) FDI labels that the model draws in each photo.

    Raises:
        RefusedError: a photo shows many tooth borders where the model has none.
    """
    clarity = clarity_of(sight)

    def again(found: _Round, drawn: Mapping[View, IntImage]) -> _Round:
        fit = fit_again(Evidence(drawn, found.numbered.present, exif, clarity), found.fit, on_step)
        return _round(fit, replace(found.numbered, labels=drawn), sight)

    best = _completed(_round(*start, sight), sight, absent, again)
    drawn = _drawn(best, sight)
    for _ in range(ROUNDS):
        found = again(best, drawn)
        if found.likelihood <= best.likelihood:
            break
        gain, best = found.likelihood - best.likelihood, found
        drawn = _drawn(best, sight)
        if gain < _GAIN:
            break
    require_explained(best.expected, sight)
    return best.fit, best.numbered, drawn


def clarity_of(sight: Mapping[View, Sight]) -> dict[View, NDArray[np.float32]]:
    """How clear a tooth border is at each pixel of each photo."""
    return {view: seen.clarity for view, seen in sight.items()}


def require_explained(expected: Mapping[View, IntImage], sight: Mapping[View, Sight]) -> None:
    """Refuse a model that leaves out, or parts otherwise, much of what a photo shows.

    Raises:
        RefusedError: the tooth borders of the model and those of a photo are too different.
    """
    explained = {v: sight[v].explained(labels, v.is_occlusal) for v, labels in expected.items()}
    confirmed = {v: sight[v].confirmed(labels) for v, labels in expected.items()}
    agreed = {v: (explained[v] + confirmed[v]) / 2 for v in expected}
    odd = [v for v in expected if v.is_occlusal and confirmed[v] < _CONFIRMED]
    view = min(odd or agreed, key=lambda v: agreed[v])
    if odd or agreed[view] < _AGREED:
        raise RefusedError(
            "teeth_unexplained",
            f"The model has only {explained[view]:.0%} of the tooth borders in the {view.title} photo, and "
            f"the photo shows {confirmed[view]:.0%} of the model's: teeth are probably missing from it or "
            "numbered wrongly.",
            "Correct the masks (clicks), or retake the photo with dry teeth and even light.",
        )


def _drawn(found: _Round, sight: Mapping[View, Sight]) -> dict[View, IntImage]:
    """New labels per view."""
    return {view: sight[view].redrawn(labels) for view, labels in found.expected.items()}


def _round(fit: Fit, numbered: Numbered, sight: Mapping[View, Sight]) -> _Round:
    shots = zip(fit.problem.observations, fit.state.cameras, strict=True)
    cameras = {o.view: camera.resized(*sight[o.view].size) for o, camera in shots}
    arch = Arch(fit.problem.prior, fit.state.arch)
    expected = {
        view: expected_teeth(arch, numbered.present, view, camera) for view, camera in cameras.items()
    }
    likelihood = np.mean([sight[view].likelihood(labels) for view, labels in expected.items()])
    return _Round(fit, numbered, cameras, expected, float(likelihood))


def _completed(
    found: _Round,
    sight: Mapping[View, Sight],
    absent: frozenset[int],
    again: Callable[[_Round, Mapping[View, IntImage]], _Round],
) -> _Round:
    """The same, fitted again with the teeth that the numbering missed and a photo shows, if there are any."""
    present = found.numbered.present
    arch = Arch(found.fit.problem.prior, found.fit.state.arch)
    more = overlooked(Scene(arch, present, found.cameras, sight, found.expected), absent)
    if not more:
        return found
    notices = [f"Tooth {fdi} has no label of its own, but a photo shows it." for fdi in sorted(more)]
    numbered = replace(found.numbered, present=present | more, notices=(*found.numbered.notices, *notices))
    whole = _round(found.fit, numbered, sight)
    return again(whole, _drawn(whole, sight))


def drawn_by_numbering(
    numbered: Numbered,
    pieces: Mapping[View, IntImage],
    arch: Arch,
    cameras: Mapping[View, Camera],
    sight: Mapping[View, Sight],
) -> Numbered:
    """Labels drawn anew before the first fit, with the rough teeth that the numbering found.

    A label that has a number says where its tooth is; the rough model adds what it lacks, the teeth that
    have no label, and whose the smaller pieces are where several got one number.

    Args:
        numbered: the numbers.
        pieces: (h, w) ids of the labels as they were cut, any size.
        arch: rough teeth.
        cameras: a rough camera per view.
        sight: what the network saw in each photo.
    """
    drawn = {}
    for view, ids in pieces.items():
        size = sight[view].size
        rough = expected_teeth(arch, numbered.present, view, cameras[view].resized(*size))
        own = _largest_pieces(ids, numbered.numbering[view])
        own = cv2.resize(own.astype(np.float32), size, interpolation=cv2.INTER_NEAREST).astype(np.int32)
        drawn[view] = sight[view].redrawn(np.where(own > 0, own, rough).astype(np.int32))
    return replace(numbered, labels=drawn)


def doubted(numbered: Numbered, pieces: Mapping[View, IntImage]) -> dict[View, IntImage]:
    """Labels for the first fit, with ``UNNUMBERED`` where a tooth was drawn over a piece without a number.

    The numbering could not tell whose such a piece is, so it must not pull at the fit, and where it borders
    on a tooth nobody knows that tooth's outline.  The fitted model tells.

    Args:
        numbered: labels drawn by :func:`drawn_by_numbering`.
        pieces: (h, w) ids of the labels as they were cut, any size.
    """
    out = {}
    for view, labels in numbered.labels.items():
        known = np.isin(pieces[view], [0, *numbered.numbering[view]])
        loose = cv2.resize((~known).astype(np.uint8), labels.shape[::-1], interpolation=cv2.INTER_NEAREST)
        loose = cv2.dilate(loose, np.ones((_SPREAD, _SPREAD), np.uint8)) > 0
        out[view] = np.where(loose & (labels > 0), UNNUMBERED, labels).astype(np.int32)
    return out


def _largest_pieces(ids: IntImage, numbers: Mapping[int, int]) -> IntImage:
    """(h, w) FDI number of every tooth's largest piece, 0 elsewhere."""
    areas = np.bincount(ids.ravel(), minlength=max(numbers, default=0) + 1)
    largest = {fdi: i for i, fdi in sorted(numbers.items(), key=lambda pair: areas[pair[0]])}
    table = np.zeros(len(areas), np.int32)
    table[list(largest.values())] = list(largest)
    return table[ids]
