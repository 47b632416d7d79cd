"""A distance that begins exactly as a known field: the network learns only what to add (needs torch).

A ReLU network of the published form needs thousands of steps before it knows gaps between teeth; a start
knows them at once.
"""

from __future__ import annotations

import copy

from torch import Tensor, nn

from teethscape.surface.gspull.sdf import PullNetwork
from teethscape.surface.lookup import FieldLookup


class StartedNetwork(nn.Module):
    """The field that is known, and what a network has learnt since it was fresh.

    Args:
        start: the known field.
        network: fresh.
    """

    def __init__(self, start: FieldLookup, network: PullNetwork) -> None:
        super().__init__()
        self.start, self.network = start, network
        self.fresh = copy.deepcopy(network).requires_grad_(False)

    def forward(self, points: Tensor) -> Tensor:
        """(n, 3) to (n,) signed distance, negative inside."""
        return self.start(points) + (self.network(points) - self.fresh(points))
