"""Smoothed weights of what is trained (needs torch)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Smoothed:
    """Exponential moving average of the parameters that are trained.

    Args:
        network: its trained parameters are followed, under their names.
        keep: share that a step keeps; early steps keep less, so that the start is forgotten.
    """

    def __init__(self, network: nn.Module, keep: float) -> None:
        self.keep = keep
        self.values = {name: p.detach().clone() for name, p in trained(network).items()}

    @torch.no_grad()
    def follow(self, network: nn.Module, step: int) -> None:
        """Take in the weights after a step, counted from 1."""
        keep = min(self.keep, (1 + step) / (10 + step))
        for name, parameter in trained(network).items():
            self.values[name].lerp_(parameter.detach().to(self.values[name]), 1 - keep)

    @contextmanager
    def in_place(self, network: nn.Module) -> Iterator[None]:
        """Meanwhile the network has the smoothed weights; afterwards its own, to the last bit."""
        self._swap(network)
        try:
            yield
        finally:
            self._swap(network)

    @torch.no_grad()
    def _swap(self, network: nn.Module) -> None:
        """One tensor after the other: a second copy of all may not fit."""
        for name, parameter in trained(network).items():
            own = parameter.detach().clone()
            parameter.copy_(self.values[name])
            self.values[name].copy_(own)

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Take the smoothed weights of another run."""
        for name, value in values.items():
            self.values[name].copy_(value)


def trained(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that are trained, by name."""
    return {name: p for name, p in network.named_parameters() if p.requires_grad}
