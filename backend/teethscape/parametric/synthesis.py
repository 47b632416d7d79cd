"""Analysis by synthesis: the fitted teeth help to draw the photos' labels anew, which are fitted again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import jaw_of
from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.parametric.arch import Arch
from teethscape.parametric.camera import Camera
from teethscape.parametric.expected import expected_teeth
from teethscape.parametric.fit import AGAIN, WHOLE, Fit, iterations
from teethscape.parametric.interface import Sight
from teethscape.parametric.numbering.number import MARGIN
from teethscape.parametric.observations import UNNUMBERED
from teethscape.parametric.overlooked import Scene, overlooked
from teethscape.parametric.prior import load_prior
from teethscape.parametric.resighting import complete, resighted
from teethscape.parametric.result import Numbered
from teethscape.parametric.rounds import Agreement, Photos, Round

#: Most rounds of drawing and fitting.
ROUNDS = 2
#: Fit steps afresh and of all rounds, for the progress bar.
STEPS = iterations(WHOLE) + ROUNDS * AGAIN.iterations
#: Gain in likelihood, nats per px of tooth, below which a round is not followed by another.
_GAIN = 0.005
#: Least mean of two shares in each photo: of its clear tooth borders that the model explains, and of the
#: model's borders between teeth that the photo confirms.  Wrong numbers, given to rendered patients, left
#: up to 0.73 in some photo, once 0.77; right ones at least 0.74 with braces, whose edges look like borders of
#: teeth, and 0.84 without; case-a has 0.76 with a tenth of its teeth damaged.  A tooth lost from all photos
#: alike, with the rest of its row moved up, is not always told: that left up to 0.89.
_AGREED = 0.74
#: The same in occlusal photos, where no braces are: right numbers left 0.83 and more, most wrong ones at most
#: 0.78.
_AGREED_OCCLUSAL = 0.8
#: By how much more all photos must agree with a model that lacks a tooth and was taken because a photo belied
#: the first one: wrong ones of rendered patients, the best of three, had 0.01 and 0.03 more.
_LACKING = 0.035
#: Least share that an occlusal photo confirms: right numbers had 0.86 and more, wrong ones up to 0.82, once
#: 0.95.
_CONFIRMED = 0.84
#: Width, px at the size of the sight, of the brush that spreads pieces without a number over their borders.
_SPREAD = 7

IntImage = NDArray[np.int32]


@dataclass(frozen=True)
class Said:
    """What the user said of the teeth.

    Attributes:
        absent: FDI numbers of those that are missing.
        labels: the labels are the user's, who may count brackets to the teeth and leave out what cheeks
            hide: their own model is believed where no other start agrees better.
    """

    absent: frozenset[int] = frozenset()
    labels: bool = False


_NOTHING = Said()


def synthesised(
    start: tuple[Fit, Numbered],
    sight: Mapping[View, Sight],
    exif: Mapping[View, float | None],
    on_step: Callable[[], None],
    said: Said = _NOTHING,
) -> tuple[Fit, Numbered, dict[View, IntImage]]:
    """Draw the labels anew and fit again while that brings the model nearer to the photos.

    Args:
        start: a finished fit and its labels, of the size of the sight.
        sight: what the network saw in each photo.
        exif: focal length per view in px of the labels, None where unknown.
        on_step: called at every step of a fit; may raise to cancel.
        said: what the user said.

    Returns:
        The best fit, its labels, and the (h, w) FDI labels that the model draws in each photo.

    Raises:
        RefusedError: a photo shows many tooth borders where the model has none.
    """
    photos, absent = Photos(sight, exif, on_step), said.absent
    first = _completed(photos.look(*start), photos, absent)
    best = own = _afresh(first, photos)
    more = 0.0
    if doubtful(own.numbered) or _belied(own, photos) or (not said.labels and _belied(first, photos)):
        best = _reconsidered(own, photos, absent)
        more = _LACKING if _missing(best, absent) else 0.0
        _require_settled(best, absent)
    stands = said.labels and (best is own or _lead(best, photos) >= more)
    best, drawn = _settled(best, photos)
    if not stands:
        require_explained(best.expected, sight, more)
    return best.fit, best.numbered, drawn


def _afresh(found: Round, photos: Photos) -> Round:
    """The fit of new labels from mean teeth, so that nothing of the first labels' faults is left."""
    numbered = replace(found.numbered, labels=photos.drawn(found.expected))
    return photos.anew(numbered, found.fit.problem.prior, found.cameras)


def doubtful(numbered: Numbered) -> list[View]:
    """Photos of which the numbering was not sure."""
    return [view for view, lead in numbered.margin.items() if lead < MARGIN]


def _belied(found: Round, photos: Photos) -> bool:
    """Whether a photo belies the model."""
    return _lead(found, photos) < 0


def _lead(found: Round, photos: Photos) -> float:
    """By how much the photo that agrees least with the model agrees more than it must."""
    pairs = found.expected.items()
    return min(Agreement.of(labels, v, photos.sight[v]).mean - _must_agree(v) for v, labels in pairs)


def _must_agree(view: View) -> float:
    return _AGREED_OCCLUSAL if view.is_occlusal else _AGREED


def _reconsidered(found: Round, photos: Photos, absent: frozenset[int]) -> Round:
    """The best of the model, the same without the numbers of bite photos, and one of all teeth.

    The last is tried where the others lack a tooth, or the photos belie them.
    """
    others = [found, _completed(resighted(found, photos), photos, absent)]
    if _missing(others[1], absent) or all(_belied(other, photos) for other in others):
        others.append(_completed(complete(found, photos, load_prior(), absent), photos, absent))
    return max(others, key=lambda other: _lead(other, photos))


def _missing(found: Round, absent: frozenset[int]) -> frozenset[int]:
    """Teeth of the model's jaws that it lacks, though nobody said that they are missing."""
    return found.whole - absent - found.numbered.present


def _require_settled(best: Round, absent: frozenset[int]) -> None:
    """Refuse when a tooth of a doubtful occlusal photo's jaw is missing: nothing tells that it is that one.

    Raises:
        RefusedError: as the numbering would have.
    """
    jaws = {view.jaws[0] for view in doubtful(best.numbered) if view.is_occlusal}
    if best.numbered.doubt and any(jaw_of(fdi) in jaws for fdi in _missing(best, absent)):
        raise best.numbered.doubt


def _settled(best: Round, photos: Photos) -> tuple[Round, dict[View, IntImage]]:
    """Draw and fit while that helps: the best round and the labels that it draws."""
    drawn = photos.drawn(best.expected)
    for _ in range(ROUNDS):
        found = photos.again(best, drawn)
        if found.likelihood <= best.likelihood:
            break
        gain, best = found.likelihood - best.likelihood, found
        drawn = photos.drawn(best.expected)
        if gain < _GAIN:
            break
    return best, drawn


def require_explained(
    expected: Mapping[View, IntImage], sight: Mapping[View, Sight], more: float = 0.0
) -> None:
    """Refuse a model that leaves out, or parts otherwise, much of what a photo shows.

    Args:
        expected: (h, w) FDI numbers of the model's teeth per view.
        sight: what the network saw in each photo.
        more: by how much more than usual every photo must agree.

    Raises:
        RefusedError: the tooth borders of the model and those of a photo are too different.
    """
    agreed = {v: Agreement.of(labels, v, sight[v]) for v, labels in expected.items()}
    odd = [v for v in expected if v.is_occlusal and agreed[v].confirmed < _CONFIRMED]
    view = min(odd or agreed, key=lambda v: agreed[v].mean - _must_agree(v))
    worst = agreed[view]
    if odd or worst.mean < _must_agree(view) + more:
        raise RefusedError(
            "teeth_unexplained",
            f"The model has only {worst.explained:.0%} of the tooth borders in the {view.title} photo, and "
            f"the photo shows {worst.confirmed:.0%} of the model's: teeth are probably missing from it or "
            "numbered wrongly.",
            "Correct the masks (clicks), or retake the photo with dry teeth and even light.",
        )


def _completed(found: Round, photos: Photos, absent: frozenset[int]) -> Round:
    """The same, fitted again with the teeth that the numbering missed and a photo shows, if there are any."""
    present = found.numbered.present
    more = overlooked(Scene(found.arch, present, found.cameras, photos.sight, found.expected), absent)
    if not more:
        return found
    notices = [f"Tooth {fdi} has no label of its own, but a photo shows it." for fdi in sorted(more)]
    numbered = replace(found.numbered, present=present | more, notices=(*found.numbered.notices, *notices))
    whole = photos.look(found.fit, numbered)
    return photos.again(whole, photos.drawn(whole.expected))


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
