"""Iso-surfaces of scalar fields."""

from __future__ import annotations

import numpy as np
import pytest

from teethscape.dataset.mouth.nets import surface_nets


def test_surface_nets_of_a_ball_are_closed_and_outward() -> None:
    axis = np.arange(-6, 6.01, 0.5)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    vertices, quads = surface_nets(np.sqrt(x**2 + y**2 + z**2) - 4.0, np.full(3, -6.0), 0.5)
    assert np.linalg.norm(vertices, axis=1) == pytest.approx(4.0, abs=0.12)
    edges = np.vstack([quads[:, [k, (k + 1) % 4]] for k in range(4)])
    forward = {tuple(e) for e in edges}
    assert len(forward) == len(edges)
    assert all((b, a) in forward for a, b in forward)  # every edge has its opposite: closed, consistent
    corners = vertices[quads]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert ((normal * corners.mean(axis=1)).sum(axis=1) > 0).all()
