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
