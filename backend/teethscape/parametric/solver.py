"""Levenberg-Marquardt over cameras, bite, poses, sizes and shapes, in stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from teethscape.parametric.arch import Arch, ArchState
from teethscape.parametric.bite_contact import add_bite_contacts
from teethscape.parametric.camera import Camera
from teethscape.parametric.contact import Neighbours, add_contacts
from teethscape.parametric.matching import OutlineNoise, Shot, add_outlines
from teethscape.parametric.observations import Observation
from teethscape.parametric.penalties import FocalPrior, PriorPrecision, add_camera_priors, add_tooth_priors
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.rims import render_rim, visible_teeth
from teethscape.parametric.rotation import FloatArray
from teethscape.parametric.system import Layout, NormalEquations

_DAMPING = 1e-3
#: Largest camera rotation (rad) in one step: outlines are matched anew after each.
_MAX_TURN = 0.15


@dataclass(frozen=True)
class Stage:
    """Which unknowns move, for how long, and how robustly.

    Attributes:
        iterations: Gauss-Newton steps; outlines are rendered anew for each.
        cutoff_px: Geman-McClure scale at the first and at the last step, at working size.
        focal: move focal lengths.
        principal: move principal points.
        pose: move teeth (translation, rotation, size).
        shape: move the principal modes of shape.
        bite_contact: rest lower teeth on upper ones.
    """

    iterations: int
    cutoff_px: tuple[float, float]
    focal: bool = False
    principal: bool = False
    pose: bool = False
    shape: bool = False
    bite_contact: bool = False


#: Everything moves: the stage whose system gives the posterior.
FULL = Stage(1, (3.0, 3.0), focal=True, principal=True, pose=True, shape=True, bite_contact=True)


@dataclass(frozen=True)
class FitProblem:
    """All that stays the same while fitting.

    Attributes:
        prior: the tooth prior.
        observations: labelled outlines, one per camera.
        present: indices of the teeth that exist.
        neighbours: adjacent teeth and whether they touch.
        noise: belief in outlines.
        exif_focal: focal length in px at working size per camera, where known.
        contact_sigma_mm: how far touching teeth may be apart or overlap.
        px_factor: picture size relative to ``WORKING_SIZE``; scales all limits in px.
    """

    prior: ToothPrior
    observations: Sequence[Observation]
    present: NDArray[np.intp]
    neighbours: Sequence[Neighbours] = ()
    noise: OutlineNoise = field(default_factory=OutlineNoise)
    exif_focal: Sequence[float | None] = ()
    contact_sigma_mm: float = 0.15
    px_factor: float = 1.0

    @cached_property
    def precision(self) -> PriorPrecision:
        """Inverse covariances of the prior."""
        return PriorPrecision.of(self.prior)


@dataclass(frozen=True)
class FitState:
    """A point in the space of all unknowns, with the residual of each view in px."""

    arch: ArchState
    cameras: tuple[Camera, ...]
    residual_px: tuple[float, ...] = ()


def _active(layout: Layout, stage: Stage) -> NDArray[np.intp]:
    """Unknowns that a stage moves."""
    chosen = [layout.bite()]
    if stage.pose:
        chosen += [layout.pose().ravel(), layout.log_size()]
    if stage.shape:
        chosen.append(layout.shape().ravel())
    for slot in range(layout.views):
        camera = layout.camera(slot)
        chosen.append(camera[:6])
        if stage.focal:
            chosen.append(camera[6:7])
        if stage.principal:
            chosen.append(camera[7:9])
    return np.sort(np.concatenate(chosen))


def assemble(
    problem: FitProblem, state: FitState, noise: OutlineNoise, stage: Stage = FULL
) -> tuple[NormalEquations, tuple[float, ...]]:
    """The full system at a state, and the mean residual of each view in px."""
    layout = Layout(len(problem.prior.fdi), state.arch.modes, len(state.cameras))
    system = NormalEquations(layout)
    arch = Arch(problem.prior, state.arch)
    misfit = []
    for slot, (observation, camera) in enumerate(zip(problem.observations, state.cameras, strict=True)):
        teeth = visible_teeth(problem.prior, problem.present, observation.view)
        rim = render_rim(arch, teeth, observation.view, camera)
        misfit.append(add_outlines(system, arch, Shot(slot, observation, camera), rim, noise))
    if stage.pose:
        add_contacts(system, arch, problem.neighbours, problem.contact_sigma_mm)
    if stage.bite_contact:
        add_bite_contacts(system, arch, problem.present.tolist())
    add_tooth_priors(system, problem.precision, state.arch)
    focal = FocalPrior.of(list(state.cameras), list(problem.exif_focal) or [None] * len(state.cameras))
    add_camera_priors(system, list(state.cameras), focal)
    return system, tuple(misfit)


def step_state(state: FitState, layout: Layout, step: FloatArray) -> FitState:
    """The state after a step of the long vector, camera turns limited."""
    teeth = step[: layout.teeth * layout.tooth_size].reshape(layout.teeth, layout.tooth_size)
    cameras = []
    for slot, camera in enumerate(state.cameras):
        move = step[layout.camera(slot)]
        turn = float(np.linalg.norm(move[:3]))
        cameras.append(camera.moved(move * min(1.0, _MAX_TURN / max(turn, 1e-9))))
    return FitState(state.arch.moved(teeth, step[layout.bite()]), tuple(cameras))


def run_stage(
    problem: FitProblem, state: FitState, stage: Stage, on_step: Callable[[], None] = lambda: None
) -> FitState:
    """Run one stage; ``on_step`` may raise to cancel."""
    cutoffs = np.geomspace(*stage.cutoff_px, stage.iterations)
    for cutoff in cutoffs:
        on_step()
        noise = replace(problem.noise, cutoff_px=float(cutoff) * problem.px_factor)
        system, misfit = assemble(problem, state, noise, stage)
        step = system.solve(_active(system.layout, stage), _DAMPING)
        state = replace(step_state(state, system.layout, step), residual_px=misfit)
    return state
