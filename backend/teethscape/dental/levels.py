"""Grey pictures of more than 8 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Brightest values of pictures of floats, 8, 12 and 16 bits.
_USUAL = (1.0, 255.0, 4095.0, 65535.0)


def to_8bit(values: NDArray[Any], full: float | None = None) -> NDArray[np.uint8]:
    """Grey values of 12, 16 or 32 bits, or floats, on the range 0..255.

    Args:
        values: of any shape.
        full: the value that is white; None: the least usual one that none exceeds, else the brightest.
    """
    if full is None:
        top = float(values.max(initial=0))
        full = next((limit for limit in _USUAL if top <= limit), top)
    return np.clip(values.astype(np.float32) * (255 / full) + 0.5, 0, 255).astype(np.uint8)
