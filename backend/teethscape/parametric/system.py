"""The Gauss-Newton system over all unknowns, assembled in small dense blocks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from teethscape.parametric.arch import BITE_SIZE, POSE_SIZE
from teethscape.parametric.camera import CAMERA_SIZE
from teethscape.parametric.rotation import FloatArray


@dataclass(frozen=True)
class Layout:
    """Where each unknown lies in the long vector: teeth, bite, cameras.

    Attributes:
        teeth: number of teeth of the prior.
        modes: shape modes per tooth.
        views: number of cameras.
    """

    teeth: int
    modes: int
    views: int

    @property
    def tooth_size(self) -> int:
        """Unknowns per tooth."""
        return POSE_SIZE + self.modes

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return self.teeth * self.tooth_size + BITE_SIZE + self.views * CAMERA_SIZE

    def tooth(self, index: int) -> NDArray[np.intp]:
        """Unknowns of one tooth: translation, rotation, log size, shape."""
        return np.arange(self.tooth_size) + index * self.tooth_size

    def pose(self) -> NDArray[np.intp]:
        """(teeth, 6) translations and rotations."""
        return np.arange(self.teeth)[:, None] * self.tooth_size + np.arange(6)

    def log_size(self) -> NDArray[np.intp]:
        """(teeth,) log sizes."""
        return np.arange(self.teeth) * self.tooth_size + 6

    def shape(self) -> NDArray[np.intp]:
        """(teeth, modes) shape coefficients."""
        return np.arange(self.teeth)[:, None] * self.tooth_size + POSE_SIZE + np.arange(self.modes)

    def bite(self) -> NDArray[np.intp]:
        """The six numbers of the bite."""
        return self.teeth * self.tooth_size + np.arange(BITE_SIZE)

    def camera(self, slot: int) -> NDArray[np.intp]:
        """Unknowns of one camera."""
        return self.teeth * self.tooth_size + BITE_SIZE + slot * CAMERA_SIZE + np.arange(CAMERA_SIZE)


@dataclass
class NormalEquations:
    """``hessian @ step = -gradient``, summed up block by block."""

    layout: Layout
    hessian: FloatArray = field(init=False)
    gradient: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.hessian = np.zeros((self.layout.size, self.layout.size))
        self.gradient = np.zeros(self.layout.size)

    def add_rows(self, columns: NDArray[np.intp], jacobian: FloatArray, residual: FloatArray) -> None:
        """Add residuals (n,) with derivatives (n, len(columns)), already weighted."""
        self.hessian[np.ix_(columns, columns)] += jacobian.T @ jacobian
        self.gradient[columns] += jacobian.T @ residual

    def add_quadratic(self, columns: NDArray[np.intp], precision: FloatArray, value: FloatArray) -> None:
        """Add ``value' precision value`` for unknowns with the given present value."""
        self.hessian[np.ix_(columns, columns)] += precision
        self.gradient[columns] += precision @ value

    def solve(self, active: NDArray[np.intp], damping: float) -> FloatArray:
        """Levenberg-Marquardt step (size,), zero outside ``active``."""
        block = self.hessian[np.ix_(active, active)].copy()
        diagonal = np.arange(len(active))
        block[diagonal, diagonal] *= 1 + damping
        block[diagonal, diagonal] += 1e-9
        step = np.zeros(self.layout.size)
        step[active] = -cho_solve(cho_factor(block, check_finite=False), self.gradient[active])
        return step
