"""Colours that change with the direction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import sph_harm_y

torch = pytest.importorskip("torch", reason="needs PyTorch")

from teethscape.surface.gspull import harmonics  # noqa: E402
from teethscape.surface.gspull.gaussians import DensityRules, Gaussians, densify  # noqa: E402


@pytest.fixture
def sphere():
    """Directions (n, 3), their two angles, and weights by which a mean over them is one over the sphere."""
    heights, weights = np.polynomial.legendre.leggauss(16)
    turns = np.arange(32) * 2 * np.pi / 32
    height, turn = (a.ravel() for a in np.meshgrid(heights, turns, indexing="ij"))
    flat = np.sqrt(1 - height**2)
    ways = np.column_stack([flat * np.cos(turn), flat * np.sin(turn), height])
    return torch.tensor(ways), (np.arccos(height), turn), np.repeat(weights, 32) * 2 * np.pi / 32


@pytest.mark.parametrize("degree", range(4))
def test_harmonics_are_orthonormal(sphere, degree):
    ways, _, weights = sphere
    values = harmonics.basis(3.0 * ways, degree).numpy()  # of any length
    assert values.shape[1] == harmonics.count(degree)
    np.testing.assert_allclose(values.T @ (values * weights[:, None]), np.eye(values.shape[1]), atol=1e-12)


def test_harmonics_are_those_of_the_textbook(sphere):
    ways, (polar, turn), _ = sphere
    values = harmonics.basis(ways, 3).numpy()
    for degree in range(4):
        for order in range(-degree, degree + 1):
            known = sph_harm_y(degree, abs(order), polar, turn)
            real = known.real if order >= 0 else known.imag
            wanted = real if order == 0 else np.sqrt(2) * real
            np.testing.assert_allclose(values[:, degree * (degree + 1) + order], wanted, atol=1e-12)


def test_tints_show_from_their_side_alone_and_only_up_to_the_degree_that_is_asked_for():
    cloud = Gaussians(np.zeros((1, 3)), np.full((1, 3), 0.5), degree=2)
    cloud.tints.data[0, 1] = torch.tensor([0.4, 0.0, 0.0])  # along z
    before, behind = (torch.tensor([0.0, 0.0, z]) for z in (-2.0, 2.0))
    assert torch.equal(cloud.seen_from(before, 0), cloud.colours)
    red, green, _ = cloud.seen_from(before, 1)[0].tolist()
    assert red == pytest.approx(0.5 + 0.4 * np.sqrt(3 / (4 * np.pi)), abs=1e-5)
    assert green == pytest.approx(0.5, abs=1e-6)
    assert float(cloud.seen_from(behind, 2)[0, 0].detach()) == pytest.approx(1 - red, abs=1e-5)


def test_a_cloud_without_tints_looks_the_same_from_everywhere():
    cloud = Gaussians(np.zeros((2, 3)), np.full((2, 3), 0.3))
    assert torch.equal(cloud.seen_from(torch.tensor([1.0, 2.0, 3.0]), 3), cloud.colours)


def test_new_gaussians_keep_the_tints_of_theirs():
    cloud = Gaussians(np.array([(0.0, 0, 0), (0.0, 0, 9.0)]), np.full((2, 3), 0.5), degree=1)
    cloud.tints.data[:] = torch.randn(2, 3, 3)
    kept = cloud.tints.detach().clone()
    densify(cloud, torch.tensor([1.0, 0.0]), extent=1000.0, rules=DensityRules())
    assert torch.equal(cloud.tints, kept[[0, 1, 0]])
