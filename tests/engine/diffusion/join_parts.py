"""Run in each of several processes: what few exchanges bring is what PyTorch brings one by one."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor

from teethscape.__main__ import leave
from teethscape.diffusion import train_share

SIZES = [(5, 2), (1, 3), (4,), (2, 1, 3), (7,), (6, 2)]


def compare() -> None:
    """Raise where a joined tensor is not the one that was parted."""
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    generator = torch.Generator().manual_seed(0)
    values = {number: torch.randn(size, generator=generator) for number, size in enumerate(SIZES)}
    values[3] = values[3].half()
    parts = {number: distribute_tensor(value, mesh, [Shard(0)]) for number, value in values.items()}
    assert len(parts[1].to_local()) == int(dist.get_rank() == 0)  # the others hold nothing of it
    for limit in (1, 20, 1000):
        train_share._EXCHANGED = limit
        found = train_share.whole({**parts, "never parted": torch.ones(3)})
        assert list(found) == [*values, "never parted"]
        for number, value in values.items():
            assert found[number].dtype == value.dtype
            assert torch.equal(found[number], value)
            assert torch.equal(found[number], parts[number].full_tensor())


if __name__ == "__main__":
    dist.init_process_group("gloo")
    compare()
    leave(0)
