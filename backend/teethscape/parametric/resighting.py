"""A fit from what the photos show of teeth, whatever numbers the labels of bite photos were given.

Labels that are one tooth off in part of a row hold a camera, and with it the bite, where outlines that are
matched by number cannot leave.  So the arches are fitted to the occlusal photos alone, which show every tooth
of their jaw; the anterior photo, then the buccal ones, are placed where the model agrees best with what they
show; and the model's numbers are drawn there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from teethscape.dental.views import View
from teethscape.parametric.arch import Arch, ArchState
from teethscape.parametric.camera import Camera
from teethscape.parametric.camera_search import Model, nearest_camera
from teethscape.parametric.overlooked import Scene, unseen
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.rounds import IntImage, Photos, Round

#: Bite photos in the order in which they are placed: the first tells of the bite.
_ORDER = ((View.ANTERIOR,), (View.LEFT_BUCCAL, View.RIGHT_BUCCAL))


def resighted(found: Round, photos: Photos) -> Round:
    """A fit of the same teeth in which the labels of the bite photos had no say.

    Args:
        found: a fit to all photos, its cameras roughly right.
        photos: what is known of them.
    """
    own = {view: labels for view, labels in found.numbered.labels.items() if view.is_occlusal}
    cameras = {view: found.cameras[view] for view in own}
    arches = photos.anew(replace(found.numbered, labels=own), found.fit.problem.prior, cameras)
    return _with_bite(found, arches, photos)


def complete(found: Round, photos: Photos, prior: ToothPrior, absent: frozenset[int]) -> Round:
    """A fit of all teeth but those said to be absent, in which no label had a say.

    Teeth that the numbering did not find stay only where a photo shows them.

    Args:
        found: a fit to all photos, its cameras roughly right.
        photos: what is known of them.
        prior: the tooth prior without closed gaps.
        absent: teeth that the user says are missing.
    """
    own = [view for view in found.cameras if view.is_occlusal]
    present = found.whole - absent
    model = Model(Arch(prior, ArchState.mean(len(prior.fdi))), present)
    cameras = {view: nearest_camera(model, view, found.cameras[view], photos) for view in own}
    numbered = replace(found.numbered, present=present, labels=_drawn(model, cameras, photos))
    whole = _with_bite(found, photos.anew(numbered, prior, cameras), photos)
    return _without_unseen(whole, photos, present - found.numbered.present)


def filled(found: Round, photos: Photos, teeth: frozenset[int]) -> Round:
    """The same with teeth that no label has where the prior puts them, fitted again.

    They stay only where a photo shows them.

    Args:
        found: a fit to all photos.
        photos: what is known of them.
        teeth: FDI numbers.
    """
    return _without_unseen(photos.with_teeth(found, found.numbered.present | teeth), photos, teeth)


def _without_unseen(found: Round, photos: Photos, teeth: frozenset[int]) -> Round:
    """The same without those of some teeth that the photos hardly show, fitted again if there are any."""
    gone = unseen(Scene.of(found, photos), teeth)
    return photos.with_teeth(found, found.numbered.present - gone) if gone else found


def _with_bite(found: Round, arches: Round, photos: Photos) -> Round:
    """The fit to all photos, from one to the occlusal ones and rough cameras of the others."""
    prior = arches.fit.problem.prior
    for views in _ORDER:
        arches = photos.again(arches, photos.drawn(arches.expected))
        model, cameras = Model(arches.arch, arches.numbered.present), dict(arches.cameras)
        for view in (view for view in views if view in found.cameras):
            cameras[view] = nearest_camera(model, view, found.cameras[view], photos)
        numbered = replace(arches.numbered, labels=_drawn(model, cameras, photos))
        arches = photos.anew(numbered, prior, cameras)
    return arches


def _drawn(model: Model, cameras: Mapping[View, Camera], photos: Photos) -> dict[View, IntImage]:
    """Labels of photos, drawn with the model's help."""
    return photos.drawn({v: model.seen(v, camera, photos.sight[v]) for v, camera in cameras.items()})
