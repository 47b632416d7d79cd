"""Pairs of a rim point are summed without loss."""

import numpy as np

from teethscape.parametric.matching import OutlineNoise, PairResiduals, whitened


def test_summed_pairs_give_the_same_normal_equations():
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 40)
    normal = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    found = PairResiduals(rng.normal(0, 5, (40, 2)), normal, rng.uniform(0.1, 1, 40))
    point = rng.integers(3, 12, 40)
    noise = OutlineNoise()
    summed = whitened(found, point, noise)
    tangent = np.stack([-normal[:, 1], normal[:, 0]], axis=1)
    for k, row in enumerate(summed.point):
        of_point = np.flatnonzero(point == row)
        information, pull = np.zeros((2, 2)), np.zeros(2)
        for direction, factor in ((normal, 1.0), (tangent, noise.tangential)):
            scale = found.weight[of_point] * (factor / noise.sigma_px) ** 2
            rows = direction[of_point]
            information += (rows * scale[:, None]).T @ rows
            pull += ((rows * found.offset[of_point]).sum(axis=1) * scale) @ rows
        directions = np.stack([summed.first[k], summed.second[k]])
        assert np.allclose(directions.T @ directions, information)
        assert np.allclose(directions.T @ summed.residual[:, k], pull)


def test_pairs_without_weight_are_left_out():
    found = PairResiduals(np.ones((3, 2)), np.tile([1.0, 0.0], (3, 1)), np.array([1.0, 0.0, 1.0]))
    assert whitened(found, np.array([4, 5, 6]), OutlineNoise()).point.tolist() == [4, 6]
