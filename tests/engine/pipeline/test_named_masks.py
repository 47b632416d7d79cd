"""Masks of some photos with some numbers: what the network tells besides, and what is kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from teethscape.dental.case import CaseFolder
from teethscape.dental.fdi import Jaw
from teethscape.dental.masks import read_masks
from teethscape.dental.photos import Photo
from teethscape.dental.request import MaskValues, ReconstructRequest
from teethscape.dental.views import View
from teethscape.errors import BadInputError, RefusedError
from teethscape.pipeline.evidence import find_labels, labels_from_masks
from teethscape.pipeline.named_masks import with_names
from teethscape.pipeline.segment_stage import Labels, load_labels, save_labels
from teethscape.progress import NoProgress
from teethscape.segmentation.network import mean_kinds
from teethscape.segmentation.redraw import ToothMaps
from teethscape.segmentation.segmenter import Segmentation

SHAPE = (40, 80)


def teeth(*values: int) -> np.ndarray:
    """A row of square teeth."""
    labels = np.zeros(SHAPE, np.int32)
    for k, value in enumerate(values):
        labels[10:30, 5 + 14 * k : 17 + 14 * k] = value
    return labels


def photo(view: View) -> Photo:
    pixels = np.zeros((*SHAPE, 3), np.uint8)
    return Photo(view, pixels, None, Path(f"{view.value}.png"), (), (SHAPE[1], SHAPE[0]), view.slug)


def seen(view: View, labels: np.ndarray) -> Segmentation:
    grey = np.full(SHAPE, 9, np.uint8)
    jaws = {int(i): Jaw.LOWER if i > 2 else Jaw.UPPER for i in np.unique(labels) if i}
    kind = (labels % 7 == np.arange(7)[:, None, None]).astype(np.float32)  # a place for every id
    places = mean_kinds(kind, labels)
    return Segmentation(view, labels, jaws, {}, places, kind, ToothMaps(grey, grey, grey), grey > 0)


def read(folder, *views: View):
    request = ReconstructRequest(folder, folder, masks=folder, mask_values=MaskValues.NAMED, trust_views=True)
    return labels_from_masks(request, {view: photo(view) for view in views}, NoProgress())[1]


def test_masks_without_numbers_hear_the_places_that_the_network_reads_in_them():
    given = Labels({View.ANTERIOR: teeth(4, 9, 2)}, MaskValues.INSTANCES, notices=("before",))
    labels = find_labels({View.ANTERIOR: seen(View.ANTERIOR, teeth(1, 2, 3))}, given)
    assert labels.images is given.images
    assert (labels.maps, labels.source, labels.notices) == (None, "user", ("before",))
    assert labels.kind_of is not None
    assert {i: int(np.argmax(k)) for i, k in labels.kind_of[View.ANTERIOR].items()} == {4: 1, 9: 2, 2: 3}


def write(folder, view: View, labels: np.ndarray) -> None:
    Image.fromarray(labels.astype(np.uint8)).save(folder / f"{view.value}.png")


def test_numbers_hold_and_the_network_tells_the_rest(tmp_path, monkeypatch):
    write(tmp_path, View.ANTERIOR, teeth(11, 104, 105))
    given = read(tmp_path, View.ANTERIOR, View.LEFT_BUCCAL)
    assert (given.kind, set(given.images)) == (MaskValues.NAMED, {View.ANTERIOR})
    shown = {View.ANTERIOR: teeth(1, 2, 3), View.LEFT_BUCCAL: teeth(1, 3)}
    found = {view: seen(view, labels) for view, labels in shown.items()}
    labels = find_labels(found, given)
    assert list(labels.images) == [View.ANTERIOR, View.LEFT_BUCCAL]
    assert labels.named == {View.ANTERIOR: {11: 11}}
    assert labels.jaw_of is not None
    assert labels.jaw_of[View.ANTERIOR] == {11: Jaw.UPPER, 104: Jaw.UPPER, 105: Jaw.LOWER}
    assert labels.kind_of is not None  # of the user's teeth as well
    places = {view: {i: int(np.argmax(k)) for i, k in own.items()} for view, own in labels.kind_of.items()}
    assert places == {View.ANTERIOR: {11: 1, 104: 2, 105: 3}, View.LEFT_BUCCAL: {1: 1, 3: 3}}
    assert labels.maps is not None
    assert labels.maps[View.ANTERIOR].tooth.max() == 255  # where the user's masks are
    assert labels.maps[View.LEFT_BUCCAL].tooth.max() == 9
    assert (labels.kind, labels.source) == (MaskValues.INSTANCES, "network and the user's masks")
    case = CaseFolder(tmp_path / "case")
    save_labels(case, labels)
    assert load_labels(case).named == labels.named


def test_masks_in_which_every_tooth_has_a_number_are_what_they_were(tmp_path):
    write(tmp_path, View.ANTERIOR, teeth(11, 12))
    write(tmp_path, View.LEFT_BUCCAL, teeth(21, 22))
    assert read(tmp_path, View.ANTERIOR, View.LEFT_BUCCAL).kind is MaskValues.FDI
    write(tmp_path, View.LEFT_BUCCAL, teeth(21, 122))
    assert read(tmp_path, View.ANTERIOR, View.LEFT_BUCCAL).kind is MaskValues.NAMED


def test_strange_values_and_no_masks_are_refused(tmp_path):
    photos = {View.ANTERIOR: photo(View.ANTERIOR)}
    with pytest.raises(BadInputError, match="no mask"):
        read_masks(tmp_path, photos, MaskValues.NAMED)
    with pytest.raises(BadInputError, match="does not exist"):
        read_masks(tmp_path / "nowhere", photos, MaskValues.NAMED)
    write(tmp_path, View.ANTERIOR, teeth(11, 99))
    with pytest.raises(BadInputError, match="no FDI"):
        read_masks(tmp_path, photos, MaskValues.NAMED)
    write(tmp_path, View.ANTERIOR, teeth(11, 51))
    with pytest.raises(RefusedError, match="milk"):
        read_masks(tmp_path, photos, MaskValues.NAMED)


def test_final_masks_have_the_users_names_and_outlines():
    image = teeth(11, 104)
    labels = Labels({View.ANTERIOR: image}, MaskValues.INSTANCES, named={View.ANTERIOR: {11: 11}})
    drawn = np.roll(teeth(12, 11), 3, axis=1).astype(np.uint8)
    out = with_names(drawn, labels, View.ANTERIOR)
    assert np.array_equal(out == 11, image == 11)
    assert set(np.unique(out)) == {0, 11, 12}
    assert with_names(drawn, replace(labels, named=None), View.ANTERIOR).tolist() == drawn.tolist()
