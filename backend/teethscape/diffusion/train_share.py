"""Parameters that several devices share: each holds a part of every one (FSDP; needs torch).

PyTorch's own ``fully_shard`` rather than Accelerate's plugin around it: that one refuses processors,
where the tests run. The whole step is one unit: weights and gradients are whole while it is
computed; the optimiser's moments and smoothed weights are always parted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

#: Values that one exchange brings, where a single tensor is not larger: 256 MB in single precision.
_EXCHANGED = 1 << 26
Key = TypeVar("Key")


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


def whole(values: Mapping[Key, Tensor]) -> dict[Key, Tensor]:
    """Tensors with all their parts, on the CPU; all processes must ask for the same ones.

    Parted ones are gathered many at a time: a network has thousands, and exchanging one after the
    other takes most of the time of a save.

    Args:
        values: any shapes; parted ones along their first axis (as `share_out` parts them).
    """
    found = {name: value.detach().cpu() for name, value in values.items() if not _is_parted(value)}
    for bucket in _buckets({name: value.detach() for name, value in values.items() if name not in found}):
        found |= _gathered(bucket)
    return {name: found[name] for name in values}


def _is_parted(value: Tensor) -> bool:
    """Asked by what it can do: some builds of PyTorch have no such tensors."""
    return hasattr(value, "full_tensor")


def _buckets(values: Mapping[Key, Tensor]) -> Iterator[dict[Key, Tensor]]:
    """Tensors of one type that one exchange brings together."""
    bucket: dict[Key, Tensor] = {}
    size, dtype = 0, None
    for name, value in values.items():
        if bucket and (value.dtype != dtype or size + value.numel() > _EXCHANGED):
            yield bucket
            bucket, size = {}, 0
        bucket[name], dtype = value, value.dtype
        size += value.numel()
    if bucket:
        yield bucket


def _gathered(bucket: Mapping[Key, Tensor]) -> dict[Key, Tensor]:
    """The whole tensors of a bucket, by one exchange; all have one type."""
    count = torch.distributed.get_world_size()
    shapes = {name: (-(-value.shape[0] // count), *value.shape[1:]) for name, value in bucket.items()}
    own = torch.cat([_padded(value, shapes[name][0]).flatten() for name, value in bucket.items()])
    parts = [torch.empty_like(own) for _ in range(count)]
    torch.distributed.all_gather(parts, own)
    split = [part.cpu().split([prod(shape) for shape in shapes.values()]) for part in parts]
    return {
        name: torch.cat([piece.view(shapes[name]) for piece in pieces])[: len(bucket[name])].clone()
        for name, *pieces in zip(bucket, *split, strict=True)
    }


def _padded(value: Tensor, rows: int) -> Tensor:
    """This process's part, with as many rows as the first one's: the last ones hold fewer, or none."""
    part: Tensor = value.to_local()  # type: ignore[operator]
    return torch.cat([part, part.new_zeros(rows - len(part), *part.shape[1:])])


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
    states = content["state"]
    tensors = {(n, name): v for n, s in states.items() for name, v in s.items() if isinstance(v, Tensor)}
    found = whole(tensors)
    wholes = {n: {name: found.get((n, name), v) for name, v in s.items()} for n, s in states.items()}
    return {**content, "state": wholes}


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
