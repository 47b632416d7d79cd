"""Analysis by synthesis: the fitted teeth help to draw the photos' labels anew, which are fitted again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import jaw_of
from teethscape.dental.masks import ids_of
from teethscape.dental.views import View
from teethscape.parametric.explained import explains_more, lead_of, require_explained
from teethscape.parametric.fit import AGAIN, WHOLE, Fit, iterations
from teethscape.parametric.numbering.number import views_in_doubt
from teethscape.parametric.overlooked import Scene, doubtful_gaps, empty_gaps, overlooked
from teethscape.parametric.prior import load_prior
from teethscape.parametric.resighting import complete, filled, resighted
from teethscape.parametric.result import Numbered
from teethscape.parametric.rounds import Photos, Round

#: Most rounds of drawing and fitting.
ROUNDS = 2
#: Fit steps afresh and of all rounds, for the progress bar.
STEPS = iterations(WHOLE) + ROUNDS * AGAIN.iterations
#: Gain in likelihood, nats per px of tooth, below which a round is not followed by another.
_GAIN = 0.005
#: By how much more all photos must agree with a model that lacks a tooth and was taken because a photo belied
#: the first one: wrong ones of rendered patients, the best of three, had 0.01 and 0.03 more.
_LACKING = 0.035

IntImage = NDArray[np.int32]


@dataclass(frozen=True)
class Said:
    """What the user said of the teeth.

    Attributes:
        absent: FDI numbers of those that are missing.
        labels: the labels are the user's, who may count brackets to the teeth and leave out what cheeks
            hide: their own model is believed where no other start agrees better.
        named: (h, w) FDI numbers of the teeth that the user has named, 0 elsewhere; size of the sight.
    """

    absent: frozenset[int] = frozenset()
    labels: bool = False
    named: Mapping[View, IntImage] = field(default_factory=dict)


_NOTHING = Said()


def synthesised(
    start: tuple[Fit, Numbered],
    photos: Photos,
    said: Said = _NOTHING,
) -> tuple[Fit, Numbered, dict[View, IntImage]]:
    """Draw the labels anew and fit again while that brings the model nearer to the photos.

    Args:
        start: a finished fit and its labels, of the size of the sight.
        photos: what is known of them.
        said: what the user said.

    Returns:
        The best fit, its labels, and the (h, w) FDI labels that the model draws in each photo.

    Raises:
        RefusedError: a photo shows many tooth borders where the model has none.
    """
    absent = said.absent
    first = _completed(photos.look(*start), photos, absent)
    best = own = _afresh(first, photos)
    more = 0.0
    unsure = doubtful(own.numbered) or _unsettled(own, photos, absent)
    if unsure or _belied(own, photos) or (not said.labels and _belied(first, photos)):
        best = _reconsidered(own, photos, said)
        more = _LACKING if _missing(best, absent) else 0.0
        _require_settled(best, absent)
    stands = said.labels and (best is own or lead_of(best, photos) >= more)
    best, drawn = _settled(best, photos)
    if not stands:
        require_explained(best.expected, photos.sight, more)
    noted = _noted(best.numbered, start[1].present)
    contrary = tuple(
        f"The model does not hold the tooth that you named {fdi} in the {view.title} photo to be that one."
        for view, fdi in misnamed(best.expected, said.named)
    )
    return best.fit, replace(noted, notices=(*noted.notices, *contrary)), drawn


def supplemented(
    start: tuple[Fit, Numbered], photos: Photos, absent: frozenset[int]
) -> tuple[Fit, Numbered, dict[View, IntImage]]:
    """The fit of labels that carry the user's numbers, with teeth that they lack and a photo shows.

    Args:
        start: a finished fit and its labels, of any size.
        photos: what is known of them.
        absent: FDI numbers that the user says are missing.

    Returns:
        The fit, its labels, and the (h, w) FDI labels that the model draws in each photo; the given fit and
        no drawn labels where no photo shows another tooth.
    """
    first = photos.look(*start)
    whole = _filled(_completed(first, photos, absent), photos, absent)
    if whole is first:
        return *start, {}
    best, drawn = _settled(whole, photos)
    return best.fit, _noted(best.numbered, start[1].present), drawn


def _noted(numbered: Numbered, labelled: frozenset[int]) -> Numbered:
    """With a notice for every tooth that no label was found for."""
    more = sorted(numbered.present - labelled)
    notices = [f"Tooth {fdi} has no label of its own, but a photo shows it." for fdi in more]
    return replace(numbered, notices=(*numbered.notices, *notices))


def _afresh(found: Round, photos: Photos) -> Round:
    """The fit of new labels from mean teeth, so that nothing of the first labels' faults is left."""
    numbered = replace(found.numbered, labels=photos.drawn(found.expected))
    return photos.anew(numbered, found.fit.problem.prior, found.cameras, WHOLE)


def doubtful(numbered: Numbered) -> list[View]:
    """Photos of which the numbering was not sure."""
    return views_in_doubt(numbered.margin)


def _belied(found: Round, photos: Photos) -> bool:
    """Whether a photo belies the model."""
    return lead_of(found, photos) < 0


def _reconsidered(found: Round, photos: Photos, said: Said) -> Round:
    """The best of the model, the same without the numbers of bite photos, and one of all teeth.

    The last is tried where the others lack a tooth, or the photos belie them.  One that gives named teeth
    other numbers comes after those that do not.
    """
    absent = said.absent
    others = [_filled(found, photos, absent)]
    others.append(_filled(_completed(resighted(found, photos), photos, absent), photos, absent))
    if all(_missing(other, absent) or _belied(other, photos) for other in others):
        others.append(_completed(complete(found, photos, load_prior(), absent), photos, absent))
    return max(others, key=lambda other: (-len(misnamed(other.expected, said.named)), lead_of(other, photos)))


def misnamed(expected: Mapping[View, IntImage], named: Mapping[View, IntImage]) -> list[tuple[View, int]]:
    """Teeth that the user has named in a photo and a model holds to be others, by most of their pixels.

    Args:
        expected: per view, (h, w) FDI numbers of the model's teeth.
        named: per view, (h, w) FDI numbers that the user gave, 0 elsewhere.
    """
    out = []
    for view, names in named.items():
        for fdi in ids_of(names):
            own = expected[view][names == fdi]
            if 2 * ((own > 0) & (own != fdi)).sum() > len(own):
                out.append((view, fdi))
    return out


def _filled(found: Round, photos: Photos, absent: frozenset[int]) -> Round:
    """The same with the missing teeth whose place is in doubt, where a photo agrees better then."""
    more = _doubted(found, photos, absent)
    whole = filled(found, photos, more) if more else found
    return whole if more and explains_more(whole, found, photos) else found


def _missing(found: Round, absent: frozenset[int]) -> frozenset[int]:
    """Teeth of the model's jaws that it lacks, though nobody said that they are missing."""
    return found.whole - absent - found.numbered.present


def _doubted(found: Round, photos: Photos, absent: frozenset[int]) -> frozenset[int]:
    """Those of the missing teeth that may be there all the same."""
    return doubtful_gaps(Scene.of(found, photos), _missing(found, absent))


def _unsettled(found: Round, photos: Photos, absent: frozenset[int]) -> frozenset[int]:
    """Those of the missing teeth that leave no empty gap: it has closed, or a neighbour is drawn for two."""
    missing = _missing(found, absent)
    return missing - empty_gaps(Scene.of(found, photos), missing)


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


def _completed(found: Round, photos: Photos, absent: frozenset[int]) -> Round:
    """The same, fitted again with the teeth that the numbering missed and a photo shows, if there are any."""
    more = overlooked(Scene.of(found, photos), absent)
    return photos.with_teeth(found, found.numbered.present | more) if more else found
