"""Plausible numberings of a view of the closed bite, by moments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw
from teethscape.dental.views import View
from teethscape.parametric.camera import Camera
from teethscape.parametric.numbering.bite import LEFT_OUT_COST, BiteView, assign, start_cameras
from teethscape.parametric.numbering.joint import Belief, NumberedView, fit_joint
from teethscape.parametric.numbering.layout import Layout, jaw_rows

_OPTIONS = 6
_SKIPPED_COST = 3.0
#: Places by which upper and lower teeth may be moved along their arches.
MOVES = ((1, 1), (-1, -1), (0, 1), (0, -1), (1, 0), (-1, 0))


@dataclass(frozen=True)
class Beam:
    """A numbering of some views.

    Attributes:
        views: the numbered views.
        belief: teeth and bite after them.
        cost: nats.
    """

    views: Mapping[View, NumberedView]
    belief: Belief
    cost: float


def skipped_teeth(tooth: NDArray[np.intp], layout: Layout) -> int:
    """Present teeth without an instance between numbered neighbours of the same jaw."""
    count = 0
    for jaw in Jaw:
        rows = jaw_rows(layout.prior, jaw)
        rows = rows[layout.present[rows]]
        hit = np.flatnonzero(np.isin(rows, tooth))
        if len(hit):
            count += int(hit[-1] - hit[0] + 1 - len(hit))
    return count


def numbering_cost(tooth: NDArray[np.intp], layout: Layout) -> float:
    """What a view's numbering costs beside its evidence, nats."""
    return LEFT_OUT_COST * float((tooth < 0).sum()) + _SKIPPED_COST * skipped_teeth(tooth, layout)


def shifted(tooth: NDArray[np.intp], layout: Layout, by: tuple[int, int]) -> NDArray[np.intp]:
    """A numbering moved along the present teeth, upper and lower jaw by their own number of places."""
    out = np.full(len(tooth), -1)
    for jaw, way in zip(Jaw, by, strict=True):
        rows = jaw_rows(layout.prior, jaw)
        rows = rows[layout.present[rows]]
        for place, index in enumerate(rows):
            if 0 <= place + way < len(rows):
                out[tooth == index] = rows[place + way]
    return out


def moved_along(numbered: NumberedView, layout: Layout) -> list[NumberedView]:
    """A view under its numbers moved along the arches, by every one of :data:`MOVES`."""
    return [replace(numbered, tooth=shifted(numbered.tooth, layout, by)) for by in MOVES]


def moved_sides(views: Mapping[View, NumberedView], layout: Layout) -> list[dict[View, NumberedView]]:
    """Both buccal views under numbers of one jaw moved by a tooth, both backward or both forward.

    A bite that is wrong by a tooth holds both sides' numbers; neither moves without the other.
    """
    out = []
    for jaw, way in product(range(len(Jaw)), (1, -1)):
        moved = {}
        for view, side in ((View.LEFT_BUCCAL, way), (View.RIGHT_BUCCAL, -way)):
            by = (side, 0) if jaw == 0 else (0, side)
            moved[view] = replace(views[view], tooth=shifted(views[view].tooth, layout, by))
        if any((moved[view].tooth != views[view].tooth).any() for view in moved):
            out.append(moved)
    return out


def settle(task: BiteView, camera: Camera, tooth: NDArray[np.intp] | None, belief: Belief) -> Beam | None:
    """Alternate fitting and assigning from a first camera or numbering until nothing changes."""
    found, view = task.found, task.view
    if tooth is None:
        tooth = task.imposed(assign(view, found, camera, belief))
    best: Beam | None = None
    for _ in range(3):
        if (tooth >= 0).sum() < 4:
            return best
        numbered = NumberedView(found, tooth, camera, task.frame[2:])
        fit = fit_joint({view: numbered}, belief, rounds=3)
        camera = fit.views[view].camera
        kinds = float(numbered.kinds(belief.layout.prior.fdi).sum())
        cost = fit.cost + numbering_cost(tooth, belief.layout) + kinds
        if best is None or cost < best.cost:
            best = Beam({view: fit.views[view]}, fit.belief, cost)
        again = task.imposed(assign(view, found, camera, fit.belief))
        if (again == tooth).all():
            return best
        tooth = again
    return best


class Starts:
    """The numberings of one view that its first cameras lead to, each found when it is asked for.

    Args:
        task: the view.
        belief: what is held about the teeth.
    """

    def __init__(self, task: BiteView, belief: Belief) -> None:
        self.task, self.belief = task, belief
        self._cameras = [camera for _, camera in start_cameras(task, belief)]
        self._found: list[Beam | None] = []

    def best(self, most: int | None = None) -> list[Beam]:
        """Those of the likeliest cameras, of all by default, best first."""
        for camera in self._cameras[len(self._found) : most]:
            self._found.append(settle(self.task, camera, None, self.belief))
        return _best(self._found[:most], self.task.view)


def options(starts: Starts) -> list[Beam]:
    """The likeliest numberings of one view, best first."""
    task, belief, begun = starts.task, starts.belief, starts.best()
    moved: list[Beam | None] = []
    if begun:
        best = begun[0].views[task.view]
        for by in MOVES:
            tooth = task.imposed(shifted(best.tooth, belief.layout, by))
            moved.append(settle(task, best.camera, tooth, belief))
    return _best([*begun, *moved], task.view)[:_OPTIONS]


def _best(beams: Iterable[Beam | None], view: View) -> list[Beam]:
    """The cheapest beam of every numbering, best first."""
    out: dict[bytes, Beam] = {}
    for beam in sorted((beam for beam in beams if beam is not None), key=lambda beam: beam.cost):
        out.setdefault(beam.views[view].tooth.tobytes(), beam)
    return list(out.values())
