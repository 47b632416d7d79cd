"""Pairs of a rim point are summed without loss."""

import numpy as np

from teethscape.dental.views import View
from teethscape.parametric.matching import OutlineNoise, PairResiduals, match, residuals, whitened
from teethscape.parametric.observations import observe
from teethscape.parametric.rims import render_rim, visible_teeth


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


def test_an_outline_that_may_be_none_pulls_less(patient):
    arch, cameras, labels = patient
    view = View.MAXILLARY_OCCLUSAL
    tooth = arch.prior.fdi.index(16)
    half = np.where(np.arange(labels[view].shape[1]) < labels[view].shape[1] // 2, 0.2, 1.0)
    clear = np.broadcast_to(half, labels[view].shape).astype(np.float32)
    rim = render_rim(arch, visible_teeth(arch.prior, np.arange(28), view), view, cameras[view])
    weights = []
    for clarity in (None, clear):
        observation = observe(view, labels[view], arch.prior, max(labels[view].shape), clarity)
        pairs = match(rim, observation)
        found = residuals(rim, observation, pairs, OutlineNoise(), 1.0)
        weights.append(found.weight[observation.contour.tooth[pairs.label] == tooth])
    assert weights[0].mean() > 0.5
    np.testing.assert_allclose(weights[1], 0.2 * weights[0], rtol=1e-6)
