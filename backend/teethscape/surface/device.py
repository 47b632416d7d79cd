"""Where torch computes (needs torch, and says so when it is missing)."""

from __future__ import annotations

from typing import Any

from teethscape.dental.request import Device
from teethscape.errors import MissingComponentError


def torch_device(choice: Device) -> Any:
    """The ``torch.device`` of a choice.

    Raises:
        MissingComponentError: the device that was asked for is missing.
    """
    import torch

    has_cuda = torch.cuda.is_available()
    if choice is Device.CUDA and not has_cuda:
        raise MissingComponentError(
            "cuda_missing", "PyTorch finds no CUDA device.", "Give --device cpu or --method grid."
        )
    if choice is Device.MPS and not torch.backends.mps.is_available():
        raise MissingComponentError("cuda_missing", "PyTorch finds no MPS device.", "Give --device cpu.")
    if choice is Device.AUTO:
        return torch.device("cuda" if has_cuda else "cpu")
    return torch.device(choice.value)
