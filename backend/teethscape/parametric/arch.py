"""Both arches as parameters: pose, size and shape of every tooth, and the bite."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.rotation import FloatArray, left_jacobian, rotation_matrix, skew

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
    """A prior with a state: gives vertices and their derivatives."""

    prior: ToothPrior
    state: ArchState

    def local_vertices(self, index: int) -> FloatArray:
        """(V, 3) crown ``index`` in its own axes before pose and size, mm."""
        shape = self.prior.shape(self.prior.fdi[index])
        modes = shape.modes[: self.state.modes]
        return shape.mean + np.tensordot(self.state.shape[index], modes, axes=1)

    def posed(self, index: int, local: FloatArray) -> FloatArray:
        """Local points (n, 3) placed in their own jaw, world axes, mm, mean bite."""
        turn = np.exp(self.state.log_size[index]) * rotation_matrix(self.state.rotation[index])
        placed = local @ turn.T + self.state.translation[index]
        return placed @ self.prior.axes[index].T + self.prior.centre[index]

    def vertices(self, index: int) -> FloatArray:
        """(V, 3) crown ``index`` in its own jaw, mm, mean bite."""
        return self.posed(index, self.local_vertices(index))

    def bitten(self, points: FloatArray) -> FloatArray:
        """Points (n, 3) of the lower jaw moved into the bite."""
        turn = rotation_matrix(self.state.bite[3:])
        return (points - self.prior.bite_pivot) @ turn.T + self.prior.bite_pivot + self.state.bite[:3]

    def world_vertices(self, index: int) -> FloatArray:
        """(V, 3) crown ``index`` in occlusion, mm."""
        placed = self.vertices(index)
        return self.bitten(placed) if self.is_lower(index) else placed

    def is_lower(self, index: int) -> bool:
        """True for teeth that move with the bite."""
        return jaw_of(self.prior.fdi[index]) is Jaw.LOWER

    def pose_jacobian(self, index: int, local: FloatArray) -> FloatArray:
        """Derivative of :meth:`posed` to translation, rotation and log size, (n, 3, 7)."""
        state, axes = self.state, self.prior.axes[index]
        turned = np.exp(state.log_size[index]) * local @ rotation_matrix(state.rotation[index]).T
        out = np.empty((len(local), 3, POSE_SIZE))
        out[:, :, :3] = axes
        out[:, :, 3:6] = -axes @ skew(turned) @ left_jacobian(state.rotation[index])
        out[:, :, 6] = turned @ axes.T
        return out

    def shape_jacobian(self, index: int, modes: FloatArray) -> FloatArray:
        """Derivative of :meth:`posed` to the shape, modes (K, n, 3) at the points -> (n, 3, K)."""
        turn = np.exp(self.state.log_size[index]) * rotation_matrix(self.state.rotation[index])
        return np.einsum("ij,knj->nik", self.prior.axes[index] @ turn, modes)

    def vertex_jacobian(self, index: int, vertices: NDArray[np.intp] | slice = slice(None)) -> FloatArray:
        """Derivative of :meth:`vertices` to all unknowns of the tooth, (n, 3, 7 + K)."""
        local = self.local_vertices(index)[vertices]
        modes = self.prior.shape(self.prior.fdi[index]).modes[: self.state.modes][:, vertices]
        return np.concatenate([self.pose_jacobian(index, local), self.shape_jacobian(index, modes)], axis=2)

    def bite_jacobian(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Derivatives of :meth:`bitten`: to the point (3, 3) and to the bite (n, 3, 6)."""
        turn = rotation_matrix(self.state.bite[3:])
        turned = (points - self.prior.bite_pivot) @ turn.T
        out = np.empty((len(points), 3, BITE_SIZE))
        out[:, :, :3] = np.eye(3)
        out[:, :, 3:] = -skew(turned) @ left_jacobian(self.state.bite[3:])
        return turn, out


def present_indices(prior: ToothPrior, present: set[int]) -> NDArray[np.intp]:
    """Indices into ``prior.fdi`` of the teeth that exist."""
    return np.array([i for i, fdi in enumerate(prior.fdi) if fdi in present], dtype=np.intp)
