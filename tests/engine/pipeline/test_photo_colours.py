"""Colours of crowns from photos whose colours are known."""

from __future__ import annotations

import numpy as np
import pytest

from teethscape.dental.fdi import jaw_of
from teethscape.dental.request import MaskValues
from teethscape.dental.views import View
from teethscape.mesh.ply import read_ply
from teethscape.parametric.interface import FitInputs, PhotoGeometry
from teethscape.report import photo_colours as module
from teethscape.report.overlays import _visible
from teethscape.report.photo_colours import Picture, photo_colours

TINTS = {1: (210, 190, 150), 2: (190, 180, 150), 3: (200, 170, 120)}


@pytest.fixture(scope="module")
def result(small):
    photos = {view: PhotoGeometry(small.WIDTH, small.HEIGHT) for view in View}
    labels = {view: small.mask_of(view).astype(np.int32) for view in View}
    return small.quick_fit(FitInputs(photos, labels, MaskValues.FDI), None)


def _tint(number):
    return np.array(TINTS[number % 10 % 3 + 1])


def _painted(result, view, gain=1.0):
    """A photo in which every tooth has a colour of its own, on gum."""
    shown = {number: tooth for number, tooth in result.teeth.items() if jaw_of(number) in view.jaws}
    owner, _ = _visible(shown, result.cameras[view])
    picture = np.full((*owner.shape, 3), (150, 60, 60), np.float64)
    for number in shown:
        picture[owner == number] = _tint(number) * gain
    return Picture(np.clip(np.rint(picture), 0, 255).astype(np.uint8), np.maximum(owner, 0).astype(np.uint8))


def _seen(result, number):
    tooth = result.teeth[number]
    return ~tooth.inferred & ~tooth.cap


def test_every_tooth_gets_its_own_colour_back(result, monkeypatch):
    monkeypatch.setattr(module, "_SHADOW", 0.0)
    photos = {view: _painted(result, view) for view in result.cameras}
    found = photo_colours(photos, result.cameras, result.teeth)
    for number, colours in found.items():
        if _seen(result, number).any():
            error = np.abs(colours[_seen(result, number)] - _tint(number)).max(axis=1)
            assert np.median(error) <= 12, number  # photos are brought to one mean of different teeth


def test_a_dark_photo_is_lightened_to_the_others(result, monkeypatch):
    monkeypatch.setattr(module, "_SHADOW", 0.0)
    views = [View.ANTERIOR, View.MAXILLARY_OCCLUSAL]
    cameras = {view: result.cameras[view] for view in views}
    even = photo_colours({view: _painted(result, view) for view in views}, cameras, result.teeth)
    dark = {View.ANTERIOR: _painted(result, View.ANTERIOR)}
    dark[View.MAXILLARY_OCCLUSAL] = _painted(result, View.MAXILLARY_OCCLUSAL, 0.7)
    mixed = photo_colours(dark, cameras, result.teeth)
    change = mixed[11].astype(float).mean(axis=0) / even[11].astype(float).mean(axis=0)
    assert np.allclose(change, 0.7**0.5, atol=0.05)  # half-way between both photos, everywhere
    spread = (mixed[11].astype(float) / even[11].astype(float)).std(axis=0)
    assert spread.max() < 0.03


def test_shadow_is_taken_away_by_half(result):
    photos = {View.MAXILLARY_OCCLUSAL: _painted(result, View.MAXILLARY_OCCLUSAL)}
    cameras = {View.MAXILLARY_OCCLUSAL: result.cameras[View.MAXILLARY_OCCLUSAL]}
    owner, _ = _visible({n: t for n, t in result.teeth.items() if n < 30}, cameras[View.MAXILLARY_OCCLUSAL])
    before = photo_colours(photos, cameras, result.teeth)
    photos[View.MAXILLARY_OCCLUSAL].pixels[owner == 13] //= 2
    after = photo_colours(photos, cameras, result.teeth)
    change = {n: after[n].astype(float).mean() / before[n].astype(float).mean() for n in (11, 13)}
    assert change[13] / change[11] == pytest.approx(0.5**0.5, abs=0.04)


def test_gum_below_a_tooth_is_no_colour_of_it(result):
    photo = _painted(result, View.ANTERIOR)
    cameras = {View.ANTERIOR: result.cameras[View.ANTERIOR]}
    wanted = photo_colours({View.ANTERIOR: photo}, cameras, result.teeth)[11]
    rows, _ = np.nonzero(photo.teeth == 11)
    half = np.arange(photo.teeth.shape[0])[:, None] < rows.mean()
    gum = (photo.teeth == 11) & half
    photo.pixels[gum], photo.teeth[gum] = (150, 60, 60), 0
    found = photo_colours({View.ANTERIOR: photo}, cameras, result.teeth)[11]
    assert np.abs(found.astype(int) - wanted).max() < 12


def test_without_photos_teeth_are_ivory(result):
    found = photo_colours({}, {}, result.teeth)
    assert (found[11] == np.array(module._IVORY).astype(np.uint8)).all()


def test_meshes_carry_the_colours(result, tmp_path):
    from teethscape.dental.case import CaseFolder
    from teethscape.pipeline.mesh_stage import coloured, write_meshes

    photos = {view: _painted(result, view) for view in result.cameras}
    solids = coloured(result, photos, {view: photo.teeth for view, photo in photos.items()})
    case = CaseFolder(tmp_path)
    write_meshes(case, result, solids)
    _, extra = read_ply(case.tooth_mesh(11))
    assert np.array_equal(np.stack([extra[c] for c in ("red", "green", "blue")], 1), solids[11].colours)
    assert {"sigma_mm", "inferred", "cap"} <= set(extra)
