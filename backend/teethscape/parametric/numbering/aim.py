"""The camera of one view fitted to teeth that stay: a quick look at other numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from teethscape.dental.views import View
from teethscape.parametric.numbering.fit import Effort, Guess, robust
from teethscape.parametric.numbering.hulls import PlacedHulls
from teethscape.parametric.numbering.joint import NumberedView
from teethscape.parametric.numbering.outline import ViewRows
from teethscape.parametric.numbering.reach import FOCAL, GROWTH, PER_VIEW, Rows, camera_slopes, reach
from teethscape.parametric.rotation import FloatArray


@dataclass(frozen=True)
class Aimed:
    """A view whose camera alone was fitted: the numbered view, and its energy in nats."""

    numbered: NumberedView
    energy: float


def aim(guess: Guess, view: View, rows: ViewRows, placed: PlacedHulls, efforts: tuple[Effort, ...]) -> Aimed:
    """Fit the camera of one view to teeth that stay as they are.

    Args:
        guess: teeth, bite, and the view as numbered.
        view: which view.
        rows: its extents that count.
        placed: the guess's teeth.
        efforts: fits one after another, loosest first.
    """
    numbered, growth, energy = guess.views[view], guess.growth.get(view, 0.0), np.inf
    target = _Target(Rows.joined([numbered], [rows]), rows.growth_sd, placed)
    for effort in efforts:
        for _ in range(effort.rounds):
            energy, step = _camera_step(numbered, growth, target, effort.loose)
            camera = numbered.camera.moved(np.concatenate([step[:GROWTH], [0.0, 0.0]]))
            numbered = replace(numbered, camera=camera)
            growth += float(step[GROWTH])
    return Aimed(numbered, energy)


@dataclass(frozen=True)
class _Target:
    """What a camera is aimed at: extents, how much too large they may be drawn (px), and the teeth."""

    rows: Rows
    growth_sd: float
    placed: PlacedHulls


def _camera_step(
    numbered: NumberedView, grown: float, target: _Target, loose: float
) -> tuple[float, FloatArray]:
    """Energy of a view, and the Gauss-Newton step (8,) of its camera and growth."""
    rows = target.rows
    found = reach([numbered.camera], rows, target.placed)
    sloped = camera_slopes([numbered.camera], rows, found)
    lean = float(np.log(numbered.camera.focal) - numbered.focal[0])
    prior = np.array([0.0] * FOCAL + [numbered.focal[1] ** -2, target.growth_sd**-2])
    offset = np.array([0.0] * FOCAL + [lean, grown])
    white = rows.whitened(found.extent + grown)
    part, weight = robust((white**2).sum(axis=1), rows.count, loose)
    jacobian = rows.whiten @ sloped
    weighted = (weight[:, None, None] * jacobian).reshape(-1, PER_VIEW).T
    hessian = np.diag(prior + 1e-9) + weighted @ jacobian.reshape(-1, PER_VIEW)
    gradient = weighted @ white.ravel() - prior * offset
    energy = 0.5 * float(prior @ offset**2) + float(part.sum())
    hessian[np.diag_indices(PER_VIEW)] *= 1.01
    return energy, np.linalg.solve(hessian, gradient)
