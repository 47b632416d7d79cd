"""Colours of the uncertainty heat map: dark blue is sure, yellow is not.

The scale is the same for every case, so that pictures can be compared, and its
lightness rises all the way, so that it reads without colour vision too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: The standard deviation, mm, that gets the last colour.
FULL_SCALE_MM = 0.5
#: Evenly spaced stops between 0 and ``FULL_SCALE_MM``, sRGB.
STOPS: tuple[tuple[float, float, float], ...] = (
    (0.10, 0.12, 0.36),
    (0.12, 0.36, 0.58),
    (0.16, 0.59, 0.58),
    (0.55, 0.79, 0.38),
    (0.99, 0.92, 0.29),
)
HEAT_ATTRIBUTE = "uncertainty"


def heat_colors(sigma_mm: NDArray[np.float32], inferred: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Colours (sRGB) with alpha, (V, 4), of standard deviations (V,).

    Surface that no photo shows is drawn paler: the number is a prediction there.
    """
    places = np.linspace(0.0, FULL_SCALE_MM, len(STOPS))
    stops = np.array(STOPS)
    rgb = np.stack([np.interp(sigma_mm, places, stops[:, k]) for k in range(3)], axis=1)
    rgb = np.where(inferred[:, None], 0.55 * rgb + 0.45 * 0.72, rgb)
    return np.concatenate([rgb, np.ones((len(rgb), 1))], axis=1).astype(np.float32)


def linear_of(srgb: NDArray[np.floating]) -> NDArray[np.floating]:
    """Scene-linear values of sRGB values 0..1 (IEC 61966-2-1)."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def srgb_to_linear(color: tuple[float, float, float]) -> tuple[float, float, float]:
    """Scene-linear values of an sRGB colour, as node sockets want them."""
    red, green, blue = (float(value) for value in linear_of(np.asarray(color)))
    return red, green, blue
