"""Overlays draw what is visible where it is visible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from teethscape.dental.request import MaskValues
from teethscape.dental.views import View
from teethscape.parametric.interface import FitInputs, PhotoGeometry
from teethscape.pipeline.evidence import cut_by_jaws
from teethscape.pipeline.fit_checkpoint import load_fit, save_fit
from teethscape.pipeline.mask_views import true_order, view_of
from teethscape.report.overlays import colour, draw_overlay


def _result(small):
    views = list(View)
    photos = {view: PhotoGeometry(small.WIDTH, small.HEIGHT) for view in views}
    labels = {view: small.mask_of(view).astype(np.int32) for view in views}
    return small.quick_fit(FitInputs(photos, labels, MaskValues.FDI), None)


def test_outline_lies_on_the_projected_silhouette(small):
    result = _result(small)
    tooth, camera = result.teeth[11], result.cameras[View.ANTERIOR]
    grey = np.full((small.HEIGHT, small.WIDTH, 3), 90, np.uint8)
    drawn = draw_overlay(grey, View.ANTERIOR, camera, {11: tooth})
    changed = np.argwhere((drawn != 90).any(axis=2))
    local = (tooth.vertices - camera.cam2world[:3, 3]) @ camera.cam2world[:3, :3]
    pixels = camera.focal_px * local[:, :2] / local[:, 2:] + camera.principal_point
    assert np.abs(changed.min(axis=0) - pixels.min(axis=0)[::-1]).max() < 3
    assert np.abs(changed.max(axis=0) - pixels.max(axis=0)[::-1]).max() < 6  # the neck cap is not outlined


def test_hidden_tooth_leaves_no_line(small):
    result = _result(small)
    front = result.teeth[11]
    grey = np.full((small.HEIGHT, small.WIDTH, 3), 90, np.uint8)
    camera = result.cameras[View.ANTERIOR]
    eye, smaller = camera.cam2world[:3, 3], front.vertices * 0.6 + front.centre * 0.4
    behind = replace(front, vertices=eye + 1.1 * (smaller - eye))
    both = draw_overlay(grey, View.ANTERIOR, camera, {11: front, 41: behind})
    assert np.array_equal(both, draw_overlay(grey, View.ANTERIOR, camera, {11: front}))


def test_occlusal_photo_shows_its_own_jaw_only(small):
    result = _result(small)
    grey = np.full((small.HEIGHT, small.WIDTH, 3), 90, np.uint8)
    upper = {f: t for f, t in result.teeth.items() if f < 30}
    camera = result.cameras[View.MAXILLARY_OCCLUSAL]
    drawn = draw_overlay(grey, View.MAXILLARY_OCCLUSAL, camera, result.teeth)
    assert np.array_equal(drawn, draw_overlay(grey, View.MAXILLARY_OCCLUSAL, camera, upper))


def test_neighbours_differ_in_colour_and_sides_match():
    for first, second in ((11, 12), (12, 13), (13, 14), (16, 17), (11, 41)):
        assert colour(first) != colour(second)
    assert colour(14) == colour(24)


def test_fit_checkpoint_is_exact(small, tmp_path):
    result = _result(small)
    save_fit(tmp_path / "fit.npz", result)
    read = load_fit(tmp_path / "fit.npz")
    assert sorted(read.teeth) == sorted(result.teeth)
    assert np.array_equal(read.teeth[11].vertices, result.teeth[11].vertices)
    assert read.teeth[11].seen_in == result.teeth[11].seen_in
    assert read.teeth[11].inferred.dtype == bool
    assert read.scale == result.scale
    assert read.numbering == result.numbering
    assert read.cameras[View.ANTERIOR].principal_point == (179.5, 134.5)
    assert np.array_equal(read.cameras[View.ANTERIOR].cam2world, result.cameras[View.ANTERIOR].cam2world)


def test_views_are_told_from_numbers(small):
    masks = {view: small.mask_of(view).astype(np.int32) for view in View}
    assert all(view_of(mask) is view for view, mask in masks.items())
    swapped = {
        **masks,
        View.LEFT_BUCCAL: masks[View.RIGHT_BUCCAL],
        View.RIGHT_BUCCAL: masks[View.LEFT_BUCCAL],
    }
    assert true_order(swapped)[View.LEFT_BUCCAL] is View.RIGHT_BUCCAL
    twice = {**masks, View.LEFT_BUCCAL: masks[View.ANTERIOR]}
    assert all(slot is view for slot, view in true_order(twice).items())


def test_jaw_masks_split_instances():
    instances = np.array([[1, 1, 2, 2, 0]], np.int32)
    jaws = np.array([[1, 2, 2, 0, 1]], np.int32)
    cut, names = cut_by_jaws(instances, jaws)
    assert cut.tolist() == [[1, 3, 4, 0, 0]]
    assert {i: jaw.value for i, jaw in names.items()} == {1: "upper", 3: "lower", 4: "lower"}
