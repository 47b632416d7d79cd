"""Normal equations of all teeth, the bite and the views, solved by parts.

Forms of twin teeth meet nothing but their own poses, the bite and the views, so they are
eliminated pair by pair, which leaves a small dense system (block elimination: Golub and Van
Loan, Matrix Computations, ch. 4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, get_lapack_funcs

from teethscape.parametric.arch import POSE_SIZE
from teethscape.parametric.numbering.hulls import FORMS
from teethscape.parametric.numbering.reach import PER_TOOTH
from teethscape.parametric.rotation import FloatArray

_RIDGE = 1e-9


@dataclass(frozen=True)
class Prior:
    """Precisions before any photo.

    Attributes:
        pose: (28 * 7,) squared, of poses and sizes.
        pose_log_det: log determinant of these.
        forms: (14, 2K, 2K) of the forms of twins.
        common: (c, c) of bite, views.
        twins: (14, 2) their indices.
    """

    pose: FloatArray
    pose_log_det: float
    forms: FloatArray
    common: FloatArray
    twins: NDArray[np.intp]

    def log_det(self, proper: int) -> float:
        """Log determinant; of the common unknowns only the first ``proper`` ones have a prior."""
        forms = np.linalg.slogdet(self.forms)[1].sum()
        return float(self.pose_log_det + forms + np.linalg.slogdet(self.common[:proper, :proper])[1])


@dataclass(frozen=True)
class Unknowns:
    """A vector of all unknowns: (28, 7 + K) of the teeth, (c,) of bite and views."""

    teeth: FloatArray
    common: FloatArray

    def dot(self, other: Unknowns) -> float:
        """Inner product."""
        return float((self.teeth * other.teeth).sum() + self.common @ other.common)


def pulled(prior: Prior, at: Unknowns) -> Unknowns:
    """The prior's precision times a vector."""
    out = np.empty_like(at.teeth)
    count = len(at.teeth)
    out[:, :POSE_SIZE] = (prior.pose @ at.teeth[:, :POSE_SIZE].ravel()).reshape(count, POSE_SIZE)
    forms = at.teeth[prior.twins, POSE_SIZE:].reshape(len(prior.twins), -1, 1)
    out[prior.twins, POSE_SIZE:] = (prior.forms @ forms).reshape(*prior.twins.shape, FORMS)
    return Unknowns(out, prior.common @ at.common)


class Normal:
    """Normal equations that are added up view by view.

    Attributes:
        own: (28, 7 + K, 7 + K) of each tooth.
        meets: (28, 7 + K, c) of each tooth with bite and views.
        common: (c, c) of bite and views.
        gradient: downhill.
    """

    def __init__(self, prior: Prior, gradient: Unknowns) -> None:
        count, common = len(gradient.teeth), len(prior.common)
        self.prior = prior
        self.own = np.zeros((count, PER_TOOTH, PER_TOOTH))
        self.meets = np.zeros((count, PER_TOOTH, common))
        self.common = prior.common.copy()
        self.gradient = gradient

    def add(
        self, tooth: NDArray[np.intp], columns: NDArray[np.intp], block: FloatArray, pull: FloatArray
    ) -> None:
        """Add the instances of a view.

        Args:
            tooth: (n,) their teeth, each at most once.
            columns: (k,) bite and view among the common unknowns.
            block: (n, 7 + K + k, 7 + K + k) Hessians.
            pull: (n, 7 + K + k) downhill gradients.
        """
        m = PER_TOOTH
        self.own[tooth] += block[:, :m, :m]
        self.meets[tooth[:, None, None], np.arange(m)[:, None], columns] += block[:, :m, m:]
        self.gradient.teeth[tooth] += pull[:, :m]
        self.common[np.ix_(columns, columns)] += block[:, m:, m:].sum(axis=0)
        self.gradient.common[columns] += pull[:, m:].sum(axis=0)

    def solve(self, damping: float = 0.0) -> Unknowns:
        """The step, its diagonal damped by a share."""
        twins = self.prior.twins
        forms, coupling = self._forms(damping)
        right = self.gradient.teeth[twins, POSE_SIZE:].reshape(len(twins), -1, 1)
        gone = _solved(forms, np.concatenate([coupling, right], axis=2))
        part = coupling.transpose(0, 2, 1) @ gone
        vector = np.concatenate([self.gradient.teeth[:, :POSE_SIZE].ravel(), self.gradient.common])
        column = self._columns()
        np.subtract.at(vector, column, part[:, :, -1])
        factor = cho_factor(self._reduced(damping, part[:, :, :-1]), lower=True, check_finite=False)
        found = cho_solve(factor, vector, check_finite=False)
        bent = gone[:, :, -1] - (gone[:, :, :-1] @ found[column][:, :, None])[:, :, 0]
        step = np.empty_like(self.gradient.teeth)
        poses = step.shape[0] * POSE_SIZE
        step[:, :POSE_SIZE] = found[:poses].reshape(-1, POSE_SIZE)
        step[twins, POSE_SIZE:] = bent.reshape(*twins.shape, FORMS)
        return Unknowns(step, found[poses:])

    def log_det(self) -> float:
        """Log determinant of the Hessian."""
        forms, coupling = self._forms(0.0)
        part = coupling.transpose(0, 2, 1) @ _solved(forms, coupling)
        core = np.linalg.slogdet(self._reduced(0.0, part))[1]
        return float(core + np.linalg.slogdet(forms)[1].sum())

    def _forms(self, damping: float) -> tuple[FloatArray, FloatArray]:
        """Of the twins' forms: Hessians (14, 2K, 2K), coupling to poses and common (14, 2K, 14 + c)."""
        twins = self.prior.twins
        forms = self.prior.forms.copy()
        coupling = np.zeros((len(twins), 2 * FORMS, 2 * POSE_SIZE + len(self.common)))
        for side in range(2):
            form, pose = (
                slice(side * FORMS, (side + 1) * FORMS),
                slice(side * POSE_SIZE, (side + 1) * POSE_SIZE),
            )
            own, meets = self.own[twins[:, side]], self.meets[twins[:, side]]
            forms[:, form, form] += own[:, POSE_SIZE:, POSE_SIZE:]
            coupling[:, form, pose] = own[:, POSE_SIZE:, :POSE_SIZE]
            coupling[:, form, 2 * POSE_SIZE :] = meets[:, POSE_SIZE:]
        return _damped(forms, damping), coupling

    def _core(self, damping: float) -> FloatArray:
        """Hessian of poses, sizes, bite and views."""
        count = len(self.own)
        poses = count * POSE_SIZE
        core = np.empty((poses + len(self.common),) * 2)
        own = self.prior.pose.reshape(count, POSE_SIZE, count, POSE_SIZE).copy()
        index = np.arange(count)
        own[index, :, index, :] += self.own[:, :POSE_SIZE, :POSE_SIZE]
        core[:poses, :poses] = own.reshape(poses, poses)
        core[:poses, poses:] = self.meets[:, :POSE_SIZE].reshape(poses, -1)
        core[poses:, :poses] = core[:poses, poses:].T
        core[poses:, poses:] = self.common
        return _damped(core, damping)

    def _reduced(self, damping: float, part: FloatArray) -> FloatArray:
        """The core less what the eliminated forms take: (14, 14 + c, 14 + c), of two teeth and common."""
        core, count, m = self._core(damping), len(self.own), POSE_SIZE
        poses, both = count * m, slice(2 * m, None)
        between = core[:poses, :poses].reshape(count, m, count, m)
        beside = core[:poses, poses:].reshape(count, m, -1)
        for side, one in enumerate(self.prior.twins.T):
            rows = slice(side * m, (side + 1) * m)
            beside[one] -= part[:, rows, both]
            for other_side, other in enumerate(self.prior.twins.T):
                between[one, :, other] -= part[:, rows, other_side * m : (other_side + 1) * m]
        core[poses:, :poses] = core[:poses, poses:].T
        core[poses:, poses:] -= part[:, both, both].sum(axis=0)
        return core

    def _columns(self) -> NDArray[np.intp]:
        """(14, 14 + c) columns of the core that each pair of forms meets."""
        twins, count = self.prior.twins, len(self.own)
        poses = (twins[:, :, None] * POSE_SIZE + np.arange(POSE_SIZE)).reshape(len(twins), -1)
        common = count * POSE_SIZE + np.arange(len(self.common))
        return np.concatenate([poses, np.tile(common, (len(twins), 1))], axis=1)


def _damped(blocks: FloatArray, damping: float) -> FloatArray:
    """Square matrices with their diagonals raised by a share."""
    index = np.arange(blocks.shape[-1])
    blocks[..., index, index] = blocks[..., index, index] * (1 + damping) + _RIDGE
    return blocks


def _solved(matrices: FloatArray, right: FloatArray) -> FloatArray:
    """Solutions (n, m, k) of symmetric positive definite systems (n, m, m); numpy's solver knows no symmetry.

    Raises:
        numpy.linalg.LinAlgError: one is not positive definite.
    """
    (solve,), out = get_lapack_funcs(("posv",), (matrices, right)), np.empty_like(right)
    for k, (matrix, column) in enumerate(zip(matrices, right, strict=True)):
        _, out[k], trouble = solve(matrix, column, lower=True)
        if trouble:
            raise np.linalg.LinAlgError("a tooth's forms have no positive definite Hessian")
    return out
