"""Losses of batches in which there is nothing to lose."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from teethscape.surface.neus.losses import ranked  # noqa: E402


@pytest.mark.parametrize("keep", [0.5, 1.0])
def test_a_batch_without_any_colour_costs_nothing(keep):
    nothing = torch.zeros(0, requires_grad=True)
    cost = ranked(nothing, keep, torch.zeros(0))
    cost.backward()
    assert float(cost.detach()) == 0.0
