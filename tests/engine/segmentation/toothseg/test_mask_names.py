"""Masks are told by the names of their files, too, wherever a data set's pictures are looked for."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from teethscape.segmentation.toothseg.layouts import find_items
from teethscape.segmentation.toothseg.mask_names import is_mask_name, is_mask_path

from .arches import cases, draw_arch, folders, sts


@pytest.mark.parametrize(
    ("name", "mask"),
    [
        ("0000_mask.png", True), ("mask-12.png", True), ("0000Mask.tif", True), ("7_gt.png", True),
        ("0000_seg.png", True), ("a labels.png", True), ("upper_segmentation.png", True),
        ("0000.png", False), ("image_3.png", False), ("no_mask_3.png", False), ("upper-left.jpg", False),
    ],
)  # fmt: skip
def test_files_are_told_by_the_ends_of_their_names(name, mask):
    assert is_mask_name(Path(name)) is is_mask_path(Path("images") / name) is mask
    assert is_mask_path(Path("masks") / name)


def test_a_pictures_name_does_not_open_a_folder_of_masks():
    assert is_mask_path(Path("segmentation/image_3.png"))


@pytest.mark.parametrize("layout", ["folder", "sts", "cases"])
def test_soft_masks_beside_their_pictures_are_left_out(tmp_path, layout):
    if layout == "folder":
        root = beside = folders(tmp_path, 2)[0]
    elif layout == "sts":
        root = sts(tmp_path / "set")
        beside = root / "adult" / "unlabeled" / "images"
    else:
        root = cases(tmp_path / "set")
        beside = root / "patient-0" / "photos"
    before = find_items(root)
    soft = cv2.GaussianBlur((draw_arch(0)[1] > 0).astype(np.uint8) * 255, (0, 0), 4)
    cv2.imwrite(str(beside / "0000_mask.png"), soft)
    assert find_items(root) == before
