"""The shipped network on real photos in the wrong slots, and on a picture without teeth."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from teethscape.dental.fdi import Jaws
from teethscape.dental.photos import read_photo_folder
from teethscape.dental.request import ReconstructRequest
from teethscape.dental.views import View
from teethscape.errors import BadInputError
from teethscape.pipeline.view_order import order_photos
from teethscape.progress import NoProgress


def _landscape(width: int = 1080, height: int = 720) -> np.ndarray:
    """A sky over three ranges of hills."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:height, :width]
    share = (y / height)[..., None]
    image = (1 - share) * [90, 150, 230] + share * [220, 235, 250]
    for k, (level, tone) in enumerate(
        ((0.45, (110, 130, 150)), (0.55, (80, 110, 80)), (0.68, (60, 100, 40)))
    ):
        ridge = level * height - 60 * np.sin(x / (150 + 40 * k) + k) - 25 * np.sin(x / (47 + 9 * k))
        image = np.where((y > ridge)[..., None], tone, image)
    return np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)


def _copy(shared, folder, names: dict[int, int], turned: tuple[int, ...] = ()):
    """Photos of case-c as files ``key.png`` showing view ``value``."""
    for slot, view in names.items():
        image = Image.open(shared / "cases" / "case-c" / "photos" / f"{view}.jpg")
        (image.rotate(180) if view in turned else image).save(folder / f"{slot}.png", compress_level=1)
    return folder


def _ordered(folder):
    photos = read_photo_folder(folder, Jaws.BOTH)
    return order_photos(ReconstructRequest(folder, folder / "case"), photos, NoProgress())


def test_landscape_among_real_photos_is_refused(shared, tmp_path):
    _copy(shared, tmp_path, {0: 0, 1: 1, 3: 3, 4: 4})
    Image.fromarray(_landscape()).save(tmp_path / "2.png", compress_level=1)
    with pytest.raises(BadInputError, match=r"2\.png") as caught:
        _ordered(tmp_path)
    assert caught.value.code == "not_teeth"


def test_real_photos_in_any_order_find_their_views(shared, tmp_path):
    _copy(shared, tmp_path, {0: 4, 1: 2, 2: 1, 3: 3, 4: 0}, turned=(3,))
    ordered = _ordered(tmp_path)
    assert [ordered[view].source.stem for view in View] == ["4", "2", "1", "3", "0"]
    assert ordered[View.MAXILLARY_OCCLUSAL].quarter_turns == 2
    assert ordered[View.MANDIBULAR_OCCLUSAL].quarter_turns == 0
