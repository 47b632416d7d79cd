"""The parametric engine: labelled photos in, fitted teeth with their uncertainty out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.exif import focal_in_pixels
from teethscape.dental.fdi import THIRD_MOLARS, Jaws, jaw_of
from teethscape.dental.masks import at_size, ids_of
from teethscape.dental.request import MaskValues
from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.parametric.arch import Arch, ArchState
from teethscape.parametric.closed_gaps import closed_gaps
from teethscape.parametric.first_labels import doubted, drawn_by_numbering
from teethscape.parametric.fit import BRIEF, MODES, WHOLE, Evidence, Fit, RoughFit, fit_arches
from teethscape.parametric.interface import FitInputs, FitResult, PhotoGeometry, Sight
from teethscape.parametric.numbering.layout import Layouts
from teethscape.parametric.numbering.measure import NumberingView
from teethscape.parametric.numbering.number import Asked, number_teeth
from teethscape.parametric.prior import ToothPrior, load_prior
from teethscape.parametric.result import Numbered, build_result
from teethscape.parametric.rounds import Photos, clarity_of
from teethscape.parametric.start_cameras import start_from_fdi
from teethscape.parametric.synthesis import STEPS, Said, doubtful, supplemented, synthesised
from teethscape.progress import Progress, Stage

#: Share of the fit's stage that the first fit takes where labels are drawn anew.
_FIRST_FIT = 0.4


def focal_px(photo: PhotoGeometry) -> float | None:
    """Focal length in px from the 35-mm equivalent, None where unknown."""
    if photo.focal_35mm is None:
        return None
    return focal_in_pixels(photo.focal_35mm, photo.width, photo.height)


def _focal_of_labels(photo: PhotoGeometry, labels: NDArray[Any]) -> float | None:
    """Focal length in px of a label image, None where unknown."""
    focal = focal_px(photo)
    return None if focal is None else focal * max(labels.shape) / max(photo.width, photo.height)


@dataclass(frozen=True)
class _Start:
    """Numbered labels with what is known of cameras and teeth before the fit.

    Attributes:
        numbered: the labels.
        rough: cameras and teeth.
        labels: what the first fit believes, of the same sizes.
        sight: what shows more than the labels; None where the given ones stand.
    """

    numbered: Numbered
    rough: RoughFit
    labels: Mapping[View, NDArray[np.int32]]
    sight: Mapping[View, Sight] | None = None


def number_labels(inputs: FitInputs, progress: Progress) -> Numbered:
    """Labels in FDI numbers, without the fit; drawn with the rough model where there is a sight.

    Raises:
        RefusedError: the teeth cannot be numbered with confidence.
    """
    progress.stage(Stage.NUMBER, 0.0)
    return _start(_of_own_jaws(inputs), load_prior(), progress, unsure=()).numbered


def fit_case(inputs: FitInputs, progress: Progress) -> FitResult:
    """Reconstruct the teeth of one patient from label images.

    Args:
        inputs: label images (FDI numbers or arbitrary instances) with their photos' geometry.
        progress: told of each step; may cancel.

    Raises:
        RefusedError: too little is seen, or the teeth cannot be numbered with confidence.
    """
    prior, inputs = load_prior(), _of_own_jaws(inputs)
    progress.stage(Stage.NUMBER, 0.0)
    # Where a photo can be numbered in two ways, what the photos show decides (``synthesis``).
    shown = inputs.sight is not None or inputs.look is not None
    start = _start(inputs, prior, progress, unsure=tuple(View) if shown else ())
    for notice in start.numbered.notices:
        progress.warn("numbering", notice)
    progress.stage(Stage.NUMBER, 1.0)
    progress.stage(Stage.FIT, 0.0)

    def on_step(share: float) -> None:
        progress.check_cancelled()
        progress.stage(Stage.FIT, (0.95 if start.sight is None else _FIRST_FIT) * share)

    fit, numbered, drawn = _fitted(inputs, start, on_step, progress)
    for notice in numbered.notices[len(start.numbered.notices) :]:
        progress.warn("numbering", notice)
    return replace(build_result(inputs, fit, numbered), drawn=drawn)


def _fitted(
    inputs: FitInputs, start: _Start, on_step: Callable[[float], None], progress: Progress
) -> tuple[Fit, Numbered, dict[View, NDArray[np.int32]]]:
    """The fit, its labels and what it draws in the photos, nothing where the given labels stand."""
    numbered, sight, numbers = start.numbered, start.sight, inputs.label_kind is MaskValues.FDI
    clarity = None if sight is None or numbers else clarity_of(sight)
    focal = {view: _focal_of_labels(inputs.photos[view], image) for view, image in numbered.labels.items()}
    evidence = Evidence(start.labels, numbered.present, focal, clarity)
    fit = fit_arches(evidence, start.rough, on_step, WHOLE if clarity is None else BRIEF)
    if sight is None:
        return fit, numbered, {}
    steps = itertools.count(1)
    said = Said(frozenset(inputs.absent_teeth), inputs.look is not None, _named(inputs, sight))
    small = {view: _focal_of_labels(inputs.photos[view], seen.teeth) for view, seen in sight.items()}
    photos = Photos(sight, small, lambda: _on_round(progress, next(steps)))
    if numbers:
        return supplemented((fit, numbered), photos, said.absent)
    return synthesised((fit, numbered), photos, said)


def _named(inputs: FitInputs, sight: Mapping[View, Sight]) -> dict[View, NDArray[np.int32]]:
    """(h, w) FDI numbers of the teeth that the user has named, 0 elsewhere, in the size of the sight."""
    images = {view: _renumbered(inputs.labels[view], names) for view, names in inputs.named.items()}
    return {view: at_size(image, sight[view].size) for view, image in images.items()}


def _of_own_jaws(inputs: FitInputs) -> FitInputs:
    """The same without the sight of a jaw that is not asked for: no model is to explain its teeth."""
    hints = inputs.jaw_hint
    if inputs.sight is None or hints is None or inputs.jaws is Jaws.BOTH:
        return inputs
    sight = {}
    for view, seen in inputs.sight.items():
        others = [i for i, jaw in hints.get(view, {}).items() if jaw not in inputs.jaws.members]
        sight[view] = seen.without(np.isin(inputs.labels[view], others))
    return replace(inputs, sight=sight)


def _on_round(progress: Progress, step: int) -> None:
    """Tell of a step of fitting redrawn labels."""
    progress.check_cancelled()
    done = 1.0 - 0.2 ** (step / STEPS)  # more steps where a photo belies the model
    progress.stage(Stage.FIT, _FIRST_FIT + (0.95 - _FIRST_FIT) * done, "comparing with the photos")


def _start(inputs: FitInputs, prior: ToothPrior, progress: Progress, unsure: Collection[View]) -> _Start:
    """Numbers and first cameras, from FDI masks or from instances; some photos' numbers may be in doubt."""
    if inputs.label_kind is MaskValues.FDI:
        return _from_fdi(inputs, prior)
    return _from_instances(_numberable(inputs, prior), prior, progress, unsure)


def _numberable(inputs: FitInputs, prior: ToothPrior) -> FitInputs:
    """The same without instances whose name is no tooth of the prior, or one that is said to be missing."""
    known = set(prior.fdi) - set(inputs.absent_teeth)
    labels, named = dict(inputs.labels), {}
    for view, names in inputs.named.items():
        named[view] = {i: fdi for i, fdi in names.items() if fdi in known}
        others = [i for i in names if i not in named[view]]
        labels[view] = np.where(np.isin(labels[view], others), 0, labels[view])
    return replace(inputs, labels=labels, named=named)


def _renumbered(labels: NDArray[np.int32], numbers: Mapping[int, int]) -> NDArray[np.int32]:
    """Label image with ids replaced by FDI numbers; ids without a number become 0."""
    table = np.zeros(int(labels.max()) + 1, np.int32)
    for identity, fdi in numbers.items():
        table[identity] = fdi
    return table[labels]


def _from_instances(
    inputs: FitInputs, prior: ToothPrior, progress: Progress, unsure: Collection[View]
) -> _Start:
    """Number arbitrary instances, then start from what the numbering found."""

    def on_step(share: float) -> None:
        progress.check_cancelled()
        progress.stage(Stage.NUMBER, share)

    hints, kinds = inputs.jaw_hint or {}, inputs.kind_hint or {}
    views = {
        view: NumberingView(
            labels,
            hints.get(view),
            labels.shape[1],
            labels.shape[0],
            focal_px(inputs.photos[view]),
            inputs.named.get(view, {}),
            kinds.get(view, {}),
        )
        for view, labels in inputs.labels.items()
    }
    asked = Asked(inputs.jaws, frozenset(inputs.absent_teeth), unsure, inputs.unmirrored)
    found = number_teeth(views, prior, asked, on_step)
    labels = {view: _renumbered(image, found.fdi[view]) for view, image in inputs.labels.items()}
    numbered = Numbered(
        labels, found.present, found.fdi, found.margin, found.notices, found.doubt, found.mirrored
    )
    sight = _sight_for(inputs, numbered, prior)
    if sight is not None:
        rough = Arch(found.prior, found.state)
        numbered = drawn_by_numbering(numbered, inputs.labels, rough, found.cameras, sight)
        labels = doubted(numbered, inputs.labels)
    # Only cameras and bite are kept: started from the mean teeth the fit ends nearer to the truth.
    state = replace(ArchState.mean(len(prior.fdi), MODES), bite=found.state.bite)
    return _Start(_checked(numbered), RoughFit(found.prior, found.cameras, state), labels, sight)


def _sight_for(inputs: FitInputs, numbered: Numbered, prior: ToothPrior) -> Mapping[View, Sight] | None:
    """What the labels are to be drawn anew with: the user's only where they lack teeth or leave doubt."""
    if inputs.look is None:
        return inputs.sight
    asked = {fdi for fdi in prior.fdi if jaw_of(fdi) in inputs.jaws.members} - set(inputs.absent_teeth)
    return inputs.look() if doubtful(numbered) or not asked <= numbered.present else None


def _from_fdi(inputs: FitInputs, prior: ToothPrior) -> _Start:
    """Labels that carry FDI numbers already."""
    notices = []
    labels, numbering = {}, {}
    for view, image in inputs.labels.items():
        values = ids_of(image)
        numbering[view] = {v: v for v in values if v in prior.fdi and v not in inputs.absent_teeth}
        labels[view] = _renumbered(image, numbering[view])
        if any(v in THIRD_MOLARS for v in values):
            notices.append(f"Third molars in the {view.title} photo are left out.")
    jaws = inputs.jaws.members
    shown = {fdi for view, names in numbering.items() for fdi in names.values() if jaw_of(fdi) in view.jaws}
    present = frozenset(fdi for fdi in shown if jaw_of(fdi) in jaws)
    numbered = _checked(Numbered(labels, present, numbering, {}, tuple(notices)))
    sight = _sight_for(inputs, numbered, prior)
    exif = {view: focal_px(photo) for view, photo in inputs.photos.items()}
    prior = Layouts(prior).get(frozenset(), closed_gaps(labels, prior, exif)).prior
    cameras = start_from_fdi(labels, prior, exif)
    return _Start(numbered, RoughFit(prior, cameras, ArchState.mean(len(prior.fdi), MODES)), labels, sight)


def _checked(numbered: Numbered) -> Numbered:
    """Refuse photos that show too few teeth for a camera."""
    for view, names in numbered.numbering.items():
        count = sum(jaw_of(fdi) in view.jaws for fdi in names.values())
        if count < 4:
            raise RefusedError(
                "too_few_teeth",
                f"The {view.title} photo shows only {count} usable teeth.",
                "Retake it with the cheeks held back, or correct its masks.",
            )
    return numbered
