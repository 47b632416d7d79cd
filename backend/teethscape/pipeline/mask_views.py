"""Which view each photo shows, told from the FDI numbers in its mask."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from teethscape.dental import fdi
from teethscape.dental.fdi import Jaw
from teethscape.dental.views import View

#: Share of the tooth area above which a photo shows one jaw alone.
_ONE_JAW = 0.9
#: Share of the tooth area of a bite photo above which it shows one side.
_ONE_SIDE = 0.65


def view_of(mask: NDArray[np.int32]) -> View | None:
    """The view that an FDI mask shows, or None when it marks no tooth."""
    values, counts = np.unique(mask[mask > 0], return_counts=True)
    total = counts.sum()
    if total == 0:
        return None
    upper = (
        sum(int(n) for v, n in zip(values, counts, strict=True) if fdi.jaw_of(int(v)) is Jaw.UPPER) / total
    )
    left = sum(int(n) for v, n in zip(values, counts, strict=True) if fdi.is_left(int(v))) / total
    if upper > _ONE_JAW:
        return View.MAXILLARY_OCCLUSAL
    if upper < 1 - _ONE_JAW:
        return View.MANDIBULAR_OCCLUSAL
    if left > _ONE_SIDE:
        return View.LEFT_BUCCAL
    return View.RIGHT_BUCCAL if left < 1 - _ONE_SIDE else View.ANTERIOR


def true_order(masks: Mapping[View, NDArray[np.int32]]) -> dict[View, View]:
    """Given slot -> true view, when the masks tell a consistent order; else as given."""
    found = {slot: view_of(mask) for slot, mask in masks.items()}
    views = [view for view in found.values() if view is not None]
    if set(views) != set(masks) or len(views) != len(masks):
        return {slot: slot for slot in masks}
    return {slot: view for slot, view in found.items() if view is not None}
