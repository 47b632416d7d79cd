"""Whether a photo shows its teeth as in a mirror: told by how numbered teeth fit the other photos.

Left and right teeth of one mouth differ a little in place and size. The places, sizes and elongations of
the numbered teeth of all photos are fitted together once as they are and once with a photo flipped.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import mirrored
from teethscape.dental.views import View
from teethscape.parametric.camera import Camera
from teethscape.parametric.numbering.joint import Belief, NumberedView, joint_fits
from teethscape.parametric.numbering.layout import Layouts
from teethscape.parametric.numbering.measure import measure, shrunk
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.start_cameras import focal_prior, start_from_fdi

Labels = NDArray[np.int32]
#: Fits whose median cost counts: robust weights keep each of them off by several nats.
_FIRST, _LAST = 6, 13
#: What is tested: each photo, and the two buccal ones together, for one of them flipped is the other side.
TESTED: tuple[tuple[View, ...], ...] = (
    (View.ANTERIOR,),
    (View.LEFT_BUCCAL, View.RIGHT_BUCCAL),
    (View.MAXILLARY_OCCLUSAL,),
    (View.MANDIBULAR_OCCLUSAL,),
)
#: Nats from which a photo is held to be mirrored, or not to be.
SURE = 5.0


@dataclass(frozen=True)
class _Seen:
    """A photo's numbered teeth as they are and in a mirror."""

    plain: NumberedView
    flipped: NumberedView


def flip_gains(
    labels: Mapping[View, Labels], prior: ToothPrior, focal_px: Mapping[View, float | None]
) -> dict[View, float]:
    """Nats by which all photos fit better when one is flipped; negative when it is right as it is.

    Args:
        labels: (h, w) FDI numbers of each view, at least two views.
        prior: the tooth prior.
        focal_px: focal length in px of each view where the file tells it.

    Returns:
        Per view that could be tested; the two buccal views share one value.
    """
    small = {view: shrunk(image) for view, image in labels.items()}
    images = {view: image for view, (image, _) in small.items()}
    focal = {v: None if focal_px.get(v) is None else (focal_px[v] or 0.0) * small[v][1] for v in images}
    cameras = start_from_fdi(images, prior, focal)
    seen = {view: _seen(images[view], cameras[view], prior, focal[view]) for view in images}
    base = _cost({view: own.plain for view, own in seen.items()}, prior)
    gains: dict[View, float] = {}
    for group in (group for group in TESTED if set(group) < set(seen)):
        tried = {view: own.flipped if view in group else own.plain for view, own in seen.items()}
        gains |= dict.fromkeys(group, base - _cost(tried, prior))
    return gains


def verdicts(gains: Mapping[View, float]) -> dict[View, bool | None]:
    """Which photos are mirrored; None where that is too close to tell.

    One flipped photo disturbs the fit of all others, so only the one that gains most is named, and
    nothing is said of the others then unless they clearly fit as they are.

    Args:
        gains: of `flip_gains`.
    """
    most = max(gains.values(), default=0.0)
    return {
        view: True if gain > SURE and gain == most else (False if gain < -SURE else None)
        for view, gain in gains.items()
    }


def _cost(views: Mapping[View, NumberedView], prior: ToothPrior) -> float:
    """Nats of the fit of all views; teeth that none shows are missing, which a flip may change."""
    shown = np.unique(np.concatenate([own.tooth for own in views.values()]))
    # Second molars are often hidden, so nothing is said about them.
    missing = frozenset(fdi for k, fdi in enumerate(prior.fdi) if k not in shown and fdi % 10 != 7)
    fits = joint_fits(views, Belief.before(Layouts(prior).get(missing)))
    return float(np.median([fit.cost for fit in itertools.islice(fits, _FIRST, _LAST)]))


def _seen(image: Labels, camera: Camera, prior: ToothPrior, focal: float | None) -> _Seen:
    twins = np.arange(max(100, int(image.max()) + 1), dtype=np.int32)
    for fdi in prior.fdi:
        twins[fdi] = mirrored(fdi)
    other = np.ascontiguousarray(twins[image[:, ::-1]])
    return _Seen(_numbered(image, camera, prior, focal), _numbered(other, camera.mirrored(), prior, focal))


def _numbered(image: Labels, camera: Camera, prior: ToothPrior, focal: float | None) -> NumberedView:
    found = measure(image)
    tooth = np.array([prior.fdi.index(int(i)) if int(i) in prior.fdi else -1 for i in found.ids], np.intp)
    spread = focal_prior(image.shape[1], image.shape[0], focal)
    return NumberedView(found, tooth, camera, spread, focal is not None)
