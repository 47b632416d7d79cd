"""Which pictures, masks and patients a data set holds, and that neither leaks (spec, check C5)."""

from __future__ import annotations

import csv
import json

import cv2
import numpy as np
import pytest

from teethscape.errors import BadInputError, UsageError
from teethscape.segmentation.toothseg.augment import FINE_TUNING, PRETRAINING, Motion, moved
from teethscape.segmentation.toothseg.classes import class_sets
from teethscape.segmentation.toothseg.fbf import Bilateral, fast_bilateral, filter_folder
from teethscape.segmentation.toothseg.index import Item, MaskKind, checked, labelled, read_index, write_index
from teethscape.segmentation.toothseg.layouts import Layout, default_size, find_items, layout_of
from teethscape.segmentation.toothseg.pictures import (
    labelled_picture,
    read_picture,
    read_truth,
    require_shown,
    unlabelled_picture,
)
from teethscape.segmentation.toothseg.splits import Part, SplitRule, split

from .arches import cases, draw_arch, folders, sts


def test_sts_layout_pairs_masks_and_never_shows_them(tmp_path):
    root = sts(tmp_path / "processed_2d")
    items = find_items(root, root)  # the published command names one folder twice
    assert layout_of(root) is Layout.STS
    assert layout_of(root).size == (256, 512)
    assert len(items) == 14
    assert len(labelled(items)) == 8
    assert not any("masks" in item.image.parts for item in items)
    assert {item.age_group for item in items} == {"adult", "children"}
    for item in labelled(items):
        assert item.mask.parent.name == "masks"
        assert item.mask.stem == item.image.stem


def test_published_index_gives_the_same_pairs(tmp_path):
    root = sts(tmp_path / "processed_2d")
    rows = []
    for item in find_items(root):
        for path, is_mask in ((item.image, 0), (item.mask, 1)):
            if path is not None:
                status = "labeled" if item.mask else "unlabeled"
                rows.append(
                    [path.relative_to(root).as_posix(), item.age_group, status, is_mask, item.pair_id]
                )
    with (root / "sts2d_index.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["rel_path", "age_group", "label_status", "is_mask", "pair_id"], *rows])
    assert read_index(root / "sts2d_index.csv") == find_items(root)
    assert default_size(root / "sts2d_index.csv") == (256, 512)


@pytest.mark.parametrize("place", ["adult/labeled/images", "adult/labeled", "adult/unlabeled/images", "."])
def test_a_part_of_the_sts_set_has_its_size(tmp_path, place):
    root = sts(tmp_path / "processed_2d")
    assert default_size(root / place) == (256, 512)


def test_the_sts_set_is_found_from_above(tmp_path):
    root = sts(tmp_path / "processed_2d")
    assert find_items(tmp_path) == find_items(root)
    assert default_size(tmp_path) == (256, 512)


def test_an_index_is_judged_by_its_pictures_wherever_it_lies(tmp_path):
    write_index(tmp_path / "elsewhere" / "i.csv", find_items(sts(tmp_path / "set")))
    assert default_size(tmp_path / "elsewhere" / "i.csv") == (256, 512)
    write_index(tmp_path / "set" / "j.csv", find_items(*folders(tmp_path / "two", 2)))
    assert default_size(tmp_path / "set" / "j.csv") == (224, 320)


def test_frames_and_masks_in_two_folders(tmp_path):
    images, masks = folders(tmp_path, 4)
    assert [item.mask.stem for item in find_items(images, masks)] == ["0000", "0001", "0002", "0003"]
    whole = find_items(tmp_path, masks)  # read from above both folders: the masks stay out
    assert [(item.image.parent.name, item.mask.parent.name) for item in whole] == [
        ("thyroid-image", "thyroid-mask")
    ] * 4
    assert len(find_items(tmp_path)) == 4


def test_cases_keep_a_patient_together(tmp_path):
    items = find_items(cases(tmp_path / "set"))
    assert len(items) == 6
    parts = split(items, SplitRule(val_ratio=0.34, test_ratio=0.34))
    owners = [{item.patient for item in parts.part(part)} for part in Part]
    assert [len(o) for o in owners] == [1, 1, 1]
    assert len(owners[0] | owners[1] | owners[2]) == 3


def test_an_index_survives_writing(tmp_path):
    items = find_items(cases(tmp_path / "set"))
    write_index(tmp_path / "index.csv", items)
    assert read_index(tmp_path / "index.csv") == items
    assert "set/patient-0/photos/0.png" in (tmp_path / "index.csv").read_text()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a,b\n1,2\n", "index_columns"),
        ("pair_id,image,mask_kind\nx,p.png,red\n", "index_columns"),
        ("pair_id,image\nx,\n", "index_columns"),
        ("pair_id,image\nx,nowhere.png\n", "file_missing"),
        ("pair_id,image\n", "no_pictures"),
        ("", "index_columns"),
    ],
)
def test_damaged_indexes_are_told(tmp_path, text, code):
    (tmp_path / "i.csv").write_text(text)
    with pytest.raises(BadInputError) as caught:
        read_index(tmp_path / "i.csv")
    assert caught.value.code == code


def test_a_folder_is_not_its_own_mask(tmp_path):
    images, _ = folders(tmp_path, 2)
    with pytest.raises(BadInputError, match="itself as its mask"):
        find_items(images, images)


def _labels(seed):
    """FDI labels of an arch (256, 384)."""
    return cv2.resize(draw_arch(seed)[1], (384, 256), interpolation=cv2.INTER_NEAREST)


@pytest.mark.parametrize("quality", [None, 95, 75])
@pytest.mark.parametrize(
    "drawn",
    [
        lambda labels: (labels > 0) * 255,  # white
        lambda labels: labels,  # FDI numbers
        lambda labels: 1 * (labels > 0) + (labels > 30),  # jaws
    ],
)
def test_a_mask_among_the_pictures_is_refused_by_its_looks(tmp_path, drawn, quality):
    mask = drawn(_labels(1)).astype(np.uint8)
    path = tmp_path / ("a.png" if quality is None else "a.jpg")
    cv2.imwrite(str(path), mask, [] if quality is None else [cv2.IMWRITE_JPEG_QUALITY, quality])
    with pytest.raises(BadInputError, match="it is a mask"):
        unlabelled_picture(Item("a", path), (64, 96), 1)


def test_a_colour_for_each_tooth_is_a_mask(tmp_path):
    labels = _labels(1)
    cv2.imwrite(str(tmp_path / "a.png"), np.stack([labels, labels * 3, labels * 5], axis=-1))
    for channels in (1, 3):
        with pytest.raises(BadInputError, match="it is a mask"):
            unlabelled_picture(Item("a", tmp_path / "a.png"), (64, 96), channels)


@pytest.mark.parametrize("quality", [95, 50, 20])
def test_pictures_look_like_pictures(tmp_path, quality):
    picture = cv2.resize(draw_arch(1)[0], (384, 256))
    picture[:, :150] = 0  # the dark border of an ultrasound frame
    cv2.imwrite(str(tmp_path / "a.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert unlabelled_picture(Item("a", tmp_path / "a.jpg"), (64, 96), 1).shape == (64, 96, 1)


@pytest.mark.parametrize(
    ("folder", "kept"),
    [
        ("images", True), ("x-rays", True), ("labeled/images", True), ("tooth-segmentation/images", True),
        ("without-labels", True),
        ("thyroid-mask", False), ("labelsTr", False), ("SegmentationClass", False), ("gtFine/train", False),
        ("Masks_PNG", False), ("images/segmentation", False), ("ground truth", False),
        ("annotations/images", False),
    ],
)  # fmt: skip
def test_folders_of_masks_are_left_out_by_their_names(tmp_path, folder, kept):
    (tmp_path / "plain").mkdir()
    (tmp_path / folder).mkdir(parents=True)
    for place in ("plain", folder):
        cv2.imwrite(str(tmp_path / place / "a.png"), draw_arch(0)[0])
    assert len(find_items(tmp_path)) == 1 + kept


def test_a_folder_of_masks_is_no_folder_of_pictures(tmp_path):
    folders(tmp_path, 2)
    with pytest.raises(BadInputError, match="all 2 pictures") as caught:
        find_items(tmp_path / "thyroid-mask")
    assert caught.value.code == "mask_as_image"


@pytest.mark.parametrize(
    ("items", "code"),
    [
        ([], "no_pictures"),
        ([("a", "a.png", None), ("a", "b.png", None)], "pair_twice"),
        ([("a", "a.png", "m.png"), ("b", "m.png", None)], "mask_as_image"),
    ],
)
def test_impossible_indexes_are_refused(tmp_path, items, code):
    with pytest.raises(BadInputError) as caught:
        checked(
            Item(name, tmp_path / image, tmp_path / mask if mask else None) for name, image, mask in items
        )
    assert caught.value.code == code


def test_json_split_counts_in_four_digits(tmp_path):
    images, masks = folders(tmp_path, 8)
    (tmp_path / "split.json").write_text(json.dumps({"train": [0, 1, "0002", 3], "val": [4, 5, 6, 7]}))
    parts = split(find_items(images, masks), SplitRule(json=tmp_path / "split.json"))
    assert [len(p) for p in (parts.train, parts.val, parts.test)] == [4, 2, 2]
    (tmp_path / "split.json").write_text(json.dumps({"train": [0, 4], "val": [4, 5]}))
    with pytest.raises(BadInputError, match="two parts"):
        split(find_items(images, masks), SplitRule(json=tmp_path / "split.json"))
    (tmp_path / "split.json").write_text("[]")
    with pytest.raises(BadInputError, match="'train' and 'val'"):
        split(find_items(images, masks), SplitRule(json=tmp_path / "split.json"))


def _split_of(folder, items, train, val):
    (folder / "split.json").write_text(json.dumps({"train": train, "val": val}))
    return split(items, SplitRule(json=folder / "split.json"))


def test_json_split_takes_names_that_are_unique_alone(tmp_path):
    items = labelled(find_items(sts(tmp_path / "set")))  # both age groups call their pictures 0 to 3
    ids = [item.pair_id for item in items]
    with pytest.raises(BadInputError, match=r"2 names .* several pictures each: 0, 1"):
        _split_of(tmp_path, items, ["0", "1"], ids[4:])
    parts = _split_of(tmp_path, items, ids[:4], ids[4:])
    assert [item.pair_id for item in parts.train] == ids[:4]


def test_json_split_drops_and_doubles_nothing(tmp_path):
    items = find_items(*folders(tmp_path, 8))
    with pytest.raises(BadInputError, match=r"3 names .* no picture with a mask: 90, 91, x"):
        _split_of(tmp_path, items, [0, 1, 90, 91, "x"], [4, 5])
    parts = _split_of(tmp_path, items, [0, "0000", 0, 1], [4, 5])
    assert [item.pair_id for item in parts.train] == ["0000", "0001"]
    with pytest.raises(BadInputError, match="empty"):
        _split_of(tmp_path, items, [], [4, 5])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [12, 16])
def test_xrays_of_many_bits_look_like_those_of_eight(tmp_path, channels, bits):
    grey = draw_arch(0)[0]
    low, high = int(grey.min()), int(grey.max())
    cv2.imwrite(str(tmp_path / "deep.png"), grey.astype(np.uint16) << (bits - 8))
    wanted = (grey.astype(float) - low) * 255 / (high - low)
    found = read_picture(tmp_path / "deep.png", channels)
    assert found.shape == (64, 96, channels)
    assert np.abs(found - wanted[..., None]).max() <= 1


def test_a_subset_is_part_of_the_training_pictures(tmp_path):
    items = find_items(*folders(tmp_path, 20))
    whole, some = split(items, SplitRule()), split(items, SplitRule(train_subset=5))
    assert len(some.train) == 5
    assert set(some.train) <= set(whole.train)
    assert (some.val, some.test) == (whole.val, whole.test)
    with pytest.raises(UsageError):
        SplitRule(val_ratio=0.5, test_ratio=0.5)


@pytest.mark.parametrize(("name", "planes"), [("teeth", 1), ("jaws", 3), ("mouth", 4)])
def test_classes_come_from_the_labels(tmp_path, name, planes):
    item = find_items(cases(tmp_path / "set", 1, 1))[0]
    classes = class_sets()[name]
    _, labels = draw_arch(0)
    truth = read_truth(item, classes)
    assert len(classes.planes) == planes
    upper = (labels > 0) & (labels < 30)
    first, second = {"teeth": (1, 1), "jaws": (1, 2), "mouth": (2, 3)}[name]
    assert set(np.unique(truth[upper])) == {first}
    assert set(np.unique(truth[labels >= 30])) == {second}
    assert (truth == 1).any()


def test_white_masks_do_not_tell_jaws(tmp_path):
    images, masks = folders(tmp_path, 1)
    with pytest.raises(BadInputError, match="jaws apart"):
        read_truth(find_items(images, masks)[0], class_sets()["jaws"])


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (MaskKind.WHITE, [1], "above 127"),
        (MaskKind.WHITE, [11, 48], "above 127"),
        (MaskKind.FDI, [1, 2], "1, 2; these are no FDI"),
        (MaskKind.FDI, [255], "no FDI"),
        (MaskKind.FDI, [11, 19, 50], "19, 50; these"),
        (MaskKind.JAWS, [1, 2, 3], "3; jaws"),
        (MaskKind.LABELS, [5], ""),
        (MaskKind.WHITE, [3, 120, 255], ""),
        (MaskKind.FDI, [18, 48, 51, 85], ""),
        (MaskKind.JAWS, [1, 2], ""),
        (MaskKind.FDI, [], ""),
    ],
)
def test_values_without_a_meaning_are_refused(tmp_path, kind, values, words):
    mask = np.zeros((8, 12), np.uint8)
    mask[0, : len(values)] = values
    cv2.imwrite(str(tmp_path / "m.png"), mask)
    item = Item("a", tmp_path / "a.png", tmp_path / "m.png", kind)
    if not words:
        assert read_truth(item, class_sets()["teeth"]).max() == (1 if values else 0)
        return
    with pytest.raises(BadInputError, match=words) as caught:
        read_truth(item, class_sets()["teeth"])
    assert caught.value.code == "mask_values"
    assert "--mask-values" in caught.value.advice


def test_masks_that_show_nothing_at_all_are_refused(tmp_path):
    items = find_items(*folders(tmp_path, 2))
    require_shown(items, class_sets()["teeth"])
    cv2.imwrite(str(items[0].mask), np.zeros((64, 96), np.uint8))
    require_shown(items, class_sets()["teeth"])
    cv2.imwrite(str(items[1].mask), np.zeros((64, 96), np.uint8))
    with pytest.raises(BadInputError, match="None of the 2 masks"):
        require_shown(items, class_sets()["teeth"])


def test_a_mask_of_another_shape_is_refused(tmp_path):
    images, masks = folders(tmp_path, 1)
    cv2.imwrite(str(masks / "0000.png"), np.zeros((96, 64), np.uint8))
    with pytest.raises(BadInputError, match="64 x 96"):
        labelled_picture(find_items(images, masks)[0], (64, 96), 1, class_sets()["teeth"])


@pytest.mark.parametrize("motion", [PRETRAINING, FINE_TUNING])
def test_picture_and_mask_move_together(motion):
    picture = np.zeros((64, 96, 1), np.uint8)
    picture[20:40, 10:50] = 255
    for seed in range(12):
        one, other = moved((picture, picture[..., 0] // 255), motion, np.random.default_rng(seed))
        assert ((one[..., 0] > 127) == (other > 0)).mean() > 0.97
    same = moved((picture,), Motion(10.0, chance=0.0, flip=0.0), np.random.default_rng(0))
    assert np.array_equal(same[0], picture)


def test_a_filtered_folder_keeps_names_and_masks(tmp_path):
    images, masks = folders(tmp_path / "in", 3)
    (tmp_path / "in" / "split.json").write_text("{}")
    counts = filter_folder(tmp_path / "in", tmp_path / "out", Bilateral(), lambda *_: None)
    assert counts == {"filtered": 3, "copied": 4}
    out = tmp_path / "out"
    assert (out / "thyroid-mask" / "0001.png").read_bytes() == (masks / "0001.png").read_bytes()
    grey = cv2.imread(str(images / "0001.png"), cv2.IMREAD_GRAYSCALE)
    made = cv2.imread(str(out / "thyroid-image" / "0001.png"), cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(made, fast_bilateral(grey))
    with pytest.raises(UsageError, match="lies in"):
        filter_folder(tmp_path / "in", tmp_path / "in" / "out", Bilateral(), lambda *_: None)


def test_deep_grey_levels_are_stretched():
    deep = np.linspace(0, 60000, 32 * 48).reshape(32, 48).astype(np.uint16)
    assert fast_bilateral(deep).max() > 220


def test_real_cases_are_read_in_every_class_they_know(shared):
    items = find_items(shared / "cases")
    assert len(items) == len(labelled(items)) == 10
    for item in items[::4]:
        picture, labels = labelled_picture(item, (96, 144), 3, class_sets()["jaws"])
        assert picture.shape == (96, 144, 3)
        assert set(np.unique(labels)) <= {0, 1, 2}
        assert (labels > 0).mean() > 0.05
