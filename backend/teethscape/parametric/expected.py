"""What a fitted arch looks like in a photo."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.views import View
from teethscape.parametric.arch import Arch, present_indices
from teethscape.parametric.camera import Camera
from teethscape.parametric.gums import with_gums
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.raster import TriangleSoup, render_ids
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
    soup = soup_of(arch, present, view, build_soup)
    return numbers_of(tooth_map(arch.prior, render_ids(soup, camera)), arch.prior)


def soup_of(
    arch: Arch, present: frozenset[int], view: View, build: Callable[[Arch, list[int], View], TriangleSoup]
) -> TriangleSoup:
    """The teeth of a view as one mesh that ``build`` makes of them, with the gums that hide some of them."""
    teeth = visible_teeth(arch.prior, present_indices(arch.prior, set(present)), view)
    soup = build(arch, teeth, view)
    return soup if view.is_occlusal else with_gums(soup, arch, teeth, view)


def numbers_of(owner: NDArray[np.int32], prior: ToothPrior) -> IntImage:
    """(h, w) FDI numbers, 0 none, of indices of teeth, -1 none."""
    return np.where(owner < 0, 0, np.array(prior.fdi)[owner]).astype(np.int32)
