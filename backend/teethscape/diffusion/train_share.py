"""Parameters that several devices share: each holds a part of every one (FSDP; needs torch).

PyTorch's own ``fully_shard`` rather than Accelerate's plugin around it: that one refuses processors,
where the tests run. The whole step is one unit: weights and gradients are whole while it is
computed; the optimiser's moments and smoothed weights are always parted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def share_out(step: nn.Module, device: torch.device) -> None:
    """Part the parameters of a module over all processes; they are other objects afterwards.

    Args:
        step: the same in every process.
        device: of this process.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    step.to(device)
    fully_shard(step, mesh=init_device_mesh(device.type, (torch.distributed.get_world_size(),)))


@contextmanager
def whole_weights(step: nn.Module) -> Iterator[None]:
    """Every process has all weights, to compute with; all must enter. Does nothing where none are parted."""
    if not is_shared(step):
        yield
        return
    step.unshard()  # type: ignore[operator]
    try:
        yield
    finally:
        step.reshard()  # type: ignore[operator]


def is_shared(step: nn.Module) -> bool:
    """Whether `share_out` has parted its parameters."""
    return hasattr(step, "unshard")


def whole(value: Tensor) -> Tensor:
    """A tensor with all its parts, on the CPU; all processes must ask for a parted one."""
    value = value.detach()
    return (value.full_tensor() if hasattr(value, "full_tensor") else value).cpu()  # type: ignore[operator]


def parted(value: Tensor, like: Tensor) -> Tensor:
    """This process's part of a whole tensor, when another one is parted, else the tensor."""
    mesh: Any = getattr(like, "device_mesh", None)
    if mesh is None:
        return value
    from torch.distributed.tensor import distribute_tensor

    placements: Any = getattr(like, "placements", None)
    return distribute_tensor(value.to(like.device), mesh, placements, src_data_rank=None)


def whole_state(optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """The state of an optimiser, as if one process had all of it."""
    content = optimiser.state_dict()
    states = {
        number: {name: whole(v) if isinstance(v, Tensor) else v for name, v in state.items()}
        for number, state in content["state"].items()
    }
    return {**content, "state": states}


def take_state(optimiser: torch.optim.Optimizer, content: Mapping[str, Any]) -> None:
    """Load what `whole_state` gave, in this process or in any other number of them."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    states = {
        number: {name: _as(v, parameters[number]) for name, v in state.items()}
        for number, state in content["state"].items()
    }
    optimiser.load_state_dict({**content, "state": states})


def _as(value: Any, parameter: Tensor) -> Any:
    """Moments are parted like their parameter; the number of steps is not."""
    is_moment = isinstance(value, Tensor) and value.shape == parameter.shape
    return parted(value, parameter) if is_moment else value
