"""FDI numbers for arbitrary tooth instances."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from teethscape.dental.fdi import Jaws
from teethscape.dental.views import BITE_VIEWS, View, views_needed
from teethscape.errors import RefusedError
from teethscape.parametric.dentition import require_permanent
from teethscape.parametric.numbering.arch_view import ArchView
from teethscape.parametric.numbering.measure import NumberingView
from teethscape.parametric.numbering.mirror import require_unmirrored
from teethscape.parametric.numbering.photo_set import UNCERTAIN_ADVICE, PhotoSet, measure_set
from teethscape.parametric.numbering.result import Numbering, build_numbering
from teethscape.parametric.numbering.search import Found, Search
from teethscape.parametric.numbering.ticks import Ticks
from teethscape.parametric.prior import ToothPrior

#: Nats by which the best numbers of a bite photo, and of an occlusal one, must beat the next, chosen on 103
#: synthetic sets: which of two premolars is missing from a closed gap has been led wrongly by nearly 4.
_BITE_MARGIN, _OCCLUSAL_MARGIN = 1.5, 4.0


@dataclass(frozen=True)
class Asked:
    """What a numbering is to decide.

    Attributes:
        jaws: jaws to reconstruct.
        absent: FDI numbers that the user says are missing; no instance gets one of them.
        unsure: photos in which another numbering may be nearly as good, for what they show will decide.
        unmirrored: no photo is mirrored, the user says.
    """

    jaws: Jaws = Jaws.BOTH
    absent: frozenset[int] = frozenset()
    unsure: Collection[View] = ()
    unmirrored: bool = False


_BOTH_JAWS = Asked()


def number_teeth(
    views: Mapping[View, NumberingView],
    prior: ToothPrior,
    asked: Asked = _BOTH_JAWS,
    on_step: Callable[[float], None] = lambda _share: None,
) -> Numbering:
    """Number the instances of a set of photos.

    Args:
        views: instance labels of every photo that the jaws need.
        prior: the tooth prior.
        asked: what is wanted.
        on_step: called several times a second with the share of work done; may raise to cancel.

    Raises:
        RefusedError: too few teeth, a mirrored photo, a child's teeth, or two numberings that
            explain the set almost as well.
    """
    photos = measure_set({view: views[view] for view in views_needed(asked.jaws)}, prior, asked.absent)
    require_permanent(photos.found)
    found = _searched(photos, Ticks(on_step))
    mirrored = {} if asked.unmirrored else require_unmirrored(found.settled, photos.outline)
    require_sure(found, prior.fdi, asked.unsure)
    doubt = doubt_of(found, prior.fdi, BITE_VIEWS)
    return replace(build_numbering(photos, found, asked.jaws), doubt=doubt, mirrored=mirrored)


def _searched(photos: PhotoSet, ticks: Ticks) -> Found:
    """The best numbering; if one begun from the likeliest numbers alone is doubtful, from all proposals."""
    for thorough in (False, True):
        arches = {view.jaws[0]: ArchView(photos, view) for view in photos.views if view.is_occlusal}
        search = Search(photos, arches, ticks, thorough)
        found = search.run()
        if not search.brief or not views_in_doubt(found.margin):
            break
    return found


def require_sure(found: Found, fdi: Sequence[int], unsure: Collection[View] = ()) -> None:
    """Refuse when another numbering is nearly as good, and say which teeth it is about.

    Args:
        found: the best numbering and its rivals.
        fdi: FDI numbers in the order of the prior.
        unsure: photos that may be doubtful if the others are not.

    Raises:
        RefusedError: the lead is too small.
    """
    doubt = doubt_of(found, fdi, unsure)
    if doubt is not None:
        raise doubt


def views_in_doubt(margin: Mapping[View, float]) -> list[View]:
    """Photos whose numbers lead the next ones by too few nats."""
    return [v for v, lead in margin.items() if lead < (_OCCLUSAL_MARGIN if v.is_occlusal else _BITE_MARGIN)]


def doubt_of(found: Found, fdi: Sequence[int], unsure: Collection[View]) -> RefusedError | None:
    """What :func:`require_sure` refuses with, or None."""
    doubtful = views_in_doubt(found.margin)
    if set(doubtful) <= set(unsure):
        return None
    names = " and ".join(view.title for view in doubtful)
    message = f"The teeth in the {names} photo can be numbered in more than one way"
    pairs = {pair for view in doubtful if (pair := _either(found, view, fdi))}
    if len(pairs) == 1:
        one, two = pairs.pop()
        return RefusedError(
            "numbering_uncertain",
            f"{message}: tooth {one} or tooth {two} is missing.",
            f"Say which (--absent {one} or --absent {two}, or mark it in the sidebar), "
            "click a tooth and give its number, or give masks with FDI numbers. If neither is missing, "
            "the photo may cut the row off: retake it with all teeth in it.",
        )
    return RefusedError("numbering_uncertain", f"{message}.", UNCERTAIN_ADVICE)


def _either(found: Found, view: View, fdi: Sequence[int]) -> tuple[int, int] | None:
    """The two teeth of which one is missing, if that is all in which the best two numberings differ."""
    tooth = found.settled.guess.views[view].tooth
    now, other = {int(t) for t in tooth if t >= 0}, found.rival.get(view, frozenset())
    ours, theirs = now - other, other - now
    if len(ours) != 1 or len(theirs) != 1:
        return None
    one, two = sorted((fdi[ours.pop()], fdi[next(iter(theirs))]))
    return one, two
