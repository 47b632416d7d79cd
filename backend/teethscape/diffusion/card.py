"""Device, precision and attention of a run (needs torch)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module, util
from typing import Any

import torch
from torch import nn

from teethscape.dental.request import Device
from teethscape.dental.wishes import Precision
from teethscape.errors import MissingComponentError

#: How PyTorch and its libraries say that the memory is too small, where the type of the error does not.
_SHORT = (
    "out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED",
    "unable to find an engine to execute", "can't allocate memory", "not enough memory",
)  # fmt: skip
_TYPES = {Precision.HALF: torch.float16, Precision.BRAIN: torch.bfloat16, Precision.FULL: torch.float32}


@dataclass(frozen=True)
class Card:
    """Where and how a run computes.

    Attributes:
        device: of the networks.
        dtype: of the networks; the autoencoder always computes in float32.
    """

    device: torch.device
    dtype: torch.dtype

    @property
    def half(self) -> bool:
        """Whether a number takes two bytes."""
        return self.dtype.itemsize == 2

    def free_bytes(self) -> int | None:
        """Memory that is free for us; None when nobody knows."""
        if self.device.type != "cuda":
            return None
        free, _ = torch.cuda.mem_get_info(self.device)
        return free + torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)

    def forget(self) -> None:
        """Give back what the allocator keeps for later."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def peak_bytes(self) -> int | None:
        """Highest memory of this process since `watch_peak`."""
        return torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None

    def watch_peak(self) -> None:
        """Begin to watch the highest memory anew."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def describe(self) -> str:
        """For people."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type
        return f"{name}, {str(self.dtype).removeprefix('torch.')}"


def choose_card(device: Device, precision: Precision) -> Card:
    """The device that is asked for, and the precision that suits it.

    Raises:
        MissingComponentError: the device is not there.
    """
    name = _available(device)
    if precision is Precision.AUTO:  # a CPU is slower in half precision
        precision = Precision.HALF if name == "cuda" else Precision.FULL
    return Card(torch.device(name), _TYPES[precision])


def _available(device: Device) -> str:
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device is Device.AUTO:
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there[device.value]:
        raise MissingComponentError(
            "device_missing", f"PyTorch finds no {device.value.upper()} device.", "Give --device cpu."
        )
    return device.value


def attention(device: torch.device) -> str:
    """The attention that runs on a device: ``xformers`` where it works, else PyTorch's own."""
    return "xformers" if device.type == "cuda" and xformers_runs(device) else "PyTorch"


@cache
def xformers_runs(device: torch.device) -> bool:
    """Whether xformers' kernels run here; a build for another torch or another card imports all the same."""
    if util.find_spec("xformers") is None:
        return False
    try:
        ops = import_module("xformers.ops")
        some = torch.zeros((1, 2, 40), device=device)
        ops.memory_efficient_attention(some, some, some)
    except (ImportError, OSError, RuntimeError, ValueError, NotImplementedError):
        return False
    return True


def use_attention(body: Any, device: torch.device) -> str:
    """Let diffusers' UNet use the attention of `attention`; returns which one it became."""
    chosen = attention(device)
    if chosen == "xformers":
        body.enable_xformers_memory_efficient_attention()
    return chosen


def cast(part: nn.Module, dtype: torch.dtype) -> None:
    """Bring a network into a precision; diffusers' own way does the same and warns about it."""
    nn.Module.to(part, dtype=dtype)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error of PyTorch means that the memory is too small."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in _SHORT)
