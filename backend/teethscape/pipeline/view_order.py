"""Which photo shows which view: told from the pictures, not believed from the names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from teethscape.dental.fdi import Jaws
from teethscape.dental.photos import Photo
from teethscape.dental.request import ReconstructRequest
from teethscape.dental.views import View, views_needed
from teethscape.errors import BadInputError, MissingComponentError
from teethscape.progress import Progress, Stage

if TYPE_CHECKING:
    from teethscape.segmentation.recognition import PhotoRecognition, ViewRecognition
    from teethscape.segmentation.segmenter import Segmenter

#: A finding must be this sure before it overrules a photo's number or the user's slot.
_SURE = 0.8

#: What is said of a photo that was turned by so many degrees, counter-clockwise.
_TURNED = {
    90: "The photo lay on its side and was turned by 90 degrees counter-clockwise.",
    180: "The photo stood on its head and was turned by 180 degrees.",
    270: "The photo lay on its side and was turned by 90 degrees clockwise.",
}
_DOUBT = "Taken as {view}, as its name says; the picture alone does not make it certain."


def order_photos(
    request: ReconstructRequest, photos: Mapping[View, Photo], progress: Progress
) -> dict[View, Photo]:
    """Bring each photo into the view that it shows, upright; those of a jaw not asked for are left out.

    Raises:
        BadInputError: a picture shows no teeth, or two show the same view.
    """
    found = photos if request.trust_views else arranged(photos, recognise(photos, progress))
    return needed(found, request.jaws)


def needed(photos: Mapping[View, Photo], jaws: Jaws) -> dict[View, Photo]:
    """Those of some photos in their views that the jaws need."""
    return {view: photo for view, photo in photos.items() if view in views_needed(jaws)}


def recognise(photos: Mapping[View, Photo], progress: Progress) -> ViewRecognition:
    """What the network says of each photo, in the order given."""
    from teethscape.segmentation.recognition import recognise_views

    seen = recognise_views([photo.pixels for photo in photos.values()], segmenter())
    progress.stage(Stage.RECOGNISE, 0.9)
    return seen


def arranged(photos: Mapping[View, Photo], seen: ViewRecognition) -> dict[View, Photo]:
    """Each photo in its view, upright, with notices about what was changed and how good it is.

    Raises:
        BadInputError: a picture shows no teeth, or two show the same view.
    """
    given = [_judged(photo, finding) for photo, finding in zip(photos.values(), seen.photos, strict=True)]
    _require_both_sides(given, seen)
    placed = {photo.view: photo for photo in _believed(given, seen.photos)}
    missing = [view for view in photos if view not in placed]
    if missing:
        names = ", ".join(view.title for view in missing)
        others = ", ".join(p.source.name for v, p in placed.items() if v not in photos)
        raise BadInputError(
            "view_missing",
            f"No photo shows the {names} view" + (f"; {others} shows another one." if others else "."),
            "Add the missing photo, or pass --trust-views if the file names are right.",
        )
    return {view: placed[view] for view in sorted(placed)}


def recognised_or_given(photos: Mapping[View, Photo], progress: Progress) -> dict[View, Photo]:
    """Photos in the views that the network is sure of; as given when it is not."""
    from teethscape.segmentation.recognition import recognise_views

    progress.stage(Stage.RECOGNISE, 0.0)
    given = list(photos.values())
    try:
        found = recognise_views([photo.pixels for photo in given], segmenter()).photos
    except MissingComponentError:
        return dict(photos)  # masks are enough to work with; only the check is lost
    views = {finding.view for finding in found}
    if views != set(photos) or min(finding.confidence for finding in found) < _SURE:
        return dict(photos)
    return {f.view: _corrected(p, f.view, f) for p, f in zip(given, found, strict=True) if f.view is not None}


@cache
def segmenter() -> Segmenter:
    """The network that ships with the engine, loaded once per process."""
    from teethscape.segmentation.segmenter import Segmenter

    return Segmenter.load()


def has_network() -> bool:
    """Whether the network's weights are there."""
    try:
        segmenter()
    except MissingComponentError:
        return False
    return True


def _believed(given: Sequence[Photo], found: Sequence[PhotoRecognition]) -> list[Photo]:
    """Photos as recognised; where that is unsure and the user has said which is which, as given."""
    named = _are_numbered(given)
    doubtful = _doubtful({p.view: f for p, f in zip(given, found, strict=True)}) if named else set()
    believed = []
    for photo, finding in zip(given, found, strict=True):
        if finding.view is None:
            believed.append(photo)
        elif photo.view not in doubtful:
            believed.append(_corrected(photo, finding.view, finding))
        else:
            differs = finding.view is not photo.view or finding.rotation != 0
            believed.append(photo.noted(_DOUBT.format(view=photo.view.title)) if differs else photo)
    return believed


def _doubtful(findings: Mapping[View, PhotoRecognition]) -> set[View]:
    """Given views whose finding is unsure, and those that would change places with them."""
    doubtful = {view for view, finding in findings.items() if finding.confidence < _SURE}
    while True:
        wanted = {finding.view for view, finding in findings.items() if view in doubtful} & set(findings)
        wanting = {view for view, finding in findings.items() if finding.view in doubtful}
        if wanted | wanting <= doubtful:
            return doubtful
        doubtful |= {view for view in findings if view in wanted | wanting}


def _are_numbered(photos: Sequence[Photo]) -> bool:
    """True when every file's name is its view's number."""
    return all(photo.source.stem == str(photo.view.value) for photo in photos)


def _judged(photo: Photo, finding: PhotoRecognition) -> Photo:
    """The photo with notices about its quality.

    Raises:
        BadInputError: it shows no teeth.
    """
    if not finding.shows_teeth:
        raise BadInputError(
            "not_teeth",
            f"{photo.source.name} ({photo.view.title}) does not look like an intra-oral photo of teeth.",
            "Choose the right photo; if it is right, retake it closer, in focus and well lit, "
            "or pass --trust-views.",
        )
    for found in finding.quality.findings:
        photo = photo.noted(found.sentence)
    return photo


def _require_both_sides(given: Sequence[Photo], seen: ViewRecognition) -> None:
    """Refuse two photos of one side.

    Raises:
        BadInputError: there are such.
    """
    if seen.same_side is None:
        return
    one, two = (given[i].source.name for i in seen.same_side)
    raise BadInputError(
        "side_twice",
        f"{one} and {two} show the same side of the mouth: one of them is mirrored, or one too many.",
        "Flip the mirrored one from left to right, or give a photo of the other side; "
        "--trust-views takes them as they are.",
    )


def _corrected(photo: Photo, view: View, finding: PhotoRecognition) -> Photo:
    """The photo upright and in its true slot, with notices about what was changed."""
    placed = moved(photo, view)
    if finding.rotation:
        placed = placed.turned(finding.rotation // 90, False, _TURNED[finding.rotation])
    return placed


def moved(photo: Photo, view: View) -> Photo:
    """The photo in another slot, with a notice about it."""
    if photo.view is view:
        return photo
    return photo.placed(view, f"Given as {photo.view.title}, but it shows the {view.title} view.")
