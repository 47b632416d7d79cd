"""``teethscape segment`` writes masks that lie on the photos as they were given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from teethscape.dental.photos import Photo
from teethscape.dental.views import View
from teethscape.pipeline.segment_output import as_given


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_mask_is_turned_back_and_enlarged(turns, mirrored):
    original = np.zeros((60, 80), np.uint8)
    original[5:20, 50:75] = 11
    original[30:50, 4:30] = 21
    working = original[::2, ::2]
    photo = Photo(View.ANTERIOR, np.repeat(working[..., None], 3, 2), None, Path("0.jpg"), (), (80, 60))
    photo = photo.turned(turns, mirrored)
    back = as_given(photo.pixels[..., 0], photo)
    assert back.shape == original.shape
    assert (back != original).mean() < 0.03
