"""Where teeth without a number are expected, given those that have one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from teethscape.parametric.arch import ArchState
from teethscape.parametric.numbering.fit import Guess, twin_correlations
from teethscape.parametric.rotation import FloatArray


def expected_state(guess: Guess) -> ArchState:
    """The state with every tooth that has no number at its mean given the numbered ones."""
    state, known = guess.state, guess.teeth
    pose, size = guess.layout.spread.pose_cov, guess.layout.prior.log_size_cov
    shape = twin_correlations(guess.layout.prior)
    count = len(state.log_size)
    other = np.setdiff1d(np.arange(count), known)
    moved = np.hstack([state.translation, state.rotation])
    rows = (6 * known[:, None] + np.arange(6)).ravel(), (6 * other[:, None] + np.arange(6)).ravel()
    moved[other] = _regressed(pose.reshape(6 * count, -1), moved[known].ravel(), *rows).reshape(-1, 6)
    log_size, modes = state.log_size.copy(), state.shape.copy()
    log_size[other] = _regressed(size, log_size[known], known, other)
    modes[other] = _regressed(shape, modes[known], known, other)
    return ArchState(moved[:, :3], moved[:, 3:], log_size, modes, state.bite)


def _regressed(
    cov: FloatArray, value: FloatArray, known: NDArray[np.intp], other: NDArray[np.intp]
) -> FloatArray:
    """Conditional mean of ``other`` rows of a zero-mean normal, given ``known`` ones."""
    return cov[np.ix_(other, known)] @ np.linalg.solve(cov[np.ix_(known, known)], value)
