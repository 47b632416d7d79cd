"""Pictures and masks that cannot be used are told before a training; whole ones are not decoded for it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from teethscape.errors import BadInputError
from teethscape.segmentation.toothseg import headers
from teethscape.segmentation.toothseg.classes import class_sets
from teethscape.segmentation.toothseg.headers import require_pairs, require_pictures
from teethscape.segmentation.toothseg.index import Item
from teethscape.segmentation.toothseg.layouts import find_items

from .arches import cases, draw_arch, folders, sts

TEETH, MOUTH = class_sets()["teeth"], class_sets()["mouth"]


@pytest.fixture
def no_decoding(monkeypatch):
    """Fails when a file is decoded."""
    for name in ("decode_picture", "read_picture", "read_truth"):
        monkeypatch.setattr(headers, name, lambda *_: pytest.fail("decoded"))


@pytest.mark.usefixtures("no_decoding")
def test_headers_alone_tell_that_files_are_whole_and_fit(tmp_path):
    require_pairs(find_items(cases(tmp_path / "cases")), MOUTH)
    require_pictures(find_items(sts(tmp_path / "sts")))
    cv2.imwrite(str(tmp_path / "a.jpg"), draw_arch(0)[0])
    with (tmp_path / "a.jpg").open("ab") as stream:
        stream.write(b"made by a camera")
    require_pictures([Item("a", tmp_path / "a.jpg")])


@pytest.mark.usefixtures("no_decoding")
def test_a_photo_that_lies_on_its_side_fits_an_upright_mask(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(np.rot90(draw_arch(0)[0])).save(tmp_path / "a.jpg", exif=turned)
    cv2.imwrite(str(tmp_path / "m.png"), draw_arch(0)[1])
    require_pairs([Item("a", tmp_path / "a.jpg", tmp_path / "m.png")], TEETH)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp", "webp"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.98, 1.0])
def test_pictures_that_were_cut_short_are_refused(tmp_path, suffix, share):
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), draw_arch(0)[0])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    if share == 1:
        require_pictures([Item("a", path)])
        return
    with pytest.raises(BadInputError) as caught:
        require_pictures([Item("a", path)])
    assert caught.value.code == "not_an_image"
    assert str(path) in caught.value.message


def _spoiled(item, what):
    """Damage one of an item's files."""
    if what == "shape":
        cv2.imwrite(str(item.mask), np.zeros((96, 64), np.uint8))
    elif what == "gums":
        cv2.imwrite(str(item.gum), np.zeros((32, 48), np.uint8))
    elif what == "colour":
        cv2.imwrite(str(item.mask), np.dstack([np.eye(64, 96, k, np.uint8) for k in range(3)]))
    elif what == "mask":
        item.mask.write_bytes(item.mask.read_bytes()[:-30])
    else:
        item.image.unlink()


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("shape", "mask_size"), ("gums", "mask_size"), ("colour", "mask_colour"), ("mask", "mask_damaged"),
        ("gone", "file_missing"),
    ],
)  # fmt: skip
def test_masks_that_cannot_be_used_are_refused(tmp_path, what, code):
    items = find_items(cases(tmp_path / "set"))
    _spoiled(items[3], what)
    with pytest.raises(BadInputError) as caught:
        require_pairs(items, MOUTH)
    assert caught.value.code == code


@pytest.mark.parametrize("action", ["pretrain", "finetune"])
def test_a_training_does_not_begin_with_files_that_it_cannot_use(tmp_path, action):
    pytest.importorskip("torch")
    from teethscape.segmentation.toothseg.finetune import FineTuning, fine_tune
    from teethscape.segmentation.toothseg.pretrain import Pretraining, pretrain
    from teethscape.segmentation.toothseg.splits import SplitRule, split

    items = find_items(*folders(tmp_path, 8))
    parts = split(items, SplitRule(val_ratio=0.25, test_ratio=0.25))
    broken = parts.test[0].image  # met by a fine-tuning after its last epoch
    broken.write_bytes(broken.read_bytes()[:-40])
    out = tmp_path / "out"
    settings = Pretraining(items, out) if action == "pretrain" else FineTuning(parts, out)
    run = pretrain if action == "pretrain" else fine_tune
    with pytest.raises(BadInputError) as caught:
        run(settings, lambda *_: pytest.fail("a step was taken"))
    assert caught.value.code == "not_an_image"
    assert not out.exists()
