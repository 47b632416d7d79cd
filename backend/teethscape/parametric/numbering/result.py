"""What the best numbering says, at the size of the given photos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from teethscape.dental.fdi import Jaws, jaw_of
from teethscape.dental.views import BITE_VIEWS, View
from teethscape.errors import RefusedError
from teethscape.parametric.arch import ArchState
from teethscape.parametric.camera import Camera
from teethscape.parametric.fit import MODES as FIT_MODES
from teethscape.parametric.numbering.expect import expected_state
from teethscape.parametric.numbering.fit import Guess
from teethscape.parametric.numbering.photo_set import SCRAP, PhotoSet
from teethscape.parametric.numbering.read import BiteScene, Reader
from teethscape.parametric.numbering.search import Found
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.rims import camera_in_view

_LAST_PLACE = 7


@dataclass(frozen=True)
class Numbering:
    """Numbers of all instances and what they mean.

    Attributes:
        fdi: per view, instance id -> FDI number; instances left out are absent.
        present: teeth that exist.
        prior: the prior with the mean places that hold where gaps have closed.
        cameras: a rough camera per view, px of the given labels; occlusal ones of their own jaw.
        state: rough teeth and bite about ``prior``.
        margin: per view, nats between the best and the next numbering.
        notices: sentences for the user.
        doubt: what to refuse with unless the photos show every tooth of a doubtful occlusal photo's jaw.
        mirrored: per tested photo, False where it certainly is not taken through a mirror, else None.
    """

    fdi: Mapping[View, Mapping[int, int]]
    present: frozenset[int]
    prior: ToothPrior
    cameras: Mapping[View, Camera]
    state: ArchState
    margin: Mapping[View, float]
    notices: tuple[str, ...]
    doubt: RefusedError | None = None
    mirrored: Mapping[View, bool | None] = field(default_factory=dict)


def build_numbering(photos: PhotoSet, found: Found, jaws: Jaws) -> Numbering:
    """Everything that the best numbering says, at the given photos' size."""
    guess = found.settled.guess
    reader = Reader(guess.layout.prior, expected_state(guess))
    fdi = {view: photos.numbers(view, found.settled.believed(view)) for view in guess.views}
    known = frozenset(n for names in fdi.values() for n in names.values())
    shown: set[int] = set()
    for view, numbered in guess.views.items():
        seen = reader.overlaps(view, photos.labels[view], numbered.camera, known | guess.layout.teeth)
        fdi[view] = with_names(
            reader.merged(seen, reader.credible(seen, fdi[view]), known), photos.views[view].named
        )
        shown |= {n for n in fdi[view].values() if jaw_of(n) in view.jaws}
        if view.is_occlusal:
            shown |= {n for n in reader.hinted(seen, fdi[view]) if n % 10 == _LAST_PLACE}
    shown |= _peeping(photos, guess, reader, fdi)
    cameras = {
        view: camera_in_view(reader.arch, view, numbered.camera).resized(
            photos.views[view].width, photos.views[view].height
        )
        for view, numbered in guess.views.items()
    }
    present = frozenset(n for n in shown if jaw_of(n) in jaws.members)
    state = replace(guess.state, shape=guess.state.shape[:, :FIT_MODES])
    return Numbering(fdi, present, guess.layout.prior, cameras, state, found.margin, left_out(photos, fdi))


def with_names(numbers: Mapping[int, int], named: Mapping[int, int]) -> dict[int, int]:
    """FDI numbers by id with those that the user gave, which no other instance of the photo has."""
    taken = set(named.values())
    return {i: n for i, n in numbers.items() if i not in named and n not in taken} | dict(named)


def _peeping(
    photos: PhotoSet, guess: Guess, reader: Reader, fdi: Mapping[View, Mapping[int, int]]
) -> set[int]:
    """Second molars that no label is said to be, but of which a bite view shows a sliver."""
    known = frozenset(n for names in fdi.values() for n in names.values())
    last = {n for n in reader.prior.fdi if n % 10 == _LAST_PLACE} - photos.absent
    out: set[int] = set()
    for view in BITE_VIEWS:
        scene = BiteScene(view, photos.labels[view], guess.views[view].camera, known | guess.layout.teeth)
        out |= reader.peeping(scene, fdi[view], frozenset(last - known))
    return out


def left_out(photos: PhotoSet, fdi: Mapping[View, Mapping[int, int]]) -> tuple[str, ...]:
    """Notices about teeth behind the second molars, which the tooth model does not have."""
    notices = []
    for view, names in fdi.items():
        if not view.is_occlusal:
            continue
        found = photos.found[view]
        big = found.area > SCRAP * np.median(found.area)
        numbers = [names.get(int(i)) for i in found.ids[big]]  # in arch order
        ends = (numbers[0], numbers[1:]), (numbers[-1], numbers[-2::-1])
        if any(end is None and _first(rest) % 10 == _LAST_PLACE for end, rest in ends):
            notices.append(f"A third molar in the {view.title} photo is left out.")
    return tuple(notices)


def _first(numbers: list[int | None]) -> int:
    """The first number of a row, 0 without one."""
    return next((number for number in numbers if number is not None), 0)
