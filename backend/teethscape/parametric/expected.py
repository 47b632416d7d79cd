"""What a fitted arch looks like in a photo."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.views import View
from teethscape.parametric.arch import Arch, present_indices
from teethscape.parametric.camera import Camera
from teethscape.parametric.gums import with_gums
from teethscape.parametric.raster import render_ids
from teethscape.parametric.rims import build_soup, tooth_map, visible_teeth

IntImage = NDArray[np.int32]


def expected_teeth(arch: Arch, present: frozenset[int], view: View, camera: Camera) -> IntImage:
    """(h, w) FDI number of the model's tooth at every pixel of a photo, 0 none.

    Args:
        arch: the teeth.
        present: FDI numbers of those that exist.
        view: which photo.
        camera: its camera; its size is that of the result.
    """
    prior = arch.prior
    teeth = visible_teeth(prior, present_indices(prior, set(present)), view)
    soup = build_soup(arch, teeth, view)
    if not view.is_occlusal:
        soup = with_gums(soup, arch, teeth, view)
    seen = tooth_map(prior, render_ids(soup, camera))
    return np.where(seen < 0, 0, np.array(prior.fdi)[seen]).astype(np.int32)
