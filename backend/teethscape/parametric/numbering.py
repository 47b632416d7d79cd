"""FDI numbers for arbitrary tooth instances: the occlusal views first, then the bite views.

An occlusal photo shows a whole arch, so counts, gaps and sizes number it
(:mod:`numbering_occlusal`). A bite view may begin at any tooth; its candidate numberings
(:mod:`numbering_search`, and the best one moved along by a tooth) are fitted to the
outlines and compared (:mod:`numbering_refine`). What is left between the best and the next
numbering decides whether the set is trusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from teethscape.dental.fdi import Jaw, Jaws, jaw_of
from teethscape.dental.views import BITE_VIEWS, View, views_needed
from teethscape.errors import RefusedError
from teethscape.parametric import numbering_measure as measuring
from teethscape.parametric.arch import ArchState
from teethscape.parametric.camera import Camera
from teethscape.parametric.dentition import require_permanent
from teethscape.parametric.fit import MODES
from teethscape.parametric.numbering_bite import BiteView, bite_view
from teethscape.parametric.numbering_choice import layout_for
from teethscape.parametric.numbering_joint import Belief, NumberedView, fit_joint
from teethscape.parametric.numbering_layout import Layouts
from teethscape.parametric.numbering_measure import NumberingView
from teethscape.parametric.numbering_occlusal import Candidate, OcclusalJudge
from teethscape.parametric.numbering_outline import OcclusalSet, look_closer
from teethscape.parametric.numbering_refine import Explained, Instances, Refiner, moved_along
from teethscape.parametric.numbering_search import Beam, search
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.solver import FitState
from teethscape.parametric.start_cameras import focal_prior, start_from_fdi

__all__ = ["Numbering", "NumberingView", "number_teeth"]

#: Nats by which the best numbering must beat the next one.
OCCLUSAL_MARGIN, BITE_MARGIN = 6.0, 20.0
#: Rivals of an occlusal numbering within this many nats are compared by their outlines too.
_RIVALS = 14.0
#: Teeth of an arch, third molars included.
_MOST_TEETH = 16
#: An instance of an occlusal view below this share of the median area is part of a tooth.
_SCRAP = 0.35
_LAST_PLACE = 7
#: Instances of a row of a bite view from which its first cameras are found.
_MOST_IN_ROW = 10
_SHIFTS = ((1, 1), (-1, -1), (0, 1), (0, -1))
_OCCLUSAL = {Jaw.UPPER: View.MAXILLARY_OCCLUSAL, Jaw.LOWER: View.MANDIBULAR_OCCLUSAL}


@dataclass(frozen=True)
class Numbering:
    """Numbers of all instances and what they mean.

    Attributes:
        fdi: per view, instance id -> FDI number; instances left out are absent.
        present: teeth that exist.
        prior: the prior with the mean places that hold where gaps have closed.
        cameras: a rough camera per view, px of the given labels.
        state: rough teeth and bite about ``prior``.
        margin: per view, nats between the best and the next numbering.
        notices: sentences for the user.
        cost: disagreement with the outlines of the bite views, nats.
    """

    fdi: Mapping[View, Mapping[int, int]]
    present: frozenset[int]
    prior: ToothPrior
    cameras: Mapping[View, Camera]
    state: ArchState
    margin: Mapping[View, float]
    notices: tuple[str, ...]
    cost: float = 0.0


@dataclass(frozen=True)
class _Set:
    """The photos of one patient, measured at a common size.

    Attributes:
        views: as given.
        found: measured instances; occlusal ones in arch order.
        frame: width, height, mean and spread of the log focal length.
        layouts: layouts of the prior.
    """

    views: Mapping[View, NumberingView]
    found: Mapping[View, measuring.Instances]
    frame: Mapping[View, tuple[int, int, float, float]]
    layouts: Layouts

    @property
    def exif(self) -> bool:
        """True when any photo tells its focal length."""
        return any(view.focal_px is not None for view in self.views.values())

    def instances(self, view: View) -> Instances:
        """Labels of a view without slivers."""
        labels = self.views[view].instances
        kept = np.zeros(int(labels.max()) + 1, bool)
        kept[self.found[view].ids] = True
        return Instances(view, np.where(kept[labels], labels, 0).astype(np.int32), self.views[view].focal_px)


def _measured(views: Mapping[View, NumberingView], prior: ToothPrior) -> _Set:
    found, frame = {}, {}
    for view, given in views.items():
        small, factor = measuring.shrunk(given.instances)
        seen = measuring.measure(small)
        focal = None if given.focal_px is None else given.focal_px * factor
        frame[view] = (small.shape[1], small.shape[0], *focal_prior(small.shape[1], small.shape[0], focal))
        if view.is_occlusal:
            seen = seen.only(measuring.along_arch(seen.centre, view is View.MAXILLARY_OCCLUSAL))
        found[view] = seen
        if len(seen) < 4:
            raise RefusedError(
                "too_few_teeth",
                f"The {view.title} photo shows only {len(seen)} teeth that can be told apart.",
                "Retake it with the cheeks held back, or give masks for it.",
            )
    return _Set(views, found, frame, Layouts(prior))


def number_teeth(
    views: Mapping[View, NumberingView], prior: ToothPrior, jaws: Jaws = Jaws.BOTH, seed: int = 0
) -> Numbering:
    """Number the instances of a set of photos.

    Args:
        views: instance labels of every photo that the jaws need.
        prior: the tooth prior.
        jaws: jaws to reconstruct.
        seed: kept for engines that draw; this one is deterministic.

    Raises:
        RefusedError: too few teeth, or two numberings explain the set almost as well.
    """
    del seed
    needed = {view: views[view] for view in views_needed(jaws)}
    measured = _measured(needed, prior)
    require_permanent(measured.found)
    candidates = {jaw: _candidates(measured, view) for jaw, view in _OCCLUSAL.items() if view in needed}
    choice = {jaw: found[0] for jaw, found in candidates.items()}
    margin = {_OCCLUSAL[jaw]: _lead(found) for jaw, found in candidates.items()}
    numbered = _bite_numbering(measured, choice, jaws)
    for jaw, found in candidates.items():
        if margin[_OCCLUSAL[jaw]] < OCCLUSAL_MARGIN:
            rival = {**choice, jaw: _rival(found)}
            margin[_OCCLUSAL[jaw]] += _advantage(measured, numbered, rival, jaws)
    margin |= numbered.margin
    _require(margin)
    return replace(numbered, margin=margin)


def _rival(found: list[Candidate]) -> Candidate:
    """The best candidate that numbers the instances otherwise."""
    return next(other for other in found[1:] if not np.array_equal(other.tooth, found[0].tooth))


def _advantage(measured: _Set, numbered: Numbering, rival: Mapping[Jaw, Candidate], jaws: Jaws) -> float:
    """Nats by which the bite views prefer a numbering to a rival one.

    One photo may not tell which tooth of a closed gap is gone; the others may confirm
    what it suggests. When they contradict it the set is refused.
    """
    try:
        return _bite_numbering(measured, rival, jaws).cost - numbered.cost
    except RefusedError:
        return float("inf")


def _candidates(measured: _Set, view: View) -> list[Candidate]:
    """Numberings of an occlusal view, best first.

    Scraps (parts of molars, mostly) are left out here and joined to their tooth when the
    arch is known; when it has no place for all others, the smallest go first.
    """
    found = measured.found[view]
    teeth = int((found.area > _SCRAP * np.median(found.area)).sum())
    for count in range(min(teeth, _MOST_TEETH), 3, -1):
        largest = np.sort(np.argsort(-found.area)[:count])
        teeth_only = found.only(largest)
        best = OcclusalJudge(view, teeth_only, measured.frame[view], measured.layouts).best()
        if best:
            labels, _ = measuring.shrunk(measured.views[view].instances)
            focal = measured.frame[view][2:]
            best = look_closer(OcclusalSet(view, labels, teeth_only, focal, measured.exif), best, _RIVALS)
            whole = np.full(len(found), -1)
            return [replace(c, tooth=_spread(whole, largest, c.tooth)) for c in best]
    raise RefusedError(
        "numbering_uncertain",
        f"The teeth in the {view.title} photo do not form an arch.",
        "Retake it so that the whole arch is seen, or give masks for it.",
    )


def _spread(whole: np.ndarray, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A copy of ``whole`` with values put into rows."""
    out = whole.copy()
    out[rows] = values
    return out


def _lead(found: list[Candidate]) -> float:
    """Nats to the first candidate that numbers the instances otherwise."""
    for other in found[1:]:
        if not np.array_equal(other.tooth, found[0].tooth):
            return other.cost - found[0].cost
    return float("inf")


def _require(margin: Mapping[View, float]) -> None:
    """Refuse when another numbering is nearly as good."""
    doubtful = [v for v, m in margin.items() if m < (OCCLUSAL_MARGIN if v.is_occlusal else BITE_MARGIN)]
    if doubtful:
        names = " and ".join(view.title for view in doubtful)
        raise RefusedError(
            "numbering_uncertain",
            f"The teeth in the {names} photo can be numbered in more than one way.",
            "Give masks with FDI numbers, or retake the photo so that more teeth are seen.",
        )


def _bite_numbering(measured: _Set, choice: Mapping[Jaw, Candidate], jaws: Jaws) -> Numbering:
    """Number the bite views, given the occlusal numberings."""
    start = _occlusal_start(measured, choice)
    tasks = [_bite_task(measured, view) for view in BITE_VIEWS]
    beams = search(start, tasks)
    layout = start.belief.layout
    prior = layout.prior
    ends = frozenset(
        fdi for fdi in prior.fdi if fdi % 10 == _LAST_PLACE
    )  # an occlusal photo may cut them off
    present = (frozenset(prior.fdi) - layout.missing) | (ends - layout.closed)
    refiner = Refiner(prior, present)
    fdi = {view: _numbers(measured, view, start.views[view].tooth) for view in start.views}
    seen = {view: measured.instances(view) for view in measured.views}
    state = ArchState.mean(len(prior.fdi), MODES)
    cameras = start_from_fdi({v: seen[v].numbered(fdi[v]) for v in fdi}, prior, _focal(measured))
    state = refiner.together({v: (seen[v], fdi[v]) for v in fdi}, cameras, state).arch
    explained, margin = {}, {}
    for view in BITE_VIEWS:
        starts = [_numbers(measured, view, beam.views[view].tooth) for beam in beams if view in beam.views]
        explained[view], margin[view] = _best(refiner, seen[view], starts, state)
    return _joined(measured, refiner, (fdi, cameras, explained, margin), jaws)


def _bite_task(measured: _Set, view: View) -> BiteView:
    """A bite view whose rows begin with their largest instances: scraps make no row."""
    found = measured.found[view]
    jaws = dict(measured.views[view].jaw_of or {}) or None
    task = bite_view(view, found, jaws, measured.frame[view])
    sure = np.zeros(len(found), bool)
    for lower in (False, True):
        row = np.flatnonzero(
            (task.lower == lower) & task.sure & (found.area > _SCRAP * np.median(found.area))
        )
        sure[row[np.argsort(-found.area[row])[:_MOST_IN_ROW]]] = True
    return replace(task, sure=sure)


def _focal(measured: _Set) -> dict[View, float | None]:
    return {view: given.focal_px for view, given in measured.views.items()}


def _occlusal_start(measured: _Set, choice: Mapping[Jaw, Candidate]) -> Beam:
    """Cameras and places that the occlusal views ask for."""
    views = {}
    for jaw, candidate in choice.items():
        view = _OCCLUSAL[jaw]
        frame = measured.frame[view]
        views[view] = NumberedView(
            measured.found[view], candidate.tooth, candidate.camera, frame[2:], measured.exif
        )
    fit = fit_joint(views, Belief.before(layout_for(choice, measured.layouts, set())), rounds=3)
    return Beam(fit.views, fit.belief, fit.cost)


def _numbers(measured: _Set, view: View, tooth: np.ndarray) -> dict[int, int]:
    """FDI number of each numbered instance, by id."""
    ids = measured.found[view].ids
    return {int(i): measured.layouts.prior.fdi[t] for i, t in zip(ids, tooth, strict=True) if t >= 0}


def _best(
    refiner: Refiner, seen: Instances, starts: list[dict[int, int]], state: ArchState
) -> tuple[Explained, float]:
    """The numbering of a bite view that its outlines like best, and nats to the next one."""
    tried: dict[tuple[tuple[int, int], ...], Explained] = {}

    def consider(fdi: Mapping[int, int]) -> None:
        cameras = start_from_fdi(
            {seen.view: seen.numbered(fdi)}, refiner.prior, {seen.view: seen.focal}, state
        )
        if seen.view not in cameras:
            return
        known = min((e.cost for e in tried.values()), default=np.inf)
        found = refiner.explain(seen, fdi, FitState(state, (cameras[seen.view],)), known)
        if found is not None:
            key = tuple(sorted(found.fdi.items()))
            if key not in tried or found.cost < tried[key].cost:
                tried[key] = found

    for fdi in {tuple(sorted(s.items())): s for s in starts}.values():
        consider(fdi)
    if not tried:
        raise RefusedError(
            "numbering_uncertain",
            f"The teeth in the {seen.view.title} photo cannot be numbered.",
            "Give masks with FDI numbers, or retake the photo so that more teeth are seen.",
        )
    first = min(tried.values(), key=lambda e: e.cost)
    for by in _SHIFTS:
        consider(moved_along(refiner.present, first.fdi, by))
    ranked = sorted(tried.values(), key=lambda e: e.cost)
    others = [e for e in ranked[1:] if _conflict(e.fdi, ranked[0].fdi)]
    return ranked[0], (others[0].cost - ranked[0].cost) if others else float("inf")


def _conflict(first: Mapping[int, int], second: Mapping[int, int]) -> bool:
    """True when two numberings give an instance different numbers, scraps aside."""
    shared = set(first) & set(second)
    return sum(first[i] != second[i] for i in shared) >= 2


def _joined(measured: _Set, refiner: Refiner, parts, jaws: Jaws) -> Numbering:  # noqa: ANN001
    """All views together: a short joint fit, then the bite views are read once more."""
    fdi, cameras, explained, margin = parts
    fdi, cameras = dict(fdi), dict(cameras)
    for view, found in explained.items():
        fdi[view], cameras[view] = found.fdi, found.camera
    seen = {view: measured.instances(view) for view in measured.views}
    bite = np.median([found.state.bite for found in explained.values()], axis=0)
    state = next(iter(explained.values())).state.with_bite(bite)
    order = sorted(fdi)
    for _ in range(2):
        fit = refiner.together({v: (seen[v], fdi[v]) for v in order}, cameras, state)
        state, cameras = fit.arch, dict(zip(order, fit.cameras, strict=True))
        for view in BITE_VIEWS:
            fdi[view] = refiner.weigh(seen[view], cameras[view], state, strict=True).fdi
    known = frozenset(n for view in order for n in fdi[view].values())
    fdi = {v: refiner.merged(seen[v], fdi[v], FitState(state, (cameras[v],)), known) for v in order}
    shown = {n for view in order for n in fdi[view].values() if jaw_of(n) in view.jaws}
    for view in order:
        if view.is_occlusal:
            hints = refiner.hinted(seen[view], fdi[view], FitState(state, (cameras[view],)))
            shown |= {n for n in hints if n % 10 == _LAST_PLACE}
    present = frozenset(n for n in shown if jaw_of(n) in jaws.members)
    cost = sum(found.cost for found in explained.values())
    return Numbering(fdi, present, refiner.prior, cameras, state, margin, (), cost)
