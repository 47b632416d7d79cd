"""From numbered label images to fitted arches: coarse pictures first, then fine."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.views import View
from teethscape.parametric.arch import ArchState, present_indices
from teethscape.parametric.camera import Camera
from teethscape.parametric.contact import neighbours
from teethscape.parametric.observations import WORKING_SIZE, Observation, observe
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.solver import FitProblem, FitState, Stage, run_stage

#: Size of the pictures on which cameras are found.
COARSE_SIZE = 360
#: Shape modes that the fit moves; the others go into the reported uncertainty.
MODES = 10
#: Two teeth touch when their labels share at least this many outline points.
_SHARED_POINTS = 5

#: Stages of a fit, each with the size of its pictures.
Schedule = tuple[tuple[int, Stage], ...]
WHOLE: Schedule = (
    (COARSE_SIZE, Stage(6, (40.0, 20.0))),
    (COARSE_SIZE, Stage(8, (20.0, 10.0), focal=True)),
    (WORKING_SIZE, Stage(12, (12.0, 5.0), focal=True, principal=True, pose=True)),
    (
        WORKING_SIZE,
        Stage(14, (5.0, 3.0), focal=True, principal=True, pose=True, shape=True, bite_contact=True),
    ),
)
#: For labels that are drawn anew with the fit's help and fitted again: fine stages half as long.
BRIEF: Schedule = tuple(
    (size, stage if size == COARSE_SIZE else replace(stage, iterations=stage.iterations // 2))
    for size, stage in WHOLE
)
#: Fitting again when labels have been drawn anew: the last stage, shortened, for little has changed.
AGAIN = replace(WHOLE[-1][1], iterations=6)


@dataclass(frozen=True)
class Evidence:
    """Numbered teeth of all photos.

    Attributes:
        labels: (h, w) FDI numbers per view, 0 = none, any size.
        present: FDI numbers of the teeth that exist.
        exif_focal_px: focal length per view in px of the labels, None where unknown.
        clarity: (h, w) per view, chance that an outline at a pixel is a tooth's; None: all are.
    """

    labels: Mapping[View, NDArray[np.int32]]
    present: frozenset[int]
    exif_focal_px: Mapping[View, float | None]
    clarity: Mapping[View, NDArray[np.float32]] | None = None


@dataclass(frozen=True)
class Fit:
    """A finished fit with the problem it solved (fine pictures)."""

    problem: FitProblem
    state: FitState


def touching_pairs(prior: ToothPrior, observations: Sequence[Observation]) -> set[tuple[int, int]]:
    """FDI numbers of teeth whose labels share an edge in an occlusal photo."""
    out = set()
    for observation in observations:
        if not observation.view.is_occlusal:
            continue
        contour = observation.contour
        pairs = np.stack([contour.tooth, contour.other], axis=1)[contour.other >= 0]
        found, count = np.unique(pairs, axis=0, return_counts=True)
        for (a, b), n in zip(found, count, strict=True):
            if n >= _SHARED_POINTS:
                out.add((prior.fdi[a], prior.fdi[b]))
    return out


def problem_of(prior: ToothPrior, evidence: Evidence, size: int) -> FitProblem:
    """The fit at one picture size; lengths in px follow the size."""
    clarity = evidence.clarity or {}
    observations = [
        observe(view, labels, prior, size, clarity.get(view)) for view, labels in evidence.labels.items()
    ]
    present = present_indices(prior, set(evidence.present))
    pairs = neighbours(prior, present.tolist(), touching_pairs(prior, observations))
    focal = []
    for view, labels in evidence.labels.items():
        known = evidence.exif_focal_px.get(view)
        focal.append(None if known is None else known * size / max(labels.shape))
    problem = FitProblem(prior, observations, present, pairs, exif_focal=focal)
    factor = size / WORKING_SIZE
    return replace(
        problem, noise=replace(problem.noise, sigma_px=problem.noise.sigma_px * factor), px_factor=factor
    )


def resized(state: FitState, problem: FitProblem) -> FitState:
    """The same state for the picture sizes of a problem."""
    pairs = zip(state.cameras, problem.observations, strict=True)
    return replace(state, cameras=tuple(camera.resized(*seen.size) for camera, seen in pairs))


@dataclass(frozen=True)
class RoughFit:
    """What is known of cameras and teeth before the fit.

    Attributes:
        prior: the tooth prior, its mean places where gaps have closed.
        cameras: a camera per view, px of the labels.
        state: teeth and bite.
    """

    prior: ToothPrior
    cameras: Mapping[View, Camera]
    state: ArchState


def fit_arches(
    evidence: Evidence,
    rough: RoughFit,
    on_step: Callable[[float], None] = lambda _share: None,
    schedule: Schedule = WHOLE,
) -> Fit:
    """Fit cameras, bite and teeth to numbered labels.

    Args:
        evidence: numbered labels.
        rough: where to start, with mean crowns.
        on_step: called with the share of steps done; may raise to cancel.
        schedule: its stages.
    """
    total = iterations(schedule)
    counter = itertools.count()
    state = FitState(rough.state.with_modes(0), tuple(rough.cameras[view] for view in evidence.labels))
    problems = {size: problem_of(rough.prior, evidence, size) for size in {s for s, _ in schedule}}
    for size, stage in schedule:
        state = resized(state, problems[size])
        if stage.shape:
            state = replace(state, arch=state.arch.with_modes(MODES))
        state = run_stage(problems[size], state, stage, lambda: on_step(next(counter) / total))
    return Fit(problems[WORKING_SIZE], state)


def iterations(schedule: Schedule) -> int:
    """Steps of all stages."""
    return sum(stage.iterations for _, stage in schedule)


def fit_again(evidence: Evidence, fit: Fit, on_step: Callable[[], None]) -> Fit:
    """Fit new labels of the same teeth from where a fit ended."""
    problem = problem_of(fit.problem.prior, evidence, WORKING_SIZE)
    return Fit(problem, run_stage(problem, resized(fit.state, problem), AGAIN, on_step))
