"""An optimiser for small networks that learn by heart in few steps: momentum, its matrices made orthogonal.

Source: K. Jordan and others, "Muon: An optimizer for hidden layers in neural networks", 2024; the numbers
of the polynomial are theirs. Vectors and single numbers are left to Adam.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

_POLYNOMIAL, _ROUNDS = (3.4445, -4.7750, 2.0315), 5
_MOMENTUM, _SIZE = 0.9, 0.2
#: Smaller matrices are left to Adam.
_LEAST = 4
#: Shares of the steps in which the rate rises, and falls to nothing.
_RISE, _FALL = 0.05, 0.6


def orthogonal(matrices: Tensor) -> Tensor:
    """(n, a, b) the matrices with all singular values brought near 1."""
    a, b, c = _POLYNOMIAL
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(_ROUNDS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if tall else x


class Orthogonal(torch.optim.Optimizer):
    """For parameters that are matrices, convolutions too; those of one shape are worked on together."""

    def __init__(self, parameters: Iterable[nn.Parameter], rate: float) -> None:
        super().__init__(parameters, {"lr": rate})

    @torch.no_grad()
    def step(self, closure=None):
        """One step from the gradients as they are."""
        for group in self.param_groups:
            alike: dict[tuple[int, ...], list[nn.Parameter]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[tuple(parameter.flatten(1).shape)].append(parameter)
            for shape, members in alike.items():
                moves = orthogonal(torch.stack([self._moved(p).flatten(1) for p in members]))
                for parameter, move in zip(members, moves, strict=True):
                    scale = _SIZE * max(shape) ** 0.5
                    parameter.add_(move.view(parameter.shape), alpha=-group["lr"] * scale)

    def _moved(self, parameter: nn.Parameter) -> Tensor:
        """The gradient with its momentum."""
        kept, fresh = self.state[parameter], parameter.grad
        assert fresh is not None
        if "momentum" not in kept:
            kept["momentum"] = torch.zeros_like(fresh)
        kept["momentum"].lerp_(fresh, 1 - _MOMENTUM)
        return fresh.lerp(kept["momentum"], _MOMENTUM)


class Learner:
    """Both optimisers over what of a module is learned; the rate rises soon and falls to nothing.

    Args:
        module: what is trained.
        rate: highest rate of the matrices.
        rest: highest rate of everything else.
        steps: of the training.
    """

    def __init__(self, module: nn.Module, rate: float, rest: float, steps: int) -> None:
        learned = [p for p in module.parameters() if p.requires_grad]
        matrices = [p for p in learned if p.dim() > 1 and min(p.flatten(1).shape) >= _LEAST]
        known = {id(p) for p in matrices}
        others = [p for p in learned if id(p) not in known]
        self._both = (Orthogonal(matrices, rate), torch.optim.Adam(others, rest, betas=(0.9, 0.99)))
        self._rates = [torch.optim.lr_scheduler.LambdaLR(o, lambda k: _share(k, steps)) for o in self._both]

    def learn(self, loss: Tensor) -> None:
        """One step."""
        for one in self._both:
            one.zero_grad(set_to_none=True)
        loss.backward()
        for one in (*self._both, *self._rates):
            one.step()


def _share(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / (_RISE * steps)) * max(0.0, min(1.0, (steps - step) / (_FALL * steps)))
