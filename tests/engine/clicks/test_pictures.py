"""TeethDreamer's masked pictures and strips: their size, and how SAM is asked for them."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from teethscape.dental.photos import read_photo
from teethscape.dental.views import View
from teethscape.errors import BadInputError
from teethscape.pipeline import click_folder, montage
from teethscape.pipeline.segment_output import SegmentedPhoto, write_teethdreamer
from teethscape.progress import NoProgress
from teethscape.segmentation.clicks.interface import ClickEngineName
from teethscape.segmentation.clicks.pictures import Background


def test_pictures_of_a_large_photo_have_its_own_size(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 255, (1500, 2000, 3), np.uint8)
    pixels = cv2.GaussianBlur(pixels, (0, 0), 3)
    for view in View:
        Image.fromarray(np.rot90(pixels, int(view))).save(tmp_path / f"{view.value}.png")
    found = []
    for view in View:
        photo = replace(read_photo(tmp_path / f"{view.value}.png"), view=view).turned(-int(view), False)
        assert max(photo.size) < 2000
        mask = np.zeros(photo.pixels.shape[:2], np.uint8)
        mask[300:700, 200:500], mask[300:700, 700:1000] = 11, 31
        found.append(SegmentedPhoto(view, photo, mask))
    written = write_teethdreamer(tmp_path / "out", "p", found, Background.BLACK)
    assert written == sorted(f"p_{jaw}/{k:03d}.png" for jaw in ("lower", "upper") for k in range(4))
    for name in written:
        picture = np.asarray(Image.open(tmp_path / "out" / name))
        assert picture.shape == (2000, 2000, 3)
        middle = slice(600, 900), slice(300, 650) if "upper" in name else slice(1000, 1350)
        assert np.array_equal(picture[250:1750][middle], pixels[middle])


@pytest.mark.parametrize("pictures", [None, Background.BLACK])
def test_published_pictures_and_strips_are_asked_for_as_the_published_tools_do(
    tmp_path, monkeypatch, pictures
):
    asked = []

    def engine(name, published=False, weights=None):
        asked.append(published)
        raise BadInputError("stop", "far enough", "")

    monkeypatch.setattr(click_folder, "make_engine", engine)
    monkeypatch.setattr(montage, "make_engine", engine)
    photo = SimpleNamespace(source=tmp_path / "in" / "0.png")
    monkeypatch.setattr(click_folder, "read_photo_folder", lambda *_: {View.ANTERIOR: photo})
    points = tmp_path / "points.json"
    points.write_text(json.dumps({"format": "teethscape-points", "version": 1, "photos": []}))
    request = click_folder.ClickRequest(tmp_path / "in", tmp_path / "out", points, pictures=pictures)
    with pytest.raises(BadInputError, match="far enough"):
        click_folder.click_folder(request, NoProgress())
    strip = tmp_path / "strip.png"
    Image.fromarray(np.full((64, 128, 3), 250, np.uint8)).save(strip)
    with pytest.raises(BadInputError, match="far enough"):
        montage.foreground_by_clicks(strip, tmp_path / "o.png", points, ClickEngineName.SAM, NoProgress())
    assert asked == [pictures is not None, True]
