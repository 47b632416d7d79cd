"""From light to a JPEG's pixels: what lens, sensor and camera do. Arrays only."""

from __future__ import annotations

from typing import Any

import numpy as np

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def blurred(picture: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of (h, w, c) by ``sigma`` px; edges are repeated."""
    if sigma < 0.15:
        return picture
    reach = max(1, int(3.0 * sigma + 0.5))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
    kernel /= kernel.sum()
    for axis in (0, 1):
        pad = [(reach, reach) if k == axis else (0, 0) for k in range(3)]
        wide, size = np.pad(picture, pad, mode="edge"), picture.shape[axis]
        picture = sum(
            (w * np.take(wide, range(k, k + size), axis) for k, w in enumerate(kernel)),
            np.zeros_like(picture),
        )
    return picture


def shrunk_blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    """A wide blur made at a quarter of the size, (h, w, c) with h and w divisible by 4 or cut."""
    height, width, _ = picture.shape
    rows, columns = np.minimum(np.arange(height) // 4, height // 4 - 1), np.arange(width) // 4
    columns = np.minimum(columns, width // 4 - 1)
    small = (
        picture[: height // 4 * 4, : width // 4 * 4].reshape(height // 4, 4, width // 4, 4, 3).mean((1, 3))
    )
    return blurred(blurred(small, sigma / 4.0)[rows][:, columns], 2.0)


def _exposed(light: np.ndarray, teeth: np.ndarray, look: dict[str, Any], error: float) -> np.ndarray:
    """Scaled so that well lit enamel comes to the wanted brightness."""
    lit = (light @ _LUMA)[teeth] if teeth.any() else (light @ _LUMA).ravel()
    bright = float(np.percentile(lit, 75.0)) if len(lit) else 1.0
    return light * np.float32(look["exposure"] ** 2.2 * error / max(bright, 1e-6))


def _vignetted(light: np.ndarray, amount: float) -> np.ndarray:
    height, width, _ = light.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return light * (1.0 - amount * 0.5 * (x**2 + y**2))[..., None].astype(np.float32)


def _toned(light: np.ndarray, look: dict[str, Any]) -> np.ndarray:
    """Display values: highlights roll off, shadows sink with the contrast."""
    knee = np.float32(0.72)
    over = np.maximum(light - knee, 0.0)
    light = np.minimum(light, knee) + (1.0 - knee) * (1.0 - np.exp(-over / (1.0 - knee)))
    shown = np.clip(light, 0.0, 1.0) ** np.float32(1.0 / 2.2)
    curve = shown * shown * (3.0 - 2.0 * shown)
    shown = shown + np.float32(0.5 * look["contrast"]) * (curve - shown)
    grey = (shown @ _LUMA)[..., None]
    return grey + np.float32(look["saturation"]) * (shown - grey)


def developed(light: np.ndarray, teeth: np.ndarray, look: dict[str, Any], view: dict[str, Any]) -> np.ndarray:
    """A photo's pixels.

    Args:
        light: (h, w, 3) linear.
        teeth: (h, w) True on teeth, for the exposure.
        look: the description's ``develop``.
        view: the description's record of this photo.

    Returns:
        (h, w, 3) uint8.
    """
    rng = np.random.default_rng(view["seed"])
    scale = light.shape[1] / 640.0
    light = _exposed(light, teeth, look, view["exposure_error"])
    light = light + np.float32(look["bloom"]) * (shrunk_blur(np.minimum(light, 3.0), 14.0 * scale) - light)
    light = blurred(_vignetted(light, look["vignette"]), look["blur"] * scale)
    grain = blurred(rng.standard_normal(light.shape, np.float32), 0.55)
    grain /= grain.std()
    light = light + np.float32(1.6 * look["noise"]) * grain * np.sqrt(np.clip(light, 0.01, 1.0))
    shown = _toned(np.maximum(light * np.array(look["white"], np.float32), 0.0), look)
    shown = shown + np.float32(look["sharpen"]) * (shown - blurred(shown, 1.0 * scale))
    return (np.clip(shown, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
