"""The tooth prior: mean crowns, shape modes, and how teeth, sizes and bite vary.

Generative model, one crown ``i``::

    local = mean + sum_k b_k modes_k                         b ~ N(0, 1)
    x     = centre_i + axes_i @ (e^s R(r) local + t)         (t, r) ~ pose_cov, s ~ log_size_cov

and, for lower teeth seen in occlusion, a rigid move of the jaw about
``bite_pivot`` drawn from ``bite_cov``.  Local coordinates are (mesial, buccal,
occlusal), so a parameter means the same on the left and on the right.  World
frame: mm, +X patient's left, +Y posterior, +Z cranial, origin at the midpoint
of the mean occlusal plane.  Source and limits: ``docs/model-cards/tooth-prior.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, wraps
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import TEETH, right_twin

FloatArray = NDArray[np.float64]
_Built = TypeVar("_Built")
PRIOR_FILE = Path(__file__).parent / "data" / "tooth_prior.npz"
#: Version of the file's layout.
LAYOUT = 1


@dataclass(frozen=True)
class ToothShape:
    """Crown of one tooth type in (mesial, buccal, occlusal) mm.

    Attributes:
        mean: (V, 3) mean crown, its vertices' mean at the origin.
        modes: (K, V, 3) principal modes times their standard deviation, so
            that coefficients are N(0, 1).
        cap: (V,) true on the artificial closure of the neck, its border included.
    """

    mean: FloatArray
    modes: FloatArray
    cap: NDArray[np.bool_]


@dataclass(frozen=True)
class ToothPrior:
    """Everything the parametric engine knows before it sees a photo.

    Attributes:
        shapes: crown per tooth type, by right-side FDI number.
        faces: (F, 3) triangles of every type, outward in local coordinates.
        cap_faces: (F,) true on the neck cap.
        neck: (R,) closed loop of vertices around the cap.
        axes: (28, 3, 3) columns = mesial, buccal, occlusal axis in the world;
            determinant +1 in quadrants 1 and 3, -1 in 2 and 4.
        centre: (28, 3) mean places, mm, world, jaws in mean occlusion.
        pose_cov: (168, 168) of translation (mm) and rotation vector (rad) per
            tooth, in local axes, teeth in the order of ``fdi``.
        log_size_cov: (28, 28) of the logarithm of the size factor.
        bite_cov: (6, 6) of translation (mm) and rotation (rad) of the lower jaw
            about ``bite_pivot``, world axes.
        bite_pivot: (3,) mm, mean of the lower teeth's centres.
        fdi: tooth numbers, the order of every first axis.
    """

    shapes: dict[int, ToothShape]
    faces: NDArray[np.int32]
    cap_faces: NDArray[np.bool_]
    neck: NDArray[np.int32]
    axes: FloatArray
    centre: FloatArray
    pose_cov: FloatArray
    log_size_cov: FloatArray
    bite_cov: FloatArray
    bite_pivot: FloatArray
    fdi: tuple[int, ...] = field(default=TEETH)

    def shape(self, fdi: int) -> ToothShape:
        """Crown model of a tooth; both sides share it."""
        return self.shapes[right_twin(fdi)]

    @cached_property
    def _outward_faces(self) -> dict[int, NDArray[np.int32]]:
        """Triangles by FDI number, turned over where the axes mirror the tooth."""
        turned = np.ascontiguousarray(self.faces[:, ::-1])
        mirrored = np.linalg.det(self.axes) < 0
        return {fdi: turned if m else self.faces for fdi, m in zip(self.fdi, mirrored, strict=True)}

    @cached_property
    def near_cap(self) -> NDArray[np.bool_]:
        """(V,) vertices on the neck cap or sharing a face with it."""
        beside = np.zeros(len(next(iter(self.shapes.values())).cap), bool)
        on_cap = np.zeros_like(beside)
        on_cap[self.faces[self.cap_faces].ravel()] = True
        beside[self.faces[on_cap[self.faces].any(axis=1)].ravel()] = True
        return beside

    def faces_of(self, fdi: int) -> NDArray[np.int32]:
        """(F, 3) triangles of a placed tooth, outward in the world."""
        return self._outward_faces[fdi]

    def mean_vertices(self, fdi: int) -> FloatArray:
        """(V, 3) mean crown at its mean place in the world, mm."""
        index = self.fdi.index(fdi)
        return self.shape(fdi).mean @ self.axes[index].T + self.centre[index]


def read_prior(path: Path) -> ToothPrior:
    """Read a prior file written by ``teethscape train prior``.

    Args:
        path: the ``.npz`` file.

    Returns:
        The prior, in double precision.
    """
    with np.load(path, allow_pickle=False) as data:
        if int(data["layout"]) != LAYOUT:
            raise ValueError(f"{path}: layout {int(data['layout'])}, expected {LAYOUT}")
        arrays = {name: data[name] for name in data.files}
    cap = arrays["cap"].astype(bool)
    means, modes = (arrays[k].astype(np.float64) for k in ("mean", "modes"))
    modes *= arrays["mode_scale"].astype(np.float64)[:, :, None, None]
    types = [int(t) for t in arrays["types"]]
    shapes = {t: ToothShape(means[i], modes[i], cap) for i, t in enumerate(types)}
    floats = {
        k: arrays[k].astype(np.float64)
        for k in ("axes", "centre", "pose_cov", "log_size_cov", "bite_cov", "bite_pivot")
    }
    faces = arrays["faces"].astype(np.int32)
    return ToothPrior(
        shapes, faces, cap[faces].all(axis=1), arrays["neck"].astype(np.int32), **floats, fdi=TEETH
    )


@lru_cache(maxsize=1)
def load_prior() -> ToothPrior:
    """The prior that ships with Teethscape, read once."""
    return read_prior(PRIOR_FILE)


def once_per_shapes(build: Callable[[ToothPrior], _Built]) -> Callable[[ToothPrior], _Built]:
    """Let a function of a prior's crown models run once per set of them; copies of a prior share it."""
    built: dict[int, tuple[dict[int, ToothShape], _Built]] = {}

    @wraps(build)
    def known_or_built(prior: ToothPrior) -> _Built:
        known = built.get(id(prior.shapes))
        if known is None or known[0] is not prior.shapes:
            known = built[id(prior.shapes)] = (prior.shapes, build(prior))
        return known[1]

    return known_or_built
