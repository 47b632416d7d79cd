"""Bite photos placed by what they show: cameras and labels that are one tooth off, and lost teeth."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from teethscape.dental.views import View
from teethscape.parametric.camera import Camera
from teethscape.parametric.camera_search import Model, nearest_camera
from teethscape.parametric.expected import expected_teeth
from teethscape.parametric.fit import Evidence, Fit, problem_of
from teethscape.parametric.overlooked import Scene, overlooked, unseen
from teethscape.parametric.resighting import complete, resighted
from teethscape.parametric.result import Numbered
from teethscape.parametric.rounds import Agreement, Photos
from teethscape.parametric.solver import FitState
from teethscape.parametric.start_cameras import nominal_rotations, view_rotation
from teethscape.segmentation.redraw import ToothMaps, outline

from .scenes import SIZE

YAW = {View.ANTERIOR: 4.0, View.LEFT_BUCCAL: 36.0, View.RIGHT_BUCCAL: -45.0}


def sight_of(labels):
    """What a network without faults sees of labels."""
    edge = cv2.dilate(outline(labels).astype(np.uint8), np.ones((3, 3), np.uint8))
    depth = np.zeros(labels.shape, np.float32)
    for fdi in np.unique(labels[labels > 0]):
        own = cv2.distanceTransform((labels == fdi).astype(np.uint8), cv2.DIST_L2, 5)
        depth = np.maximum(depth, own / max(own.max(), 1))
    tooth = np.where(labels > 0, 250, 3).astype(np.uint8)
    return ToothMaps(tooth, edge * 240, (depth * 255).astype(np.uint8))


@pytest.fixture(scope="module")
def scene(patient):
    """Teeth, cameras where such photos are taken from, labels and what a network sees of them."""
    arch, cameras, _ = patient
    turn = {v: view_rotation(YAW[v], 5.0) if v in YAW else nominal_rotations(v)[2] for v in View}
    cameras = {v: replace(camera, rotation=turn[v]) for v, camera in cameras.items()}
    present = frozenset(arch.prior.fdi)
    labels = {v: expected_teeth(arch, present, v, camera) for v, camera in cameras.items()}
    return arch, cameras, labels, {v: sight_of(image) for v, image in labels.items()}


def aside(camera: Camera, mm: float) -> Camera:
    """The camera elsewhere along the row, turned a little."""
    return camera.moved(np.array([0.03, -0.04, 0.02, mm, 0.5, 2.0, 0, 0, 0]))


@pytest.mark.parametrize("view", [View.ANTERIOR, View.RIGHT_BUCCAL])
def test_a_camera_that_is_a_tooth_off_finds_its_place(scene, view):
    arch, cameras, labels, sight = scene
    model, off = Model(arch, frozenset(arch.prior.fdi)), aside(cameras[view], 7.0)
    before = Agreement.of(model.seen(view, off, sight[view]), view, sight[view]).mean
    steps = []
    photos = Photos(sight, dict.fromkeys(sight), lambda: steps.append(1))
    found = nearest_camera(model, view, off, photos)
    seen = model.seen(view, found, sight[view])
    assert len(steps) >= 10  # a cancel is heard meanwhile
    assert before < 0.7
    assert Agreement.of(seen, view, sight[view]).mean > 0.93  # crowns of few faces were looked at
    assert (seen == labels[view])[labels[view] > 0].mean() > 0.95


def round_of(scene, labels, cameras, present=None):
    """A finished fit of labels, at the true teeth and given cameras, and its photos."""
    arch, _, truth, sight = scene
    present = present or frozenset(arch.prior.fdi)
    evidence = Evidence(labels, present, dict.fromkeys(labels))
    fit = Fit(
        problem_of(arch.prior, evidence, SIZE[0]), FitState(arch.state, tuple(cameras[v] for v in labels))
    )
    numbering = {v: {int(n): int(n) for n in np.unique(image) if n} for v, image in labels.items()}
    photos = Photos(sight, dict.fromkeys(truth), lambda: None)
    return photos.look(fit, Numbered(labels, present, numbering, {}, ())), photos


def right(found, labels):
    """Share of tooth pixels of all photos that carry their number."""
    pairs = [(found.expected[v][image > 0], image[image > 0]) for v, image in labels.items()]
    return np.mean(np.concatenate([a == b for a, b in pairs]))


@pytest.mark.slow
def test_numbers_of_bite_photos_that_are_one_off_do_no_harm(scene):
    _, cameras, labels, _ = scene
    table = np.arange(60)
    table[31:37] = np.arange(32, 38)
    wrong = {v: image if v.is_occlusal else table[image].astype(np.int32) for v, image in labels.items()}
    off = {v: camera if v.is_occlusal else aside(camera, 6.0) for v, camera in cameras.items()}
    start, photos = round_of(scene, wrong, off)
    found = resighted(start, photos)
    assert right(start, labels) < 0.8
    assert right(found, labels) > 0.93
    assert min(Agreement.of(e, v, photos.sight[v]).mean for v, e in found.expected.items()) > 0.9


@pytest.mark.slow
def test_all_teeth_are_fitted_where_the_numbering_lost_one_and_gaps_stay_gaps(scene):
    arch, cameras, labels, _ = scene
    gap = {v: np.where(np.isin(image, (25, 17)), 0, image).astype(np.int32) for v, image in labels.items()}
    scene = arch, cameras, labels, {v: sight_of(image) for v, image in gap.items()}
    less = {v: np.where(image == 44, 0, image).astype(np.int32) for v, image in gap.items()}
    start, photos = round_of(scene, less, cameras, frozenset(arch.prior.fdi) - {17, 25, 44})
    found = complete(start, photos, arch.prior, frozenset({17}))
    assert found.numbered.present == frozenset(arch.prior.fdi) - {25, 17}
    assert right(found, gap) > 0.93


def looked(scene, hidden_in, fdi):
    """A fitted arch without a tooth, and photos of which some have lost it."""
    arch, cameras, labels, _ = scene
    present = frozenset(arch.prior.fdi) - {fdi}
    sight = {
        v: sight_of(np.where(image == fdi, 0, image).astype(np.int32) if v in hidden_in else image)
        for v, image in labels.items()
    }
    expected = {v: expected_teeth(arch, present, v, camera) for v, camera in cameras.items()}
    return Scene(arch, present, cameras, sight, expected)


def test_a_tooth_that_one_photo_shows_is_found_though_another_lost_it(scene):
    assert overlooked(looked(scene, {View.MAXILLARY_OCCLUSAL}, 25), frozenset()) == {25}
    assert overlooked(looked(scene, set(View), 25), frozenset()) == frozenset()


def test_a_second_molar_is_found_behind_the_first_and_a_third_that_stands_apart_is_none(scene):
    assert overlooked(looked(scene, set(), 37), frozenset()) == {37}
    assert overlooked(looked(scene, set(), 37), frozenset({37})) == frozenset()
    assert overlooked(looked(scene, set(View), 37), frozenset()) == frozenset()
    arch, cameras, _, _ = scene
    behind = replace(arch, state=replace(arch.state, translation=arch.state.translation.copy()))
    behind.state.translation[arch.prior.fdi.index(37), 0] -= 9.0  # a tooth's width distally
    full = frozenset(arch.prior.fdi)
    labels = {v: expected_teeth(behind, full, v, camera) for v, camera in cameras.items()}
    assert overlooked(looked((arch, cameras, labels, None), set(), 37), frozenset()) == frozenset()


def test_a_tooth_of_the_model_counts_as_unseen_where_no_photo_shows_it(scene):
    for hidden, gone in (({View.MAXILLARY_OCCLUSAL}, set()), (set(View), {25})):
        without = looked(scene, hidden, 25)
        present = without.present | {25}
        expected = {
            v: expected_teeth(without.arch, present, v, camera) for v, camera in without.cameras.items()
        }
        whole = replace(without, present=present, expected=expected)
        assert unseen(whole, frozenset({25, 26})) == gone
