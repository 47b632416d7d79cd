"""The distance that begins as a known field."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from teethscape.surface.grid.field import GridField
from teethscape.surface.gspull.sdf import PullNetwork, distance_and_slope
from teethscape.surface.gspull.started import StartedNetwork
from teethscape.surface.lookup import FieldLookup

SHAPE, LOW, PITCH = (9, 11, 13), np.array([-0.4, -0.5, -0.6]), 0.1


def _ball():
    nodes = GridField(np.zeros(SHAPE, np.float32), LOW, PITCH).nodes()
    values = (np.linalg.norm(nodes, axis=1) - 0.3).astype(np.float32).reshape(SHAPE)
    return GridField(values, LOW, PITCH)


def _lookup(field):
    return FieldLookup(field)


def test_inside_its_grid_it_is_the_field():
    field = _ball()
    points = np.random.default_rng(0).uniform(LOW, field.high, (200, 3)).astype(np.float32)
    found = _lookup(field)(torch.from_numpy(points)).numpy()
    np.testing.assert_allclose(found, field.at(points.astype(np.float64)), atol=1e-5)


def test_outside_it_grows_by_the_distance():
    field = _ball()
    border = torch.tensor([[0.4, 0.0, 0.0]])
    found = _lookup(field)(torch.tensor([[0.9, 0.0, 0.0]])) - _lookup(field)(border)
    assert float(found) == pytest.approx(0.5, abs=1e-5)


def test_slopes_are_those_of_the_values_inside_and_outside_the_grid():
    lookup = _lookup(_ball()).double()
    points = (torch.rand(200, 3, dtype=torch.float64) * 2 - 1).requires_grad_(True)
    values = lookup(points)
    (wanted,) = torch.autograd.grad(values.sum(), points)
    found, slopes = lookup.with_slopes(points)
    assert torch.allclose(found, values)
    assert torch.allclose(slopes, wanted, atol=1e-9)


def test_a_field_in_mm_is_looked_up_in_a_cube():
    field = _ball()
    middle, points = np.array([0.1, -0.2, 0.05]), np.random.default_rng(0).uniform(-0.3, 0.3, (50, 3))
    found = FieldLookup.moved(field, middle, 0.5)(torch.from_numpy((points - middle) / 0.5).float())
    np.testing.assert_allclose(0.5 * found.numpy(), field.at(points), atol=1e-5)


def test_a_fresh_network_adds_nothing_and_learns():
    torch.manual_seed(0)
    network = StartedNetwork(_lookup(_ball()), PullNetwork(16))
    points = torch.rand(64, 3) * 0.6 - 0.3
    assert torch.equal(network(points), network.start(points))
    optimiser = torch.optim.Adam((p for p in network.parameters() if p.requires_grad), lr=1e-3)
    for _ in range(30):
        distance, slope = distance_and_slope(network, points)
        loss = (distance - network.start(points) - 0.05).abs().mean() + 0.01 * (
            slope.norm(dim=1) - 1
        ).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float((network(points) - network.start(points)).mean()) > 0.02
    again = StartedNetwork(_lookup(_ball()), PullNetwork(16))
    again.load_state_dict(network.state_dict())
    assert torch.equal(again(points), network(points))


def test_slopes_have_slopes_inside_and_outside_the_grid():
    points = torch.tensor([[0.1, 0.02, -0.13], [0.9, 0.0, 0.0], [0.7, 0.8, 0.9]], requires_grad=True)
    _, slope = distance_and_slope(_lookup(_ball()), points)
    torch.nn.functional.normalize(slope, dim=1)[:, 0].sum().backward()
    assert torch.isfinite(points.grad).all()
    assert float(points.grad.norm()) > 0
