"""Where torch computes, and the settings that fit there (needs torch)."""

from __future__ import annotations

from typing import Any

from teethscape.dental.request import Device
from teethscape.dental.wishes import Preset
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


def uses_card(choice: Device) -> bool:
    """Whether an NVIDIA card computes with this choice."""
    import torch

    return choice in (Device.AUTO, Device.CUDA) and torch.cuda.is_available()


def chosen_preset(preset: Preset | None, choice: Device) -> Preset:
    """The preset that is asked for, else our own: small without a graphics processor."""
    return preset or (Preset.TEETH if uses_card(choice) else Preset.SMALL)
