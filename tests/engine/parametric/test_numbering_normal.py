"""Normal equations solved by parts give what one dense system gives."""

import numpy as np
import pytest

from teethscape.parametric.arch import POSE_SIZE
from teethscape.parametric.numbering.hulls import FORMS
from teethscape.parametric.numbering.normal import Normal, Prior, Unknowns, _solved, pulled

COUNT, COMMON, PER_TOOTH = 4, 14, POSE_SIZE + FORMS
TWINS = np.array([[0, 2], [1, 3]])


def positive(rng: np.random.Generator, size: int) -> np.ndarray:
    root = rng.normal(size=(size, size))
    return root @ root.T / size + np.eye(size)


def prior_of(rng: np.random.Generator) -> Prior:
    forms = np.array([positive(rng, 2 * FORMS) for _ in TWINS])
    pose = positive(rng, COUNT * POSE_SIZE)
    return Prior(pose, float(np.linalg.slogdet(pose)[1]), forms, positive(rng, COMMON), TWINS)


def flat(at: Unknowns) -> np.ndarray:
    return np.concatenate([at.teeth.ravel(), at.common])


def dense_prior(prior: Prior) -> np.ndarray:
    size = COUNT * PER_TOOTH + COMMON
    columns = np.eye(size)
    rows = [pulled(prior, Unknowns(c[:-COMMON].reshape(COUNT, PER_TOOTH), c[-COMMON:])) for c in columns]
    return np.array([flat(row) for row in rows])


def test_the_step_and_the_determinant_are_those_of_the_dense_system():
    rng = np.random.default_rng(0)
    prior = prior_of(rng)
    normal = Normal(prior, Unknowns(np.zeros((COUNT, PER_TOOTH)), np.zeros(COMMON)))
    dense, right = dense_prior(prior), np.zeros(COUNT * PER_TOOTH + COMMON)
    tooth, columns = np.array([1, 2]), np.array([0, 1, 5])
    rows = rng.normal(size=(2, 9, PER_TOOTH + 3))
    residual = rng.normal(size=(2, 9))
    normal.add(
        tooth,
        columns,
        rows.transpose(0, 2, 1) @ rows,
        (rows.transpose(0, 2, 1) @ residual[:, :, None])[..., 0],
    )
    for t, row, rest in zip(tooth, rows, residual, strict=True):
        where = np.concatenate([t * PER_TOOTH + np.arange(PER_TOOTH), COUNT * PER_TOOTH + columns])
        dense[np.ix_(where, where)] += row.T @ row
        right[where] += row.T @ rest
    np.testing.assert_allclose(flat(normal.solve()), np.linalg.solve(dense, right), atol=1e-8)
    assert abs(normal.log_det() - np.linalg.slogdet(dense)[1]) < 1e-5


def test_the_log_determinant_of_the_prior_leaves_out_what_has_none():
    prior = prior_of(np.random.default_rng(1))
    whole = np.linalg.slogdet(dense_prior(prior))[1]
    assert abs(prior.log_det(COMMON) - whole) < 1e-8


def test_an_indefinite_system_has_no_step():
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        _solved(np.array([np.diag([1.0, -1.0])]), np.ones((1, 2, 1)))
