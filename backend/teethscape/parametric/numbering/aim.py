"""The camera of one view fitted to teeth that stay: a quick look at other numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from teethscape.dental.views import View
from teethscape.parametric.numbering.fit import Effort, Guess, robust
from teethscape.parametric.numbering.hulls import PlacedHulls, place_hulls
from teethscape.parametric.numbering.joint import NumberedView
from teethscape.parametric.numbering.outline import ViewRows
from teethscape.parametric.numbering.reach import FOCAL, GROWTH, PER_VIEW, Rows, camera_slopes, reach
from teethscape.parametric.rotation import FloatArray


@dataclass(frozen=True)
class Aimed:
    """A view whose camera alone was fitted: the numbered view, and its energy in nats."""

    numbered: NumberedView
    energy: float


def aim(guess: Guess, view: View, rows: ViewRows, efforts: tuple[Effort, ...]) -> Aimed:
    """Fit the camera of one view to teeth that stay as they are.

    Args:
        guess: teeth, bite, and the view as numbered.
        view: which view.
        rows: its extents that count.
        efforts: fits one after another, loosest first.
    """
    placed = place_hulls(guess.layout, guess.state)
    growth, energy = guess.growth.get(view, 0.0), np.inf
    for effort in efforts:
        for _ in range(effort.rounds):
            now = replace(guess, growth={view: growth})
            energy, step = _camera_step(now, view, rows, placed, effort.loose)
            numbered = guess.views[view]
            camera = numbered.camera.moved(np.concatenate([step[:GROWTH], [0.0, 0.0]]))
            guess = replace(guess, views={**guess.views, view: replace(numbered, camera=camera)})
            growth += float(step[GROWTH])
    return Aimed(guess.views[view], energy)


def _camera_step(
    guess: Guess, view: View, rows: ViewRows, placed: PlacedHulls, loose: float
) -> tuple[float, FloatArray]:
    """Energy of a view, and the Gauss-Newton step (8,) of its camera and growth."""
    numbered, grown = guess.views[view], guess.growth[view]
    joined = Rows.joined([numbered], [rows])
    found = reach([numbered.camera], joined, placed)
    sloped = camera_slopes([numbered.camera], joined, found)
    lean = float(np.log(numbered.camera.focal) - numbered.focal[0])
    prior = np.array([0.0] * FOCAL + [numbered.focal[1] ** -2, rows.growth_sd**-2])
    offset = np.array([0.0] * FOCAL + [lean, grown])
    white = joined.whitened(found.extent + grown)
    part, weight = robust((white**2).sum(axis=1), rows.count, loose)
    jacobian = rows.whiten @ sloped
    weighted = (weight[:, None, None] * jacobian).reshape(-1, PER_VIEW).T
    hessian = np.diag(prior + 1e-9) + weighted @ jacobian.reshape(-1, PER_VIEW)
    gradient = weighted @ white.ravel() - prior * offset
    energy = 0.5 * float(prior @ offset**2) + float(part.sum())
    hessian[np.diag_indices(PER_VIEW)] *= 1.01
    return energy, np.linalg.solve(hessian, gradient)
