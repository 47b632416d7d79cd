"""Which photo shows which view, whether one stands on its head, shows teeth, and is good enough."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental.views import View
from teethscape.segmentation.network import PLAIN_SIZE, FloatImage, PictureGuess, PixelMaps, scaled
from teethscape.segmentation.quality import PhotoQuality, measure_hidden, measure_quality
from teethscape.segmentation.segmenter import Segmenter

#: Smallest share of the picture that teeth cover in any standard view.
_LEAST_TEETH = 0.02
_NONE_ABOVE = 0.5
#: Photos whose view and standing have this chance, and that show no teeth with at most the other one, are not
#: looked at on their heads: of 150 real and rendered ones, upright, flipped and turned, no second look told
#: another view than the first.
_AT_ONCE, _NONE_AT_ONCE = 0.98, 0.1
#: What is told of a photo that is turned by so many degrees.
_TURNED = {
    0: (),
    90: ("it lies on its side and is turned by 90 degrees counter-clockwise.",),
    180: ("it stands on its head and is turned by 180 degrees.",),
    270: ("it lies on its side and is turned by 270 degrees counter-clockwise.",),
}
#: Below this probability the view is named with a warning.
_SURE = 0.8
#: Two photos show the same side when one looks like the other's side by these log odds (2.7 to 1). Drawn
#: photos that show their own side reach 0.97 at most (36 of them); flipped real ones lie above 3.2.
_SAME_SIDE = 1.0
_SIDES = (View.LEFT_BUCCAL, View.RIGHT_BUCCAL)
#: How far the places of the teeth grow along the picture's x axis: the correlation expected of a photo of the
#: left side (the right one's is its negative, all others' is 0), and the spread about it.  In rendered and
#: drawn photos it is 0.74 to 0.98 from the side and mostly below 0.35 from elsewhere; the spread is wider
#: than theirs, because a network may not know a mouth.
_GROWTH, _GROWTH_SPREAD = 0.93, 0.33
#: How likely a photo stands on its head against upright, before looking, per view: nobody holds the camera
#: so from the front or the side (an assumption), occlusal photos come either way.
_TURNED_BEFORE = np.array([0.1, 0.1, 0.1, 1.0, 1.0])
#: Views in a mirror, by their index.
_MIRRORED = [0, int(View.RIGHT_BUCCAL), int(View.LEFT_BUCCAL), 3, 4]
#: Log chance that a photo is flipped from left to right, before looking (an assumption).
_FLIPPED = float(np.log(0.01))
#: Weights per view of two signs that a photo stands upright: how much surer the network calls it upside down
#: on its head (log odds), and how much less it knows the teeth's places there (nats). In 67 drawn and
#: rendered photos from the front, 134 from the side and 102 occlusal ones that the network had not seen the
#: second one is always positive, 0.02 at least; the first one fails from the side, so it counts little there.
_TURNED_TOLD = np.array([0.4, 0.1, 0.1, 0.3, 0.3])
_STRANGER = np.array([30.0, 150.0, 150.0, 45.0, 45.0])

#: A photo that is higher than wide lies on its side when the places of its teeth are known better by so much
#: (nats) after a quarter turn.  Of 40 real and rendered ones laid on their sides 39 gain more, by networks
#: that had not seen the real ones; of as many upright ones, cut to be higher than wide, every one loses.
_LYING = 0.15


@dataclass(frozen=True)
class PhotoRecognition:
    """What one photo shows.

    Attributes:
        view: the view it stands for, none when it shows no teeth.
        confidence: 0-1.
        rotation: degrees (0, 90, 180 or 270), counter-clockwise, by which the photo must be turned to stand
            upright.
        mirrored: none, because a mirrored dentition looks like another one; the fit tests it.
        teeth_share: share of the picture that teeth cover.
        problems: sentences for the user; empty when all is well.
        quality: what was measured on the picture.
        other_side: of a buccal photo, the log odds that it shows the other side than ``view``.
        alone: of two photos of one side, what this one shows by itself, whatever the other shows.
    """

    view: View | None
    confidence: float
    rotation: int
    mirrored: bool | None
    teeth_share: float
    problems: tuple[str, ...]
    quality: PhotoQuality = field(default_factory=PhotoQuality)
    other_side: float = 0.0
    alone: PhotoRecognition | None = None

    @property
    def shows_teeth(self) -> bool:
        """Whether the photo can be used at all."""
        return self.view is not None


@dataclass(frozen=True)
class ViewRecognition:
    """Findings about all photos of a patient, in the order given."""

    photos: tuple[PhotoRecognition, ...]

    @property
    def order(self) -> dict[View, int]:
        """Index of the photo that stands for each view."""
        return {p.view: i for i, p in enumerate(self.photos) if p.view is not None}

    @property
    def same_side(self) -> tuple[int, int] | None:
        """Indices of two photos that show the same side, so that one is mirrored or one too many."""
        sides = [i for i, photo in enumerate(self.photos) if photo.view in _SIDES]
        if len(sides) < 2 or max(self.photos[i].other_side for i in sides) < _SAME_SIDE:
            return None
        return sides[0], sides[1]

    @property
    def problems(self) -> tuple[str, ...]:
        """All problems, each with the number of its photo (counted from 1)."""
        return tuple(f"Photo {i}: {text}" for i, p in enumerate(self.photos, 1) for text in p.problems)


@dataclass(frozen=True)
class Look:
    """One photo as the network sees it.

    Attributes:
        log_chance: (5, 2) log-probabilities of view and upright/turned.
        none: chance that it shows no teeth.
        teeth_share: share of the picture that teeth cover.
        tooth: (h, w) probability of teeth on the reduced picture.
        quarters: counter-clockwise quarter turns of the photo before it was looked at.
    """

    log_chance: NDArray[np.float64]
    none: float
    teeth_share: float
    tooth: FloatImage
    quarters: int = 0


def _teeth_share(maps: PixelMaps) -> float:
    """Share of the picture covered by confident, bordered teeth."""
    mask = maps.tooth > 0.5
    rim = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    bordered = float(maps.boundary[rim].mean()) if rim.any() else 0.0
    return float(mask.mean()) * min(1.0, 2.0 * bordered)


def first_look(pixels: NDArray[np.uint8], segmenter: Segmenter) -> Look:
    """Ask the network about the photo as it is; :func:`are_clear` tells whether that is enough."""
    maps, straight = segmenter.runtime.plain(pixels)
    standing = np.array([1 - straight.turned, straight.turned])
    chance = _chances(_shares(straight)[:, None] * standing, _jaw_chances(maps) ** 0.5, _growth(maps))
    return Look(np.log(chance + 1e-6), straight.none, _teeth_share(maps), maps.tooth)


def are_clear(looks: Sequence[Look]) -> bool:
    """Whether first looks leave hardly a doubt: each photo shows teeth, upright, of a view of its own."""
    views = [_certain_view(look) for look in looks]
    return None not in views and len(set(views)) == len(views)


def _certain_view(look: Look) -> View | None:
    chance = np.exp(look.log_chance)
    if look.none > _NONE_AT_ONCE or chance[:, 0].max() < _AT_ONCE * chance.sum():
        return None
    return View(int(np.argmax(chance[:, 0])))


def look_at(pixels: NDArray[np.uint8], segmenter: Segmenter) -> Look:
    """Ask the network about the photo as it is and on its head, each as it is and in a mirror."""
    small, runtime = scaled(pixels, PLAIN_SIZE), segmenter.runtime
    upright = _seen(runtime.plain(pixels), runtime.run(np.ascontiguousarray(small[:, ::-1])))
    head = small[::-1, ::-1]
    reverse = _seen(runtime.run(np.ascontiguousarray(head)), runtime.run(np.ascontiguousarray(head[:, ::-1])))
    standing = _standing(upright, reverse)
    both = np.stack([upright.shares * standing, reverse.shares * (1 - standing)], axis=1)
    jaws = (upright.jaws * reverse.jaws) ** 0.25
    chance = _chances(both, jaws, (upright.growth - reverse.growth) / 2)
    tooth = ((upright.tooth + reverse.tooth[::-1, ::-1]) / 2).astype(np.float32)
    return Look(np.log(chance + 1e-6), (upright.none + reverse.none) / 2, upright.teeth_share, tooth)


@dataclass(frozen=True)
class _Seen:
    """What the network says of a picture, mean of the picture and its mirror image.

    Attributes:
        shares: (5,) chance of each view if it shows any.
        jaws: (5,) how well the jaws of the teeth fit each view.
        none: chance that it shows no teeth.
        turned: log odds that it is upside down.
        growth: how far the teeth's places grow along the x axis.
        strange: entropy of the teeth's places in the quadrant, nats.
        teeth_share: share of the picture that teeth cover.
        tooth: (h, w) probability of teeth.
    """

    shares: NDArray[np.float64]
    jaws: NDArray[np.float64]
    none: float
    turned: float
    growth: float
    strange: float
    teeth_share: float
    tooth: FloatImage


def _seen(plainly: tuple[PixelMaps, PictureGuess], mirrored: tuple[PixelMaps, PictureGuess]) -> _Seen:
    """What the network said of a picture and of its mirror image."""
    (plain, plain_guess), (swapped, guess) = plainly, mirrored
    return _Seen(
        (_shares(plain_guess) + _shares(guess)[_MIRRORED]) / 2,
        (_jaw_chances(plain) * _jaw_chances(swapped)) ** 0.5,
        (plain_guess.none + guess.none) / 2,
        (_log_odds(plain_guess.turned) + _log_odds(guess.turned)) / 2,
        (_growth(plain) - _growth(swapped)) / 2,
        (_strangeness(plain) + _strangeness(swapped)) / 2,
        _teeth_share(plain),
        ((plain.tooth + swapped.tooth[:, ::-1]) / 2).astype(np.float32),
    )


def _log_odds(chance: float) -> float:
    """Log odds of a chance that is never quite certain."""
    return float(np.log((chance + 1e-4) / (1 - chance + 1e-4)))


def _strangeness(maps: PixelMaps) -> float:
    """Mean entropy in nats of the teeth's places in the quadrant: large where the network knows none."""
    weight = maps.kind_weight
    entropy = -(maps.kind * np.log(maps.kind + 1e-9)).sum(axis=0)
    return float((weight * entropy).sum() / max(float(weight.sum()), 1e-6))


def _standing(upright: _Seen, reverse: _Seen) -> NDArray[np.float64]:
    """(5,) chance that a photo of each view stands upright, by what is seen of it upright and on its head."""
    odds = _TURNED_TOLD * (reverse.turned - upright.turned)
    odds += _STRANGER * (reverse.strange - upright.strange)
    return 1 / (1 + np.exp(-odds))


def _chances(seen: NDArray[np.float64], jaws: NDArray[np.float64], growth: float) -> NDArray[np.float64]:
    """(5, 2) chances of views, upright and turned: of the whole picture's (5, 2) times those of its teeth."""
    sides = np.stack([_side_chances(growth), _side_chances(-growth) * _TURNED_BEFORE], axis=1)
    return seen * jaws[:, None] * sides


def _jaw_chances(maps: PixelMaps) -> NDArray[np.float64]:
    """(5,) how well the jaws of the teeth seen fit each view; an occlusal photo shows one jaw."""
    weight = np.maximum(maps.tooth - 0.5, 0)
    upper = float((maps.upper * weight).sum() / max(float(weight.sum()), 1e-6))
    out = np.ones(len(View))
    out[View.MAXILLARY_OCCLUSAL], out[View.MANDIBULAR_OCCLUSAL] = max(upper, 0.02), max(1 - upper, 0.02)
    return out


def _growth(maps: PixelMaps) -> float:
    """Correlation of the teeth's places in the quadrant with the x axis: molars lie right when positive."""
    weight = maps.kind_weight.astype(np.float64)
    weight /= max(float(weight.sum()), 1e-6)
    place = np.tensordot(np.arange(len(maps.kind), dtype=np.float64), maps.kind, (0, 0))
    x = np.broadcast_to(np.arange(weight.shape[1], dtype=np.float64), weight.shape)
    x, place = x - (weight * x).sum(), place - (weight * place).sum()
    spread = (weight * x**2).sum() * (weight * place**2).sum()
    return float((weight * x * place).sum() / max(np.sqrt(spread), 1e-6))


def _side_chances(growth: float) -> NDArray[np.float64]:
    """(5,) how well the direction in which the teeth's places grow fits each view, relative to the best."""
    expected = np.zeros(len(View))
    expected[View.LEFT_BUCCAL], expected[View.RIGHT_BUCCAL] = _GROWTH, -_GROWTH
    fits = -0.5 * ((growth - expected) / _GROWTH_SPREAD) ** 2
    return np.exp(fits - fits.max())


def _shares(guess: PictureGuess) -> NDArray[np.float64]:
    """(5,) chance of each view if the picture shows any."""
    return (guess.views / max(float(guess.views.sum()), 1e-6)).astype(np.float64)


def _assign(looks: Sequence[Look]) -> dict[int, View]:
    """The likeliest one-to-one assignment of usable photos to views."""
    usable = [i for i, look in enumerate(looks) if not _shows_none(look)][: len(View)]
    best, best_score = {}, -np.inf
    for views in itertools.permutations(View, len(usable)):
        score = sum(_agreement(looks[i], v) for i, v in zip(usable, views, strict=True))
        if score > best_score:
            best, best_score = dict(zip(usable, views, strict=True)), score
    return best


def _agreement(look: Look, view: View) -> float:
    """Log chance that a photo stands for a view; for a side also by being flipped."""
    chance = look.log_chance.max(axis=1)
    return float(max(chance[view], chance[_MIRRORED[view]] + _FLIPPED) if view in _SIDES else chance[view])


def _shows_none(look: Look) -> bool:
    """Whether the picture is no intra-oral photograph."""
    return look.none > _NONE_ABOVE or look.teeth_share < _LEAST_TEETH


def _other_side(chance: NDArray[np.float64], view: View) -> float:
    """Log odds that a photo shows the other side than the view it is taken for; 0 when that has no side."""
    if view not in _SIDES:
        return 0.0
    return float(np.log(chance[_MIRRORED[view]].sum() / chance[view].sum()))


def _describe(look: Look, view: View | None, pixels: NDArray[np.uint8]) -> PhotoRecognition:
    """Findings in numbers and words."""
    if view is None:
        wrong = measure_hidden(pixels, look.none)
        rotation = 90 * look.quarters
        told = (*_TURNED[rotation], "it shows no teeth.")
        return PhotoRecognition(None, 1 - look.none, rotation, None, look.teeth_share, told, wrong)
    chance = np.exp(look.log_chance)
    chance /= chance.sum()
    confidence = float(chance[view].sum())
    other_side = _other_side(chance, view)
    upright, turned = chance[view if other_side < _SAME_SIDE else _MIRRORED[view]]
    on_its_head = bool(turned > upright)
    rotation = 90 * look.quarters + 180 * on_its_head
    likeliest = _likeliest(look)
    problems = list(_TURNED[rotation])
    if confidence < _SURE:
        hint = "" if likeliest is view else f"; by itself it looks like {likeliest.title}"
        problems.append(f"taken as {view.title}, but this is not certain{hint}.")
    standing, tooth = pixels, look.tooth
    if on_its_head:
        standing, tooth = np.ascontiguousarray(pixels[::-1, ::-1]), tooth[::-1, ::-1]
    quality = measure_quality(standing, tooth, view)
    return PhotoRecognition(
        view,
        confidence,
        rotation,
        None,
        look.teeth_share,
        tuple(problems),
        quality,
        other_side,
    )


def recognise_views(photos: Sequence[NDArray[np.uint8]], segmenter: Segmenter) -> ViewRecognition:
    """Find out which photo is which.

    Args:
        photos: RGB pictures (h, w, 3), at most five, in any order.
        segmenter: a loaded segmenter.

    Returns:
        One finding per photo, in the order given.  Each view is given out at most once.
    """
    lying = [lies_on_its_side(pixels, segmenter) for pixels in photos]
    level = [np.ascontiguousarray(np.rot90(p)) if lies else p for p, lies in zip(photos, lying, strict=True)]
    looks = [first_look(pixels, segmenter) for pixels in level]
    if not are_clear(looks):
        looks = [look_at(pixels, segmenter) for pixels in level]
    return recognise_looks([replace(k, quarters=int(q)) for k, q in zip(looks, lying, strict=True)], level)


def lies_on_its_side(pixels: NDArray[np.uint8], segmenter: Segmenter) -> bool:
    """Whether a photo is higher than wide because the camera was held so, or nobody has turned it."""
    if pixels.shape[0] <= pixels.shape[1]:
        return False
    small = scaled(pixels, PLAIN_SIZE)
    known = [_known(np.rot90(small, quarters), segmenter) for quarters in range(4)]
    return min(known[1::2]) < min(known[::2]) - _LYING


def _known(pixels: NDArray[np.uint8], segmenter: Segmenter) -> float:
    """How strange the teeth's places are in a picture and its mirror image, nats."""
    both = [segmenter.runtime.run(np.ascontiguousarray(p))[0] for p in (pixels, pixels[:, ::-1])]
    return sum(map(_strangeness, both)) / 2


def recognise_looks(looks: Sequence[Look], photos: Sequence[NDArray[np.uint8]]) -> ViewRecognition:
    """The same for photos that the network has looked at already, turned as they were then."""
    views, seen = _assign(looks), list(zip(looks, photos, strict=True))
    found = [_describe(look, views.get(i), pixels) for i, (look, pixels) in enumerate(seen)]
    for i in ViewRecognition(tuple(found)).same_side or ():
        found[i] = replace(found[i], alone=_describe(seen[i][0], _likeliest(seen[i][0]), seen[i][1]))
    return ViewRecognition(tuple(found))


def _likeliest(look: Look) -> View:
    """The view that a photo shows by itself."""
    return View(int(np.argmax(np.exp(look.log_chance).sum(axis=1))))
