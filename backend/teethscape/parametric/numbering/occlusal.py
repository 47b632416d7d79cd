"""Which teeth an occlusal view shows: every plausible numbering of a jaw, weighed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw, arch
from teethscape.dental.views import View
from teethscape.parametric.camera import Camera
from teethscape.parametric.numbering.crowns import crowns_of
from teethscape.parametric.numbering.evidence import Cameras, judge
from teethscape.parametric.numbering.kinds import named_kinds
from teethscape.parametric.numbering.layout import Layout, Layouts, jaw_rows
from teethscape.parametric.numbering.measure import Instances
from teethscape.parametric.numbering.names import NOTHING_TOLD, Told
from teethscape.parametric.numbering.seen import HALF_EXTENT, SeenTeeth, measured_of, stack_expected, view_of
from teethscape.parametric.rotation import FloatArray
from teethscape.parametric.start_cameras import Points, first_camera, view_rotation

#: Chance in percent that a tooth is missing, by place in the quadrant (incisors to second molars).
MISSING_PERCENT = (0.8, 1.5, 0.5, 2.5, 2.5, 2.5, 2.0)
#: Cost in nats of a tooth that exists and is not labelled, inside the arch and at its end.
UNLABELLED_COST, UNSEEN_END_COST = 3.5, 2.0
#: Cost of an instance that is no tooth of the prior: third molar, scrap, glove.
LEFT_OUT_COST = 16.0
_MOST_CLOSED = 3
_MOST_HYPOTHESES, _DEAREST = 900, 24.0
#: Rivals of a numbering give other numbers to at most so many of its teeth, and are at most so many.
_MOST_APART, _MOST_ALTERNATIVES = 3, 16
_KEPT = (48, 14)
#: Numberings that are farther behind when weighed roughly are weighed no further, nats: the nearest of those
#: that came in among the best five at last was behind by 14.
_FAR = 45.0
_PITCH = 58.0
_MEAN_ROOT_AREA_MM = {Jaw.UPPER: 8.2, Jaw.LOWER: 7.6}


@dataclass(frozen=True)
class Numbering1:
    """One numbering of an occlusal view before it is weighed.

    Attributes:
        places: per instance along the arch, its place 0..13, or -1 when left out.
        closed: places that are missing with a closed gap.
        cost: what the numbering costs before any measurement, nats.
    """

    places: tuple[int, ...]
    closed: frozenset[int]
    cost: float


@dataclass(frozen=True)
class Candidate:
    """One numbering of an occlusal view, weighed.

    Attributes:
        tooth: (n,) index into ``prior.fdi`` per instance along the arch, -1 when left out.
        layout: the arch that it means.
        camera: the fitted camera.
        cost: negative log evidence and prior, nats.
        prior_cost: the part of it that is known before any measurement.
    """

    tooth: NDArray[np.intp]
    layout: Layout
    camera: Camera
    cost: float
    prior_cost: float = 0.0

    @property
    def key(self) -> tuple[bytes, frozenset[int]]:
        """What tells numberings of the same instances apart: their teeth, and which gaps are closed."""
        return self.tooth.tobytes(), self.layout.closed


def missing_cost(fdi: int) -> float:
    """Cost in nats of a tooth being missing."""
    return float(-np.log(MISSING_PERCENT[fdi % 10 - 1] / 100))


def gaps_mm(found: Instances, jaw: Jaw) -> FloatArray:
    """(n - 1,) rough free space between instances in arch order, mm."""
    scale = float(np.median(np.sqrt(found.area))) / _MEAN_ROOT_AREA_MM[jaw]
    step = np.diff(found.centre, axis=0)
    length = np.linalg.norm(step, axis=1)
    along = step / length[:, None]
    half = [
        HALF_EXTENT * np.sqrt(np.einsum("ni,nij,nj->n", along, s, along))
        for s in (found.spread[:-1], found.spread[1:])
    ]
    return (length - half[0] - half[1]) / scale


def _open_counts(gap: float) -> tuple[int, ...]:
    """How many teeth may be absent from a gap of this width that is still open."""
    return tuple(
        k
        for k, (low, high) in enumerate(((-99, 4.5), (2.2, 13.5), (8.0, 22.0), (14.0, 99)))
        if low < gap < high
    )


def _skips(gap: float, most: int) -> Iterator[tuple[int, int]]:
    """(open, closed) numbers of absent teeth between two neighbours."""
    for free in _open_counts(gap):
        yield from ((free, shut) for shut in range(min(most, _MOST_CLOSED) - free + 1) if free + shut <= most)


def _skips_to(gap: float, most: int, exactly: int | None) -> list[tuple[int, int]]:
    """The same for a neighbour whose place the user gave: ``exactly`` so many are absent before it."""
    if exactly is None:
        return list(_skips(gap, most))
    if not 0 <= exactly <= most:
        return []
    return [skip for skip in _skips(gap, most) if sum(skip) == exactly] or [(0, exactly)]


def enumerate_numberings(
    found: Instances, jaw: Jaw, gaps: FloatArray, told: Told = NOTHING_TOLD
) -> list[Numbering1]:
    """All plausible numberings of the instances of a jaw in arch order, cheapest first.

    Args:
        found: the instances.
        jaw: their jaw.
        gaps: (n - 1,) rough free space between them, mm.
        told: what the user said.
    """
    costs = [0.0 if place in told.absent else missing_cost(fdi) for place, fdi in enumerate(arch(jaw))]
    out: list[Numbering1] = []
    for before, after in product((0, 1), repeat=2):
        count = len(found) - before - after
        if 3 <= count <= 14:
            own = told.of(range(before, before + count))
            out += _ordered(own, gaps[before : before + count - 1], (before, after), costs)
    out = [n for n in out if told.allows(n.places)]
    return sorted(out, key=lambda n: n.cost)[:_MOST_HYPOTHESES]


def _ordered(
    named: tuple[int, ...], gaps: FloatArray, left_out: tuple[int, int], costs: list[float]
) -> list[Numbering1]:
    """Numberings that leave out some instances at the ends; ``costs``: of a missing tooth, by place."""
    count = len(named)
    spare = 14 - count
    base = LEFT_OUT_COST * sum(left_out)
    out: list[Numbering1] = []

    def extend(places: list[int], closed: list[int], cost: float) -> None:
        if cost > base + _DEAREST:
            return
        if len(places) == count:
            unseen = 13 - places[-1]
            ends = (-1,) * left_out[0], (-1,) * left_out[1]
            out.append(
                Numbering1((*ends[0], *places, *ends[1]), frozenset(closed), cost + UNSEEN_END_COST * unseen)
            )
            return
        room = 13 - places[-1] - (count - len(places))
        said = named[len(places)]
        for free, shut in _skips_to(
            float(gaps[len(places) - 1]), room, said - places[-1] - 1 if said >= 0 else None
        ):
            inner = range(places[-1] + 1, places[-1] + 1 + free + shut)
            for gone in combinations(inner, shut):
                open_ = sum(min(UNLABELLED_COST, costs[k]) for k in inner if k not in gone)
                more = sum(costs[k] for k in gone) + open_
                extend([*places, places[-1] + free + shut + 1], [*closed, *gone], cost + more)

    for first in range(spare + 1) if named[0] < 0 else (named[0],):
        extend([first], [], base + UNSEEN_END_COST * first)
    return out


@dataclass(frozen=True)
class _Trial:
    """A numbering on its way to be a candidate."""

    hypothesis: Numbering1
    layout: Layout
    teeth: NDArray[np.intp]
    camera: Camera | None = None
    cost: float = float("inf")

    @property
    def sight(self) -> Camera:
        """The camera, once there is one."""
        if self.camera is None:
            raise ValueError("the trial has no camera yet")
        return self.camera


class OcclusalJudge:
    """Weighs numberings of one occlusal view.

    Args:
        view: which occlusal view.
        found: its instances in arch order, from the patient's right to the left.
        frame: width and height in px, mean and standard deviation of the log focal length.
        layouts: layouts of the prior.
        told: what the user said.
    """

    def __init__(
        self,
        view: View,
        found: Instances,
        frame: tuple[int, int, float, float],
        layouts: Layouts,
        told: Told = NOTHING_TOLD,
    ) -> None:
        self.view, self.found, self.layouts = view, found, layouts
        self.size, self.focal = frame[:2], frame[2:]
        self.jaw = view.jaws[0]
        self.told = told
        self.rows = jaw_rows(layouts.prior, self.jaw)
        self.crowns = crowns_of(layouts.prior)
        pitch = _PITCH if self.jaw is Jaw.UPPER else -_PITCH
        self.rotation = view_rotation(0.0, pitch)

    def best(self) -> list[Candidate]:
        """The likeliest numberings, best first."""
        gaps = gaps_mm(self.found, self.jaw)
        hypotheses = enumerate_numberings(self.found, self.jaw, gaps, self.told)
        by_count: dict[tuple[int, ...], list[Numbering1]] = {}
        for hypothesis in hypotheses:
            used = tuple(k for k, p in enumerate(hypothesis.places) if p >= 0)
            by_count.setdefault(used, []).append(hypothesis)
        first = {used: self._weigh(np.array(used), group) for used, group in by_count.items()}
        bound = min((group[0].cost for group in first.values()), default=0.0) + _FAR
        out: list[Candidate] = []
        for used, group in first.items():
            out += self._refined(np.array(used), [trial for trial in group if trial.cost < bound])
        return sorted(out, key=lambda c: c.cost)[: _KEPT[1]]

    def alternatives(self, current: Candidate) -> list[Candidate]:
        """Numberings of the same instances that differ in a few teeth, likeliest first, not weighed."""
        used = np.flatnonzero(current.tooth >= 0)
        found = self.found.only(used)
        place_of = {int(tooth): place for place, tooth in enumerate(self.rows)}
        now = np.array([place_of[int(t)] for t in current.tooth[used]])
        out: dict[tuple[tuple[int, ...], frozenset[int]], Candidate] = {}
        told, gaps = self.told.only(map(int, used)), gaps_mm(found, self.jaw)
        for hypothesis in enumerate_numberings(found, self.jaw, gaps, told):
            apart = int((np.array(hypothesis.places) != now).sum())
            if min(hypothesis.places) >= 0 and 0 < apart <= _MOST_APART:
                tooth = np.full(len(self.found), -1)
                tooth[used] = self.rows[np.array(hypothesis.places)]
                layout = self._layout(hypothesis)
                cost = hypothesis.cost + LEFT_OUT_COST * (len(self.found) - len(used))
                made = Candidate(tooth, layout, current.camera, cost, cost)
                out.setdefault((hypothesis.places, hypothesis.closed), made)
        nearest = sorted(out.values(), key=lambda c: (int((c.tooth != current.tooth).sum()), c.cost))
        return nearest[:_MOST_ALTERNATIVES]

    def _layout(self, hypothesis: Numbering1) -> Layout:
        order = arch(self.jaw)
        closed = frozenset(order[k] for k in hypothesis.closed)
        return self.layouts.get(closed, closed)

    def _weigh(self, used: NDArray[np.intp], group: list[Numbering1]) -> list[_Trial]:
        """The likeliest of numberings that number the same instances, weighed roughly, best first."""
        found = self.found.only(used)
        trials = [_Trial(h, self._layout(h), self.rows[np.array(h.places)[used]]) for h in group]
        trials = [replace(t, camera=self._start(t, found)) for t in trials]
        first = min(trials, key=lambda t: t.hypothesis.cost)
        base = self._seen(replace(first, layout=self.layouts.get(frozenset())))
        return self._judged(found, trials, [self._moved(base, t.layout) for t in trials], 4)[: _KEPT[0]]

    def _refined(self, used: NDArray[np.intp], trials: list[_Trial]) -> list[Candidate]:
        """Candidates of trials, each by what its own camera sees, best first."""
        if not trials:
            return []
        found = self.found.only(used)
        for _ in range(2):
            trials = self._judged(found, trials, [self._seen(t) for t in trials], 3)[: _KEPT[1]]
        return [self._candidate(trial, used) for trial in trials]

    def _judged(
        self, found: Instances, trials: list[_Trial], seen: list[SeenTeeth], rounds: int
    ) -> list[_Trial]:
        """The trials with fitted cameras and costs, best first."""
        expected = stack_expected([(t.layout.covs, t.teeth, s) for t, s in zip(trials, seen, strict=True)])
        cameras = Cameras.of([t.sight for t in trials])
        judged = judge(cameras, expected, measured_of(found), self.focal, rounds)
        fdi = self.layouts.prior.fdi
        cost = [
            float(weighed + t.hypothesis.cost + named_kinds(found.kind_cost, t.teeth, fdi).sum())
            for weighed, t in zip(judged.cost, trials, strict=True)
        ]
        fitted = [
            replace(t, camera=judged.cameras.one(k, t.sight), cost=cost[k]) for k, t in enumerate(trials)
        ]
        return sorted(fitted, key=lambda t: t.cost)

    def _candidate(self, trial: _Trial, used: NDArray[np.intp]) -> Candidate:
        tooth = np.full(len(self.found), -1)
        tooth[used] = trial.teeth
        return Candidate(tooth, trial.layout, trial.sight, trial.cost, trial.hypothesis.cost)

    def _start(self, trial: _Trial, found: Instances) -> Camera:
        points = Points(trial.teeth, found.centre, found.area, found.whole)
        frame = (*self.size, float(np.exp(self.focal[0])))
        return first_camera(self.rotation, trial.layout.prior.centre[trial.teeth], points, frame)

    def _seen(self, trial: _Trial) -> SeenTeeth:
        """What the trial's camera sees of its layout's jaw."""
        jaw = view_of(trial.layout.placed.only(self.rows), trial.sight, trial.layout.present[self.rows])
        return jaw.among(len(trial.layout.present), self.rows)

    def _moved(self, seen: SeenTeeth, layout: Layout) -> SeenTeeth:
        """What was seen of the whole arch, carried to the places of another layout."""
        base = self.layouts.prior
        local = np.einsum("tji,tj->ti", base.axes, seen.anchor - base.centre)
        anchor = np.einsum("tij,tj->ti", layout.prior.axes, local) + layout.prior.centre
        return SeenTeeth(anchor, seen.log_size, seen.shape, seen.noise)
