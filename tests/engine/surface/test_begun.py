"""NeuS' distance that begins exactly as a known field."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from teethscape.surface.grid.field import GridField  # noqa: E402
from teethscape.surface.lookup import FieldLookup  # noqa: E402
from teethscape.surface.neus.fields import SdfField  # noqa: E402
from teethscape.surface.neus.hash_grid import HashGrid, HashGridSpec  # noqa: E402

SPEC = HashGridSpec(4, 2, 8, 4, 1.6)


def _ball_field(points):
    """A ball beside the middle: distance and its slope."""
    away = points - torch.tensor([0.1, 0.0, -0.05])
    return away.norm(dim=1) - 0.2, torch.nn.functional.normalize(away, dim=1)


def _begun_geometry():
    """A fresh distance that begins as the ball, on a grid of fine cells."""
    nodes = GridField(np.zeros((81, 81, 81), np.float32), np.full(3, -0.4), 0.01)
    values, _ = _ball_field(torch.from_numpy(nodes.nodes()).float())
    field = replace(nodes, values=values.numpy().reshape(nodes.values.shape))
    geometry = SdfField(HashGrid(SPEC), 0.5)
    geometry.begin_at(FieldLookup(field))
    return geometry


def test_a_distance_begins_exactly_as_a_field_and_learns_what_to_add():
    torch.manual_seed(0)
    geometry = _begun_geometry()
    points = torch.rand(500, 3) * 0.7 - 0.35
    points = points[_ball_field(points)[0] > -0.05]  # slopes turn within a cell at the ball's middle
    values, slopes = _ball_field(points)
    found = geometry(points)
    assert torch.allclose(found.sdf, values, atol=1e-3)
    assert torch.allclose(found.gradient, slopes, atol=0.05)
    assert torch.equal(found.feature[:, 0], found.sdf)
    assert torch.allclose(geometry.sdf(points), found.sdf, atol=1e-5)
    optimiser = torch.optim.Adam(geometry.parameters(), lr=5e-3)
    for _ in range(40):
        optimiser.zero_grad()
        (geometry(points).sdf - values - 0.03).abs().mean().backward()
        optimiser.step()
    assert float((geometry(points).sdf - values - 0.03).abs().mean().detach()) < 0.01


def test_what_it_began_as_is_no_part_of_what_was_learnt():
    geometry, other = _begun_geometry(), _begun_geometry()
    assert not any("begun" in name for name in geometry.state_dict())
    points = torch.rand(50, 3) * 0.7 - 0.35
    other.load_state_dict(geometry.state_dict())
    assert torch.equal(other.sdf(points), geometry.sdf(points))
