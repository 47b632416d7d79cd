"""What Cycles can do in this Blender, on this computer: its device, its denoiser."""

from __future__ import annotations

import logging

import bpy

from teethscape.errors import MissingComponentError

from .options import Device

log = logging.getLogger("teethscape.render")

#: What ``GPU`` tries, the fastest first.
_ANY_GPU = ("OPTIX", "CUDA", "METAL", "HIP", "ONEAPI")


def use_device(scene: bpy.types.Scene, device: Device) -> None:
    """Switch Cycles to a device; ``GPU`` falls back to the processor and says so.

    Raises:
        MissingComponentError: the device that was named is not there.
    """
    scene.cycles.device = "CPU"
    if device is Device.CPU:
        return
    for kind in _ANY_GPU if device is Device.GPU else (device.value,):
        if _switch_on(kind):
            scene.cycles.device = "GPU"
            return
    if device is not Device.GPU:
        raise MissingComponentError(
            "device_missing",
            f"Blender finds no device for {device.value} on this computer.",
            "Install its driver, or give --device CPU.",
        )
    log.warning("Blender finds no graphics processor; Cycles renders on the CPU.")


def can_denoise() -> bool:
    """True where this Blender was built with OpenImageDenoise; some distributions leave it out."""
    import _cycles  # a part of Blender that only the Cycles add-on brings along

    return bool(_cycles.with_openimagedenoise)


def _switch_on(kind: str) -> bool:
    """Enable all devices of a kind and no other; False where there is none."""
    preferences = bpy.context.preferences.addons["cycles"].preferences
    try:
        preferences.compute_device_type = kind
    except TypeError:  # not in this build of Blender
        return False
    preferences.refresh_devices()
    for device in preferences.devices:
        device.use = device.type == kind
    return any(device.use for device in preferences.devices)
