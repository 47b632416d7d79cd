"""Both arches as parameters: pose, size and shape of every tooth, and the bite."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.parametric.penetration import vertex_normals
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.rotation import FloatArray, cross, left_jacobian, rotation_matrix

#: Pose parameters of a tooth: translation 3 (mm), rotation 3 (rad), log size 1.
POSE_SIZE = 7
BITE_SIZE = 6


@dataclass(frozen=True)
class ArchState:
    """All unknowns of the teeth, in the order of ``prior.fdi``.

    Attributes:
        translation: (28, 3) mm along mesial, buccal, occlusal.
        rotation: (28, 3) rad about the same axes.
        log_size: (28,) natural logarithm of the size factor.
        shape: (28, K) coefficients of the principal modes, N(0, 1).
        bite: (6,) translation (mm) and rotation (rad) of the lower jaw about
            ``prior.bite_pivot``, world axes.
    """

    translation: FloatArray
    rotation: FloatArray
    log_size: FloatArray
    shape: FloatArray
    bite: FloatArray

    @classmethod
    def mean(cls, teeth: int = 28, modes: int = 10) -> ArchState:
        """The population mean."""
        return cls(
            np.zeros((teeth, 3)), np.zeros((teeth, 3)), np.zeros(teeth), np.zeros((teeth, modes)), np.zeros(6)
        )

    @property
    def modes(self) -> int:
        """Number of shape modes per tooth."""
        return self.shape.shape[1]

    def tooth_vector(self) -> FloatArray:
        """(28, 7 + K): translation, rotation, log size, shape."""
        return np.hstack([self.translation, self.rotation, self.log_size[:, None], self.shape])

    def with_modes(self, modes: int) -> ArchState:
        """The same state with more modes (zero) or fewer."""
        shape = np.zeros((len(self.shape), modes))
        shape[:, : self.modes] = self.shape[:, :modes]
        return replace(self, shape=shape)

    def moved(self, teeth: FloatArray, bite: FloatArray) -> ArchState:
        """The state after adding (28, 7 + K) tooth steps and a (6,) bite step."""
        return ArchState(
            self.translation + teeth[:, :3],
            self.rotation + teeth[:, 3:6],
            self.log_size + teeth[:, 6],
            self.shape + teeth[:, 7:],
            self.bite + bite,
        )

    def with_bite(self, bite: FloatArray) -> ArchState:
        """The same teeth in another bite."""
        return replace(self, bite=bite)


@dataclass(frozen=True)
class Arch:
    """A prior with a state: gives vertices and their derivatives.

    What is asked for again and again is kept; crowns come out read-only.
    """

    prior: ToothPrior
    state: ArchState
    _crowns: dict[int, FloatArray] = field(default_factory=dict, init=False, repr=False, compare=False)
    _normals: dict[int, FloatArray] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def _turns(self) -> FloatArray:
        """(28, 3, 3) rotation times size of every tooth, in its own axes."""
        return np.exp(self.state.log_size)[:, None, None] * rotation_matrix(self.state.rotation)

    @cached_property
    def _left(self) -> FloatArray:
        """(28, 3, 3) left Jacobians of the teeth's rotations."""
        return left_jacobian(self.state.rotation)

    @cached_property
    def bite_turn(self) -> FloatArray:
        """(3, 3) rotation of the lower jaw into the bite."""
        return rotation_matrix(self.state.bite[3:])

    def local_vertices(self, index: int, rows: NDArray[np.intp] | slice = slice(None)) -> FloatArray:
        """(V, 3) crown ``index``, or some of it, in its own axes before pose and size, mm."""
        shape = self.prior.shape(self.prior.fdi[index])
        modes = shape.modes[: self.state.modes, rows]
        return shape.mean[rows] + np.tensordot(self.state.shape[index], modes, axes=1)

    def posed(self, index: int, local: FloatArray) -> FloatArray:
        """Local points (n, 3) placed in their own jaw, world axes, mm, mean bite."""
        placed = local @ self._turns[index].T + self.state.translation[index]
        return placed @ self.prior.axes[index].T + self.prior.centre[index]

    def vertices(self, index: int) -> FloatArray:
        """(V, 3) crown ``index`` in its own jaw, mm, mean bite."""
        if index not in self._crowns:
            self._crowns[index] = self.posed(index, self.local_vertices(index))
            self._crowns[index].flags.writeable = False
        return self._crowns[index]

    def normals(self, index: int) -> FloatArray:
        """(V, 3) outward unit normals of :meth:`vertices`."""
        if index not in self._normals:
            faces = self.prior.faces_of(self.prior.fdi[index])
            self._normals[index] = vertex_normals(self.vertices(index), faces)
            self._normals[index].flags.writeable = False
        return self._normals[index]

    def bitten(self, points: FloatArray) -> FloatArray:
        """Points (n, 3) of the lower jaw moved into the bite."""
        pivot = self.prior.bite_pivot
        return (points - pivot) @ self.bite_turn.T + pivot + self.state.bite[:3]

    def world_vertices(self, index: int) -> FloatArray:
        """(V, 3) crown ``index`` in occlusion, mm."""
        placed = self.vertices(index)
        return self.bitten(placed) if self.is_lower(index) else placed

    def is_lower(self, index: int) -> bool:
        """True for teeth that move with the bite."""
        return jaw_of(self.prior.fdi[index]) is Jaw.LOWER

    def pull(self, index: int, local: FloatArray, modes: FloatArray, along: FloatArray) -> FloatArray:
        """Derivative of ``along . posed(local)`` to all unknowns of the tooth.

        Args:
            index: which tooth.
            local: (n, 3) points in the tooth's axes, before pose and size.
            modes: (K, n, 3) what the modes do to them.
            along: (n, 3) directions, world axes of the tooth's own jaw.

        Returns:
            (n, 7 + K): translation, rotation, log size, shape.
        """
        inside = along @ self.prior.axes[index]
        turned = local @ self._turns[index].T
        out = np.empty((len(local), POSE_SIZE + len(modes)))
        out[:, :3] = inside
        out[:, 3:6] = cross(turned, inside) @ self._left[index]
        out[:, 6] = (inside * turned).sum(axis=1)
        out[:, 7:] = np.einsum("nj,knj->nk", inside @ self._turns[index], modes)
        return out

    def pull_vertices(self, index: int, rows: NDArray[np.intp], along: FloatArray) -> FloatArray:
        """:meth:`pull` for some vertices of a tooth, (n, 7 + K)."""
        modes = self.prior.shape(self.prior.fdi[index]).modes[: self.state.modes, rows]
        return self.pull(index, self.local_vertices(index, rows), modes, along)

    def pull_bite(self, points: FloatArray, along: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Derivatives of ``along . bitten(points)``: to the points (n, 3) and to the bite (n, 6)."""
        turned = (points - self.prior.bite_pivot) @ self.bite_turn.T
        turning = cross(turned, along) @ left_jacobian(self.state.bite[3:])
        return along @ self.bite_turn, np.concatenate([along, turning], axis=1)

    def vertex_jacobian(self, index: int, rows: NDArray[np.intp] | slice = slice(None)) -> FloatArray:
        """Derivative of :meth:`vertices` to all unknowns of the tooth, (n, 3, 7 + K)."""
        local = self.local_vertices(index, rows)
        modes = self.prior.shape(self.prior.fdi[index]).modes[: self.state.modes, rows]
        axes = np.broadcast_to(np.eye(3)[:, None], (3, len(local), 3))
        return np.stack([self.pull(index, local, modes, along) for along in axes], axis=1)


def present_indices(prior: ToothPrior, present: set[int]) -> NDArray[np.intp]:
    """Indices into ``prior.fdi`` of the teeth that exist."""
    return np.array([i for i, fdi in enumerate(prior.fdi) if fdi in present], dtype=np.intp)
