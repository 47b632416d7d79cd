"""One round of analysis by synthesis: fitted teeth, what they look like in each photo, and fitting again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import jaw_of
from teethscape.dental.views import View
from teethscape.parametric.arch import Arch, ArchState
from teethscape.parametric.camera import Camera
from teethscape.parametric.expected import expected_teeth
from teethscape.parametric.fit import BRIEF, MODES, Evidence, Fit, RoughFit, Schedule, fit_again, fit_arches
from teethscape.parametric.interface import Sight
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.result import Numbered

IntImage = NDArray[np.int32]


@dataclass(frozen=True)
class Round:
    """A fit with the labels it came from and what it looks like.

    Attributes:
        fit: the fit.
        numbered: labels in FDI numbers.
        cameras: per view, px of the sight.
        expected: (h, w) FDI numbers of the model's teeth per view, in the size of the sight.
        likelihood: mean over the photos of how well the model agrees with what the network saw.
    """

    fit: Fit
    numbered: Numbered
    cameras: Mapping[View, Camera]
    expected: Mapping[View, IntImage]
    likelihood: float

    @property
    def arch(self) -> Arch:
        """The fitted teeth."""
        return Arch(self.fit.problem.prior, self.fit.state.arch)

    @property
    def whole(self) -> frozenset[int]:
        """FDI numbers of all teeth that the model's jaws may have."""
        jaws = {view.jaws[0] for view in self.cameras if view.is_occlusal}
        return frozenset(fdi for fdi in self.fit.problem.prior.fdi if jaw_of(fdi) in jaws)


@dataclass(frozen=True)
class Photos:
    """What is known of the photos, for all rounds.

    Attributes:
        sight: what the network saw in each.
        exif: focal length per view in px of the labels, None where unknown.
        on_step: called at every step of a fit; may raise to cancel.
    """

    sight: Mapping[View, Sight]
    exif: Mapping[View, float | None]
    on_step: Callable[[], None]

    def look(self, fit: Fit, numbered: Numbered) -> Round:
        """What a fit looks like; of its photos only."""
        shots = zip(fit.problem.observations, fit.state.cameras, strict=True)
        cameras = {o.view: camera.resized(*self.sight[o.view].size) for o, camera in shots}
        arch = Arch(fit.problem.prior, fit.state.arch)
        expected = {
            view: expected_teeth(arch, numbered.present, view, camera) for view, camera in cameras.items()
        }
        likelihood = np.mean([self.sight[view].likelihood(labels) for view, labels in expected.items()])
        return Round(fit, numbered, cameras, expected, float(likelihood))

    def drawn(self, expected: Mapping[View, IntImage]) -> dict[View, IntImage]:
        """New labels per view, drawn with the help of what a model looks like there."""
        return {view: self.sight[view].redrawn(labels) for view, labels in expected.items()}

    def again(self, found: Round, labels: Mapping[View, IntImage]) -> Round:
        """The fit of new labels of the same photos, from where a round ended."""
        fit = fit_again(self._evidence(found.numbered, labels), found.fit, self.on_step)
        return self.look(fit, replace(found.numbered, labels=labels))

    def with_teeth(self, found: Round, present: frozenset[int]) -> Round:
        """The same with other teeth, fitted to the labels that they help to draw."""
        other = self.look(found.fit, replace(found.numbered, present=present))
        return self.again(other, self.drawn(other.expected))

    def anew(
        self,
        numbered: Numbered,
        prior: ToothPrior,
        cameras: Mapping[View, Camera],
        schedule: Schedule = BRIEF,
    ) -> Round:
        """The fit of labels of all or some photos, from rough cameras and mean teeth in the mean bite."""
        evidence = self._evidence(numbered, numbered.labels)
        rough = RoughFit(prior, cameras, ArchState.mean(len(prior.fdi), MODES))
        return self.look(fit_arches(evidence, rough, lambda _share: self.on_step(), schedule), numbered)

    def _evidence(self, numbered: Numbered, labels: Mapping[View, IntImage]) -> Evidence:
        exif = {view: self.exif[view] for view in labels}
        clarity = clarity_of({view: self.sight[view] for view in labels})
        return Evidence(labels, numbered.present, exif, clarity)


def clarity_of(sight: Mapping[View, Sight]) -> dict[View, NDArray[np.float32]]:
    """How clear a tooth border is at each pixel of each photo."""
    return {view: seen.clarity for view, seen in sight.items()}


@dataclass(frozen=True)
class Agreement:
    """How far a photo and what a model looks like in it agree, 0-1.

    Attributes:
        explained: share of the photo's clear tooth borders that the model explains.
        confirmed: share of the model's borders between teeth that the photo confirms.
    """

    explained: float
    confirmed: float

    @classmethod
    def of(cls, expected: IntImage, view: View, sight: Sight) -> Agreement:
        """Of the (h, w) labels of a model."""
        return cls(sight.explained(expected, view.is_occlusal), sight.confirmed(expected))

    @property
    def mean(self) -> float:
        """Mean of both shares."""
        return (self.explained + self.confirmed) / 2
