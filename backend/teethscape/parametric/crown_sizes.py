"""Sizes of crowns: milk teeth and third molars from the literature, the others from the prior."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np

from teethscape.dental.fdi import Jaw
from teethscape.parametric.prior import load_prior
from teethscape.parametric.rotation import FloatArray

#: Milk teeth of a quadrant from the midline outwards.
MILK = "ABCDE"
_FILE = Path(__file__).parent / "data" / "crown_sizes.json"


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, list[float]]]:
    return json.loads(_FILE.read_text(encoding="utf-8"))


def crown_size(jaw: Jaw, tooth: str) -> FloatArray:
    """(3,) mesiodistal width, buccolingual depth and height of a mean crown, mm.

    Args:
        jaw: upper or lower.
        tooth: ``A``-``E`` for milk teeth, ``1``-``8`` for permanent teeth.

    Example:
        ``crown_size(Jaw.LOWER, "E")[0]`` is 9.9, that of ``"5"`` about 7.3.
    """
    if tooth in MILK or tooth == "8":
        return np.array(_table()[str(jaw)][tooth])
    shape = load_prior().shape((10 if jaw is Jaw.UPPER else 40) + int(tooth))
    return np.ptp(shape.mean[~shape.cap], axis=0)
