"""Analysis by synthesis: the fitted teeth help to draw the photos' labels anew, which are fitted again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.parametric.arch import Arch
from teethscape.parametric.fit import AGAIN, Evidence, Fit, fit_again
from teethscape.parametric.interface import PhotoGeometry, Sight
from teethscape.parametric.raster import render_ids
from teethscape.parametric.result import Numbered
from teethscape.parametric.rims import build_soup, tooth_map, visible_teeth

#: Most rounds of drawing and fitting.
ROUNDS = 2
#: Fit steps of all rounds, for the progress bar.
STEPS = ROUNDS * AGAIN.iterations
#: Gain in likelihood, nats per px of tooth, below which a round is not followed by another.
_GAIN = 0.005
#: Share of a photo's clear tooth borders that the model must explain.  Of twelve rendered patients, none of
#: which the network had seen, those with right numbers had at least 0.75 in every photo, those with
#: wrong ones at most 0.63 in one.
_EXPLAINED = 0.69

IntImage = NDArray[np.int32]


@dataclass(frozen=True)
class _Round:
    """A fit with the labels it came from and what it looks like.

    Attributes:
        fit: the fit.
        numbered: labels in FDI numbers.
        expected: (h, w) FDI numbers of the model's teeth per view, in the size of the sight.
        likelihood: mean over the photos of how well the model agrees with what the network saw.
    """

    fit: Fit
    numbered: Numbered
    expected: Mapping[View, IntImage]
    likelihood: float


def synthesised(
    start: tuple[Fit, Numbered],
    sight: Mapping[View, Sight],
    exif: Mapping[View, float | None],
    photos: Mapping[View, PhotoGeometry],
    on_step: Callable[[], None],
) -> tuple[Fit, Numbered, dict[View, IntImage]]:
    """Draw the labels anew and fit again while that brings the model nearer to the photos.

    Args:
        start: a finished fit and its labels.
        sight: what the network saw in each photo.
        exif: focal length per view in px of the photo, None where unknown.
        photos: size of each photo.
        on_step: called at every step of a fit; may raise to cancel.

    Returns:
        The best fit, its labels, and the (h, w) FDI labels that the model draws in each photo.

    Raises:
        RefusedError: a photo shows many tooth borders where the model has none.
    """
    best = _round(*start, sight)
    focal = {v: None if f is None else f * max(sight[v].size) / _side(photos[v]) for v, f in exif.items()}
    for _ in range(ROUNDS):
        drawn = _drawn(best, sight)
        fit = fit_again(Evidence(drawn, best.numbered.present, focal), best.fit, on_step)
        found = _round(fit, replace(best.numbered, labels=drawn), sight)
        if found.likelihood <= best.likelihood:
            break
        gain, best = found.likelihood - best.likelihood, found
        if gain < _GAIN:
            break
    require_explained(best.expected, sight)
    return best.fit, best.numbered, _drawn(best, sight)


def require_explained(expected: Mapping[View, IntImage], sight: Mapping[View, Sight]) -> None:
    """Refuse a model that leaves out, or parts otherwise, much of what a photo shows.

    Raises:
        RefusedError: the model explains too few of a photo's tooth borders.
    """
    share = {view: sight[view].explained(labels) for view, labels in expected.items()}
    view = min(share, key=lambda v: share[v])
    if share[view] < _EXPLAINED:
        raise RefusedError(
            "teeth_unexplained",
            f"The model explains only {share[view]:.0%} of the tooth borders in the {view.title} photo: "
            "teeth are probably missing from it or numbered wrongly.",
            "Correct the masks (clicks), or retake the photo with dry teeth and even light.",
        )


def _side(photo: PhotoGeometry) -> int:
    return max(photo.width, photo.height)


def _drawn(found: _Round, sight: Mapping[View, Sight]) -> dict[View, IntImage]:
    """New labels per view."""
    return {view: sight[view].redrawn(labels) for view, labels in found.expected.items()}


def _round(fit: Fit, numbered: Numbered, sight: Mapping[View, Sight]) -> _Round:
    expected = {
        observation.view: expected_teeth(fit, k, sight[observation.view].size)
        for k, observation in enumerate(fit.problem.observations)
    }
    likelihood = np.mean([sight[view].likelihood(labels) for view, labels in expected.items()])
    return _Round(fit, numbered, expected, float(likelihood))


def expected_teeth(fit: Fit, shot: int, size: tuple[int, int]) -> IntImage:
    """(h, w) FDI number of the model's tooth at every pixel of a photo, 0 none.

    Args:
        fit: the fitted model.
        shot: which of its photos.
        size: width and height, px.
    """
    prior, view = fit.problem.prior, fit.problem.observations[shot].view
    arch = Arch(prior, fit.state.arch)
    teeth = visible_teeth(prior, fit.problem.present, view)
    seen = tooth_map(prior, render_ids(build_soup(arch, teeth, view), fit.state.cameras[shot].resized(*size)))
    return np.where(seen < 0, 0, np.array(prior.fdi)[seen]).astype(np.int32)
