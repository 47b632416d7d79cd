"""Learning the distance from a cloud alone, by pulling (needs torch).

Source: ``gspull-spec.md``, section 5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from teethscape.surface.gspull.losses import chamfer
from teethscape.surface.gspull.queries import QuerySet
from teethscape.surface.gspull.schedule import sdf_rate
from teethscape.surface.gspull.sdf import distance_and_slope, pulled


@dataclass(frozen=True, eq=False)
class Pulled:
    """A batch of queries after their pull, normalised.

    Attributes:
        moved: (n, 3) queries on the zero set, differentiable to the network.
        normal: (n, 3) unit slopes at the queries, differentiable as well.
    """

    moved: Tensor
    normal: Tensor


@dataclass(frozen=True)
class PullRules:
    """How the distance is learnt.

    Attributes:
        steps: optimiser steps of the whole schedule.
        first: step at which the schedule of the rate begins.
        last: step at which these queries are replaced by others; None: never.
        batch: queries per step.
        by_pairs: distance of each pulled query from its own target instead of the Chamfer distance of both
            sets; as good, and linear in the batch.
        eikonal: weight of unit slopes at random points of the cube.
        sign: weight of the normals of the cloud, which say what is outside.
        warm_up: steps in which the rate rises.
        rate: factor on the published learning rate.
        tied: what a pulled batch costs beside its pull, at the step of that number; None: nothing.
    """

    steps: int = 60_000
    first: int = 0
    last: int | None = None
    batch: int = 10_000
    by_pairs: bool = True
    eikonal: float = 0.0
    sign: float = 0.0
    warm_up: int = 1000
    rate: float = 1.0
    tied: Callable[[Pulled, int], Tensor] | None = None


@dataclass(eq=False)
class PullState:
    """How far learning has come.

    Attributes:
        optimiser: of the network.
        rng: source of randomness.
        step: steps done.
    """

    optimiser: torch.optim.Adam
    rng: np.random.Generator
    step: int = 0

    @staticmethod
    def fresh(network: nn.Module, rng: np.random.Generator) -> PullState:
        """The state before the first step."""
        return PullState(torch.optim.Adam(network.parameters(), lr=1e-3, eps=1e-15), rng)


def pull_loss(moved: Tensor, targets: Tensor, by_pairs: bool) -> Tensor:
    """How far pulled queries (n, 3) end from the cloud's points (n, 3)."""
    return (moved - targets).norm(dim=1).mean() if by_pairs else chamfer(targets, moved)


def learn_by_pulling(
    network: nn.Module,
    data: QuerySet,
    rules: PullRules,
    each: Callable[[int], bool],
    state: PullState,
) -> None:
    """Train the network on queries of one cloud, from where the state is to the rules' last step.

    Args:
        network: changed in place; its device decides.
        data: queries and cloud, normalised.
        rules: how.
        each: called with the number of every step once it is done; False stops. Slopes that it leaves in the
            network join those of the next step.
        state: changed in place.
    """
    device = next(network.parameters()).device
    queries, points = (torch.from_numpy(a).to(device) for a in (data.queries, data.points))
    target = torch.from_numpy(data.target).to(device)
    outward = None if data.normals is None else torch.from_numpy(data.normals).to(device)
    optimiser, rng = state.optimiser, state.rng
    for step in range(state.step, rules.steps if rules.last is None else rules.last):
        for group in optimiser.param_groups:
            done, whole = step + 1 - rules.first, rules.steps + 50 - rules.first
            group["lr"] = rules.rate * sdf_rate(done, whole, rules.warm_up)
        chosen = torch.from_numpy(rng.integers(0, len(queries), min(rules.batch, len(queries)))).to(device)
        moved, _, normal = pulled(network, queries[chosen])
        loss = pull_loss(moved, points[target[chosen]], rules.by_pairs)
        loss = loss + _extra(network, points, outward, rules, rng)
        if rules.tied is not None:
            loss = loss + rules.tied(Pulled(moved, normal), step)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        state.step = step + 1
        if not each(step):
            return


def _extra(
    network: nn.Module, points: Tensor, outward: Tensor | None, rules: PullRules, rng: np.random.Generator
) -> Tensor:
    """Eikonal and sign terms, where they have a weight."""
    total = points.new_zeros(())
    share = max(rules.batch // 10, 1)
    if rules.eikonal:
        anywhere = torch.from_numpy(rng.uniform(-0.6, 0.6, (share, 3)).astype(np.float32)).to(points.device)
        _, slope = distance_and_slope(network, anywhere)
        total = total + rules.eikonal * ((slope.norm(dim=1) - 1) ** 2).mean()
    if rules.sign and outward is not None:
        some = torch.from_numpy(rng.integers(0, len(points), share)).to(points.device)
        distance, slope = distance_and_slope(network, points[some])
        known = outward[some].norm(dim=1) > 0.5
        cos = torch.nn.functional.cosine_similarity(slope, outward[some], dim=1)
        total = total + rules.sign * ((1 - cos) * known).mean() + distance.abs().mean()
    return total
