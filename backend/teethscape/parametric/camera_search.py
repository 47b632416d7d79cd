"""A photo's camera, found from what the network saw, without any labels."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from teethscape.dental.views import View
from teethscape.parametric.arch import Arch
from teethscape.parametric.camera import CAMERA_SIZE, Camera
from teethscape.parametric.coarse import coarse_soup
from teethscape.parametric.expected import expected_teeth, numbers_of, soup_of
from teethscape.parametric.interface import Sight
from teethscape.parametric.raster import TriangleSoup, render_ids
from teethscape.parametric.rounds import Agreement, IntImage, Photos
from teethscape.parametric.start_cameras import view_rotation

#: First steps: rotation (rad), translation right, down and forward (mm).
_STEPS = np.array([0.05, 0.05, 0.05, 1.0, 1.0, 3.0])
#: Looks at the model while the place is still in doubt, and in the end.
_LOOKS, _LAST_LOOKS = 80, 160
#: Looks, 5 to 10 ms each, for which nobody is asked whether to go on.
_PER_STEP = 20
#: About a tooth's width, mm: cameras that are off by a whole tooth hold on to it.
_TOOTH = 8.0
_ASIDE = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0])
#: Most teeth that a camera may be off.
_TEETH = 3
#: Where bite photos are taken from: degrees from the front, positive on the patient's left.
_YAW = {View.ANTERIOR: 0.0, View.LEFT_BUCCAL: 40.0, View.RIGHT_BUCCAL: -40.0}
#: Turned from there by this, rad, a photo must agree better by a whole share.
_TURNED = 0.5
#: How often a model is moved to where a photo shows teeth, and the share of their pixels, %, left out.
_FRAMINGS, _EDGE = 4, 2
#: Size at which bite photos are looked at, of the sight's.
_SMALL = 0.5


@dataclass(frozen=True)
class Model:
    """Teeth that exist, at some state."""

    arch: Arch
    present: frozenset[int]

    def seen(self, view: View, camera: Camera, sight: Sight) -> IntImage:
        """(h, w) FDI numbers in a photo, at the size of its sight."""
        return expected_teeth(self.arch, self.present, view, camera.resized(*sight.size))


def nearest_camera(model: Model, view: View, camera: Camera, photos: Photos) -> Camera:
    """The camera near another one in which the model agrees best with a photo.

    Downhill simplex (Nelder and Mead 1965) over rotation and translation; the lens stays.  An occlusal photo
    shows a whole arch, whose outline tells.  In a bite photo the borders between teeth must agree, too, and
    from where the simplex ends, places one tooth to either side are tried, until neither is better.

    Args:
        model: the teeth.
        view: which photo.
        camera: where to begin.
        photos: what is known of them.
    """
    sight = photos.sight[view]
    if view.is_occlusal:
        return _Photo(model, view, sight, photos.on_step).descended(camera, _LAST_LOOKS)[1]
    photo = _Photo(model, view, sight.scaled(_SMALL), photos.on_step)
    starts = (camera, photo.framed(camera))
    best = min((photo.descended(start, _LOOKS) for start in starts), key=lambda found: found[0])
    for _ in range(_TEETH):
        beside = (photo.descended(_moved(best[1], _TOOTH * k * _ASIDE), _LOOKS) for k in (-1, 1))
        other = min(beside, key=lambda found: found[0])
        if other[0] >= best[0]:
            break
        best = other
    # A simplex that has grown flat makes no way: a new one begins where it stopped.
    return photo.descended(photo.descended(best[1], _LOOKS)[1], _LAST_LOOKS)[1]


@dataclass(frozen=True)
class _Photo:
    """One photo to be placed; ``on_step`` is called several times a second."""

    model: Model
    view: View
    sight: Sight
    on_step: Callable[[], None]

    @cached_property
    def _soup(self) -> TriangleSoup:
        """The model by few faces."""
        return soup_of(self.model.arch, self.model.present, self.view, coarse_soup)

    def _seen(self, camera: Camera) -> IntImage:
        """(h, w) FDI numbers that few faces show."""
        buffer = render_ids(self._soup, camera.resized(*self.sight.size))
        return numbers_of(buffer.owner, self.model.arch.prior)

    def descended(self, camera: Camera, looks: int) -> tuple[float, Camera]:
        """Lowest cost that is found near a camera, and the camera there."""
        zero = np.zeros(len(_STEPS))
        options = {"maxfev": looks, "initial_simplex": np.vstack([zero, np.eye(len(_STEPS))])}
        count = itertools.count(1)

        def cost(step: NDArray[np.float64]) -> float:
            if next(count) % _PER_STEP == 0:
                self.on_step()
            return self._cost(_moved(camera, step * _STEPS))

        found = minimize(cost, zero, method="Nelder-Mead", options=options)
        return float(found.fun), _moved(camera, found.x * _STEPS)

    def framed(self, camera: Camera) -> Camera:
        """The same lens from where such photos are usually taken, the model where the photo shows teeth."""
        usual = replace(camera, rotation=view_rotation(_YAW[self.view], 0.0))
        for _ in range(_FRAMINGS):
            usual = self._reframed(usual)
        return usual

    def _reframed(self, camera: Camera) -> Camera:
        """A camera moved so that the model's teeth cover what the photo's do."""
        expected = self._seen(camera) > 0
        if not expected.any() or not self.sight.teeth.any():
            return camera
        (low, high), (here, there) = (_extent(teeth) for teeth in (self.sight.teeth, expected))
        nearer = float(np.prod((there - here) / np.maximum(high - low, 1)) ** 0.5)
        distance = camera.translation[2] * nearer
        px_per_mm = camera.resized(*self.sight.size).focal / distance
        aside = ((low + high) - (here + there)) / 2 / px_per_mm
        return replace(camera, translation=np.array([*(camera.translation[:2] + aside), distance]))

    def _cost(self, camera: Camera) -> float:
        expected = self._seen(camera)
        if self.view.is_occlusal:
            return -self.sight.likelihood(expected)
        teeth, shown = expected > 0, self.sight.teeth
        overlap = float((teeth & shown).sum() / max((teeth | shown).sum(), 1))
        return _unusual(camera, self.view) - overlap - Agreement.of(expected, self.view, self.sight).mean


def _extent(teeth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(2, 2) x and y between which nearly all pixels of a mask lie."""
    y, x = np.nonzero(teeth)
    return np.percentile(np.stack([x, y], axis=1), [_EDGE, 100 - _EDGE], axis=0)


def _moved(camera: Camera, step: NDArray[np.float64]) -> Camera:
    """The camera after a step of rotation (rad) and translation (mm)."""
    return camera.moved(np.concatenate([step, np.zeros(CAMERA_SIZE - len(step))]))


def _unusual(camera: Camera, view: View) -> float:
    """What a bite photo's camera costs that stands where nobody takes it from."""
    right, ahead = camera.rotation[2, :2]
    return float(((np.arctan2(-right, ahead) - np.radians(_YAW[view])) / _TURNED) ** 2)
