"""Equations of the grid: what weighs normals and borders must not depend on their own noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.surface.grid.borders import border_rows
from teethscape.surface.grid.looks import prepared
from teethscape.surface.grid.rows import compared, normal_rows, seen_points
from teethscape.surface.grid.stereo import Sight
from teethscape.surface.hull import mask_distances
from teethscape.surface.start import footprint, hull_box, hull_field

from .scene import SCALE, arch_mesh, views_of


@pytest.fixture(scope="module")
def views():
    return views_of(*arch_mesh(), size=96)


@pytest.fixture(scope="module")
def field(views):
    return hull_field(views, SCALE, hull_box(views, SCALE), 2 * footprint(views, SCALE))


def test_a_normal_weighs_no_more_because_noise_has_turned_it_to_the_camera(views, field):
    rng = np.random.default_rng(0)
    off = 0.2 * rng.standard_normal(views.normals.shape)
    noisy = views.normals + off * (np.abs(views.normals).sum(axis=-1, keepdims=True) > 0)
    noisy /= np.maximum(np.linalg.norm(noisy, axis=-1, keepdims=True), 1e-6)
    look = prepared(replace(views, normals=noisy.astype(np.float32)), 0, SCALE)
    seen, _ = seen_points(look, field.surface())
    weight = np.linalg.norm(
        normal_rows(look, compared(look, field, seen), 0.35).wanted.reshape(-1, 3), axis=1
    )
    away = look.camera.centre - seen.points
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    true, given = (n[0].reshape(-1, 3)[seen.pixel] for n in (views.normals, noisy))
    facing = (true * away).sum(axis=1)
    grazing = (facing > 0.05) & (facing < 0.6)
    turned = (given * away).sum(axis=1) - facing
    assert grazing.sum() > 50
    assert np.corrcoef(turned[grazing], weight[grazing])[0, 1] < 0.35


def test_a_ray_deep_inside_weighs_less_than_one_at_the_border(views, field):
    masks = views.foreground.copy()
    row, column = np.unravel_index(mask_distances(masks[0]).argmin(), masks[0].shape)
    masks[0, row, column] = 0
    look = prepared(replace(views, foreground=masks), 0, SCALE)
    _, depth = seen_points(look, field.surface())
    rows = border_rows(Sight(look, depth), field, 1.0, 0.1)
    weight = rows.weights.sum(axis=1)
    assert weight.min() < 0.5 * weight.max()


def test_pixels_beside_a_border_that_wanders_pull_little_and_those_beyond_it_as_before(views, field):
    grown = replace(field, values=field.values - np.float32(3 * footprint(views, SCALE)))
    look = prepared(views, 0, SCALE)
    _, depth = seen_points(look, grown.surface())
    sure, unsure = (border_rows(Sight(replace(look, wander=px), depth), grown, 1.0, 0.1) for px in (0.0, 0.5))
    edge = look.edge[(look.edge > 0) & (look.edge < 3) & np.isfinite(depth)]
    share = unsure.weights.sum(axis=1) / sure.weights.sum(axis=1)
    assert len(share) == len(edge)
    assert share[edge < 1.1].max() < 0.2
    np.testing.assert_allclose(share[edge > 2.2], 1.0)


def test_a_pixel_without_a_normal_demands_none_and_its_neighbours_tell_no_slope(views, field):
    missing = mask_distances(views.foreground[0]) > -2.0
    normals = views.normals.copy()
    normals[0][missing] = 0
    look = prepared(replace(views, normals=normals), 0, SCALE)
    seen, depth = seen_points(look, field.surface())
    assert (look.mask & missing & np.isfinite(depth)).sum() > 100
    assert not missing.ravel()[seen.pixel].any()
    assert not (look.steady & (mask_distances(views.foreground[0]) > -2.9)).any()


def test_the_noise_of_normals_is_measured(views):
    rng = np.random.default_rng(0)
    noisy = views.normals + 0.12 * rng.standard_normal(views.normals.shape) * views.foreground[..., None]
    spoilt = replace(views, normals=noisy.astype(np.float32))
    assert prepared(views, 0, SCALE).noise < 0.06
    assert 0.07 < prepared(spoilt, 0, SCALE).noise < 0.2
