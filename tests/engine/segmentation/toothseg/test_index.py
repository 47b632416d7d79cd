"""An index is read strictly: names, words and paths that would mislead are refused."""

from __future__ import annotations

import pytest

from teethscape.errors import BadInputError
from teethscape.segmentation.toothseg.index import read_index

from .arches import folders


def _refused(path, text):
    path.write_text(text)
    with pytest.raises(BadInputError) as caught:
        read_index(path)
    return caught.value


@pytest.mark.parametrize("name", ["../../x", "a/../../x", "/x", "C:/x", "a\\..\\x", "\\x", ".."])
def test_names_do_not_lead_out_of_a_folder(tmp_path, name):
    folders(tmp_path, 1)
    error = _refused(tmp_path / "i.csv", f"pair_id,image\n{name},thyroid-image/0000.png\n")
    assert error.code == "index_value"
    assert f"'{name}'" in error.message
    assert "i.csv" in error.message
    columns = "rel_path,age_group,label_status,is_mask,pair_id"
    text = f"{columns}\nthyroid-image/0000.png,adult,unlabeled,0,{name}\n"
    assert _refused(tmp_path / "sts2d_index.csv", text).code == "index_value"


def test_dots_in_names_are_no_way_out(tmp_path):
    folders(tmp_path, 1)
    (tmp_path / "i.csv").write_text("pair_id,image\na/b..c.1,thyroid-image/0000.png\n")
    assert [item.pair_id for item in read_index(tmp_path / "i.csv")] == ["a/b..c.1"]


_STS = "rel_path,age_group,label_status,is_mask,pair_id\n"


@pytest.mark.parametrize("word", ["1", "1.0", "True", "T", "y", "YES", " 1 "])
def test_masks_of_the_published_index_are_never_pictures(tmp_path, word):
    folders(tmp_path, 1)
    rows = f"thyroid-image/0000.png,adult,labeled,0.0,x\nthyroid-mask/0000.png,adult,labeled,{word},x\n"
    (tmp_path / "i.csv").write_text(_STS + rows)
    (item,) = read_index(tmp_path / "i.csv")
    assert (item.image.parent.name, item.mask.parent.name) == ("thyroid-image", "thyroid-mask")


@pytest.mark.parametrize("word", ["mask", "2", "", "-1"])
def test_words_that_say_nothing_of_masks_are_refused(tmp_path, word):
    folders(tmp_path, 1)
    error = _refused(tmp_path / "i.csv", f"{_STS}thyroid-image/0000.png,adult,labeled,{word},x\n")
    assert error.code == "index_value"
    assert f"is_mask '{word}' of thyroid-image/0000.png" in error.message


@pytest.mark.parametrize(
    "path",
    ["thyroid-mask/0000.png", "0000_mask.png", "deep/../thyroid-mask/0000.png", "{}/elsewhere/gt/a.png"],
)
def test_pictures_with_the_names_of_masks_are_refused(tmp_path, path):
    picture = tmp_path / path.format(tmp_path)
    for folder in (tmp_path / "set" / "deep", picture.parent):
        folder.mkdir(parents=True, exist_ok=True)
    index = tmp_path / ("set" if path.startswith("{") else "") / "i.csv"
    (tmp_path / "deep").mkdir(exist_ok=True)
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(b"")
    error = _refused(index, f"pair_id,image\nx,{path.format(tmp_path)}\n")
    assert error.code == "mask_as_image"
    assert str(picture) in error.message


def test_folders_above_an_index_tell_nothing(tmp_path):
    images, _ = folders(tmp_path / "labels", 1)
    (tmp_path / "labels" / "i.csv").write_text("pair_id,image\nx,thyroid-image/0000.png\n")
    (tmp_path / "j.csv").write_text(f"pair_id,image\nx,{images.resolve()}/0000.png\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "j.csv").rename(tmp_path / "elsewhere" / "j.csv")
    assert len(read_index(tmp_path / "labels" / "i.csv")) == len(read_index(tmp_path / "elsewhere" / "j.csv"))


def test_spelling_does_not_hide_that_a_mask_is_a_picture(tmp_path):
    images, _ = folders(tmp_path, 2)
    rows = f"a,{images.name}/0000.png,{images.name}/0001.png\nb,x/../{images.name}/./0001.png,\n"
    (tmp_path / "x").mkdir()
    assert _refused(tmp_path / "i.csv", f"pair_id,image,mask\n{rows}").code == "mask_as_image"


def test_a_picture_does_not_stand_under_two_names(tmp_path):
    images, _ = folders(tmp_path, 1)
    (tmp_path / "link.png").symlink_to(images / "0000.png")
    for other in (f"{images.name}/../{images.name}/0000.png", "link.png"):
        error = _refused(tmp_path / "i.csv", f"pair_id,image\na,{images.name}/0000.png\nb,{other}\n")
        assert error.code == "pair_twice"
        assert "a and b name the same picture" in error.message
