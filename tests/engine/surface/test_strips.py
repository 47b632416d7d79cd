"""Strips that are others than they seem."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from PIL import Image

from teethscape.errors import BadInputError
from teethscape.surface.read.montage import COUNT, MontageOptions, read_montage_views


def _tiles(strip):
    with Image.open(strip) as image:
        pixels = np.asarray(image)
    side = pixels.shape[0]
    return pixels.reshape(side, -1, side, 4).transpose(1, 0, 2, 3)


def test_a_strip_of_sixteen_colour_views_is_told_how_to_be_read(strip, tmp_path):
    colours = _tiles(strip)[:COUNT]
    path = tmp_path / "old_lower.png"
    Image.fromarray(np.concatenate([*np.rot90(colours, axes=(1, 2)), *colours], axis=1)).save(path)
    with pytest.raises(BadInputError) as refused:
        read_montage_views(path, MontageOptions())
    assert refused.value.code == "montage_form"
    assert "--no-normals" in refused.value.advice
    assert len(read_montage_views(path, MontageOptions(normals=False))) == COUNT


def test_a_palette_with_opacity_is_read_without_complaint(strip, tmp_path):
    path = tmp_path / "palette_lower.png"
    with Image.open(strip) as image:
        image.quantize(200).save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        views = read_montage_views(path, MontageOptions())
    assert views.has_masks
