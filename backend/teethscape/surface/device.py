"""Where torch computes, and the settings that fit there (needs torch)."""

from __future__ import annotations

from functools import cache
from typing import Any

from teethscape.dental.request import Device
from teethscape.dental.wishes import Preset, SurfaceMethod
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


def chosen_preset(preset: Preset | None, choice: Device, method: SurfaceMethod) -> Preset:
    """The preset that is asked for, else our own: small where the larger one cannot be computed.

    That is without a graphics processor, and for GS-Pull on one where gsplat does not run.
    """
    if preset is not None:
        return preset
    is_small = not uses_card(choice) or _fault(choice, method) is not None
    return Preset.SMALL if is_small else Preset.TEETH


def require_preset(preset: Preset, choice: Device, method: SurfaceMethod) -> None:
    """Refuse a preset with more Gaussians than can be drawn here.

    Raises:
        MissingComponentError: they need gsplat, and it does not run.
    """
    fault = None if preset is Preset.SMALL else _fault(choice, method)
    if fault is not None:
        from teethscape.surface.gspull.splat import too_many

        raise too_many(fault)


def _fault(choice: Device, method: SurfaceMethod) -> str | None:
    """Why many Gaussians cannot be drawn where a method is to compute; None where they can, or are none."""
    return _card_fault() if method is SurfaceMethod.GSPULL and uses_card(choice) else None


@cache
def _card_fault() -> str | None:
    """Why gsplat does not run on the card; asked once, for a compiler may take minutes to fail."""
    import torch

    from teethscape.surface.gspull.splat import gsplat_fault

    return gsplat_fault(torch.device("cuda"))
