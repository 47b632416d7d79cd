"""A photo's camera, found from what the network saw, without any labels."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from teethscape.dental.views import View
from teethscape.parametric.arch import Arch
from teethscape.parametric.camera import CAMERA_SIZE, Camera
from teethscape.parametric.expected import expected_teeth
from teethscape.parametric.interface import Sight
from teethscape.parametric.rounds import Agreement, IntImage, Photos

#: First steps: rotation (rad), translation right, down and forward (mm).
_STEPS = np.array([0.05, 0.05, 0.05, 1.0, 1.0, 3.0])
#: Looks at the model while the place is still in doubt, and in the end.
_LOOKS, _LAST_LOOKS = 80, 160
#: Looks, 10 to 30 ms each, for which nobody is asked whether to go on.
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
    best = photo.descended(camera, _LOOKS)
    for _ in range(_TEETH):
        beside = (photo.descended(_moved(best[1], _TOOTH * k * _ASIDE), _LOOKS) for k in (-1, 1))
        other = min(beside, key=lambda found: found[0])
        if other[0] >= best[0]:
            break
        best = other
    return photo.descended(best[1], _LAST_LOOKS)[1]


@dataclass(frozen=True)
class _Photo:
    """One photo to be placed; ``on_step`` is called about every half second."""

    model: Model
    view: View
    sight: Sight
    on_step: Callable[[], None]

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

    def _cost(self, camera: Camera) -> float:
        expected = self.model.seen(self.view, camera, self.sight)
        if self.view.is_occlusal:
            return -self.sight.likelihood(expected)
        teeth, shown = expected > 0, self.sight.teeth
        overlap = float((teeth & shown).sum() / max((teeth | shown).sum(), 1))
        return _unusual(camera, self.view) - overlap - Agreement.of(expected, self.view, self.sight).mean


def _moved(camera: Camera, step: NDArray[np.float64]) -> Camera:
    """The camera after a step of rotation (rad) and translation (mm)."""
    return camera.moved(np.concatenate([step, np.zeros(CAMERA_SIZE - len(step))]))


def _unusual(camera: Camera, view: View) -> float:
    """What a bite photo's camera costs that stands where nobody takes it from."""
    right, ahead = camera.rotation[2, :2]
    return float(((np.arctan2(-right, ahead) - np.radians(_YAW[view])) / _TURNED) ** 2)
