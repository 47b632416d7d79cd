"""What the worker answers to Blender's Image Editor: masks on a case's photos, kept for a refit."""

from __future__ import annotations

import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from teethscape import protocol
from teethscape.dataset.synthetic_photo import draw_photo
from teethscape.dental.case import CaseFolder
from teethscape.dental.masks import FIRST_UNNAMED, read_masks
from teethscape.dental.photos import Photo, read_photo, turn
from teethscape.dental.request import MaskValues
from teethscape.dental.views import View
from teethscape.errors import BadInputError, UsageError
from teethscape.parametric.prior import load_prior
from teethscape.pipeline.click_case import CaseClick, CaseClicker
from teethscape.pipeline.corrected_masks import proposed_tooth
from teethscape.pipeline.photo_stage import save_photos
from teethscape.pipeline.segment_stage import Labels, save_labels
from teethscape.progress import NoProgress
from teethscape.worker_job import JobProgress, perform


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A case whose anterior photo was taken turned by a quarter and mirrored, and its true labels."""
    place = tmp_path_factory.mktemp("case")
    drawn = draw_photo(load_prior(), View.ANTERIOR, np.random.default_rng(4_321))
    source = place / "source.png"
    # ``turn`` flips after turning; the file is what the camera gave before both.
    Image.fromarray(turn(drawn.pixels[:, ::-1], -1, False)).save(source)
    photo = read_photo(source).turned(1, True)
    assert np.array_equal(photo.pixels, drawn.pixels)
    other = Photo(View.LEFT_BUCCAL, drawn.pixels[:, ::-1].copy(), None, source, (), photo.size, "x")
    case = CaseFolder(place / "case")
    save_photos(case, {View.ANTERIOR: photo, View.LEFT_BUCCAL: other})
    case.mask(View.ANTERIOR).parent.mkdir()
    without = np.where(drawn.labels == 11, 0, drawn.labels).astype(np.uint8)
    Image.fromarray(without).save(case.mask(View.ANTERIOR))
    Image.fromarray(drawn.labels[:, ::-1]).save(case.mask(View.LEFT_BUCCAL))
    return case, drawn.labels, source


@pytest.fixture(scope="module")
def clicker():
    return CaseClicker()


def _request(case, action, points=(), **more):
    return {"output": str(case.root), "view": 0, "action": action, "points": list(points), **more}


def _answer(clicker, *arguments, **more):
    return clicker.answer(CaseClick.from_json(_request(*arguments, **more)), NoProgress())


def _middle(mask):
    inside = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    return [int(column), int(row), True]


def test_preparing_shows_what_is_there(clicker, world):
    case, labels, _ = world
    found = _answer(clicker, case, "prepare")
    assert (found["width"], found["height"]) == labels.shape[::-1]
    assert set(map(int, found["teeth"])) == set(np.unique(labels)) - {0, 11}
    assert "mask" not in found


def test_a_click_draws_proposes_and_is_quick(clicker, world):
    case, labels, _ = world
    start = time.process_time()
    found = _answer(clicker, case, "click", [_middle(labels == 11)])
    assert time.process_time() - start < 0.6  # with decoding the photo, on a busy machine
    assert found["tooth"] == 11  # it fills the gap between 12 and 21
    mask = np.zeros(labels.shape, np.uint8)
    cv2.fillPoly(mask, [np.array(found["mask"][0])], 1)
    truth = labels == 11
    assert ((mask > 0) & truth).sum() / ((mask > 0) | truth).sum() > 0.75
    assert _answer(clicker, case, "click", [_middle(labels == 21)])["tooth"] == 21


def test_an_accepted_mask_goes_back_onto_the_photos_own_file(clicker, world):
    case, labels, source = world
    found = _answer(clicker, case, "accept", [_middle(labels == 11)])
    assert found["tooth"] == 11
    folder = case.root / "masks" / "corrected"
    assert sorted(path.name for path in folder.iterdir()) == ["0.png", "1.png"]
    given = read_photo(source).turned(1, True)  # as a slot gives it to the refit
    masks, _ = read_masks(folder, {View.ANTERIOR: given}, MaskValues.FDI)
    mask, truth = masks[View.ANTERIOR] == 11, labels == 11
    assert (mask & truth).sum() / (mask | truth).sum() > 0.75
    assert np.array_equal(masks[View.ANTERIOR] == 22, labels == 22)
    again = _answer(clicker, case, "prepare")
    assert "11" in again["teeth"]
    moved = _answer(clicker, case, "accept", [_middle(labels == 11)], tooth=12)
    assert set(moved["teeth"]) >= {"12"}
    assert "11" not in moved["teeth"]  # its pixels are 12 now


def test_numbers_must_be_teeth(clicker, world):
    case, labels, _ = world
    with pytest.raises(UsageError, match="FDI digits"):
        _answer(clicker, case, "accept", [_middle(labels == 21)], tooth=99)
    empty = np.zeros((9, 9), np.int32)
    assert proposed_tooth(empty, empty > 0) == 0
    assert proposed_tooth(empty, np.ones((9, 9), bool)) == 0


@pytest.fixture
def refused(tmp_path):
    """A case whose teeth were found and not numbered, the left buccal photo turned, and the true labels."""
    drawn = draw_photo(load_prior(), View.ANTERIOR, np.random.default_rng(4_321))
    photo = Photo(View.ANTERIOR, drawn.pixels, None, tmp_path / "0.png", (), drawn.labels.shape[::-1], "a")
    other = replace(photo, view=View.LEFT_BUCCAL, pixels=drawn.pixels[:, ::-1].copy(), sha256="b")
    case = CaseFolder(tmp_path / "case")
    save_photos(case, {View.ANTERIOR: photo, View.LEFT_BUCCAL: other})
    ids = np.searchsorted(np.unique(drawn.labels), drawn.labels).astype(np.int32)
    images = {View.ANTERIOR: ids, View.LEFT_BUCCAL: ids[:, ::-1]}
    save_labels(case, Labels(images, MaskValues.INSTANCES, source="network"))
    return case, drawn.labels


def test_teeth_that_could_not_be_numbered_are_picked_up_and_named(clicker, refused):
    case, labels = refused
    shown = _answer(clicker, case, "prepare")
    assert (shown["teeth"], len(shown["unnamed"])) == ({}, len(np.unique(labels)) - 1)
    point = _middle(labels == 11)
    drawn = _answer(clicker, case, "click", [point])
    mask = np.zeros(labels.shape, np.uint8)
    cv2.fillPoly(mask, [np.array(drawn["mask"][0])], 1)
    assert drawn["tooth"] == 0  # nobody knows: it must be typed
    assert ((mask > 0) ^ (labels == 11)).sum() < 0.03 * (labels == 11).sum()
    kept = _answer(clicker, case, "accept", [point], tooth=11)
    assert (set(kept["teeth"]), len(kept["unnamed"])) == ({"11"}, len(shown["unnamed"]) - 1)
    folder = case.root / "masks" / "corrected"
    assert [path.name for path in folder.iterdir()] == ["0.png"]  # the other's teeth are found again
    given = {View.ANTERIOR: Photo(View.ANTERIOR, np.zeros((*labels.shape, 3), np.uint8), None, case.root, (),
                                  labels.shape[::-1], "a")}  # fmt: skip
    masks, _ = read_masks(folder, given, MaskValues.NAMED)
    assert np.array_equal(masks[View.ANTERIOR] == 11, labels == 11)
    assert np.array_equal(masks[View.ANTERIOR] > 0, labels > 0)
    assert masks[View.ANTERIOR][labels == 21].min() >= FIRST_UNNAMED


def test_more_clicks_on_a_tooth_without_a_number_are_drawn_by_the_engine(clicker, refused):
    case, labels = refused
    points = [_middle(labels == 11), _middle(labels == 21)]
    one, two = (_answer(clicker, case, "click", points[:k]) for k in (1, 2))
    area = [sum(cv2.contourArea(np.array(p)) for p in found["mask"]) for found in (one, two)]
    assert area[1] > 1.5 * area[0]


@pytest.mark.parametrize(
    "values",
    [{}, {"output": "x", "view": 9, "action": "click"}, {"output": "x", "view": 0, "action": "fly"},
     {"output": "x", "view": 0, "action": "click", "points": [[1]]},
     {"output": "x", "view": 0, "action": "click", "points": [[1, 2, "no"]]},
     {"output": "", "view": 0, "action": "prepare"}],
)  # fmt: skip
def test_unreadable_requests_are_refused(values):
    with pytest.raises(UsageError, match="cannot be read"):
        CaseClick.from_json(values)


def test_a_folder_without_photos_is_told(clicker, tmp_path):
    with pytest.raises(BadInputError, match="no photos"):
        _answer(clicker, CaseFolder(tmp_path), "prepare")


def test_the_worker_answers_with_a_result(world):
    case, labels, _ = world
    sent = []
    run = protocol.Run("j1", _request(case, "click", [_middle(labels == 21)]), protocol.Command.CLICK)
    import threading

    end = perform(run, JobProgress("j1", sent.append, threading.Event()))
    assert isinstance(end, protocol.Result), end
    assert end.summary["tooth"] == 21
    assert len(protocol.encode(end)) < 100_000
    assert [m.name for m in sent if isinstance(m, protocol.Stage)] == ["prepare", "click"]
