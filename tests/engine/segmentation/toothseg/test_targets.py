"""Results never replace the pictures, masks and networks that they are made from."""

from __future__ import annotations

import json

import pytest

from teethscape import cli
from teethscape.errors import UsageError
from teethscape.segmentation.toothseg.index import Item
from teethscape.segmentation.toothseg.layouts import find_items
from teethscape.segmentation.toothseg.targets import files_of, require_free, require_free_predictions

from .arches import folders


def _contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_spelling_and_links_do_not_hide_a_file(tmp_path):
    images, masks = folders(tmp_path, 1)
    (tmp_path / "link").symlink_to(masks)
    items = find_items(images, masks)
    for target in ("thyroid-mask/0000.png", "link/../thyroid-mask/0000.png", "link/0000.png"):
        with pytest.raises(UsageError) as caught:
            require_free([tmp_path / target], files_of(items))
        assert caught.value.code == "same_folder"
    require_free([tmp_path / "new.png"], files_of(items))


def test_label_images_do_not_stand_beside_masks_under_their_names(tmp_path):
    item = Item("a.b", tmp_path / "x" / "a.b.png", tmp_path / "y" / "a.b.jpg")
    for folder in ("x", "y"):
        with pytest.raises(UsageError):
            require_free_predictions(tmp_path / folder, [item], [item])
    require_free_predictions(tmp_path / "z", [item], [item])


@pytest.mark.parametrize("arguments", [
    ["evaluate", "--checkpoint", "c.pth", "--predictions", "thyroid-mask"],
    ["evaluate", "--checkpoint", "c.pth", "--predictions", "thyroid-image"],
    ["evaluate", "--checkpoint", "summary.pth", "--output", "."],
    ["visualize", "--checkpoint", "d.pth", "c.pth", "--output", "./x/../c.pth"],
    ["visualize", "--checkpoint", "c.pth", "--output", "thyroid-mask/0001.png"],
    ["export", "--checkpoint", "c.pth", "--output", "c.pth"],
    ["export", "--checkpoint", "c.pth", "--output", "c.json"],
    ["index", "--output", "thyroid-image/0001.png"],
])  # fmt: skip
def test_the_commands_refuse_before_any_work(tmp_path, capsys, monkeypatch, arguments):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    folders(tmp_path, 4)
    (tmp_path / "x").mkdir()
    for name in ("c.pth", "c.json", "d.pth", "summary.pth", "summary.json"):
        (tmp_path / name).write_text("never opened")
    before = _contents(tmp_path)
    data = ["--images-dir", "thyroid-image", "--masks-dir", "thyroid-mask"]
    data += [] if arguments[0] == "index" else ["--split", "all"]
    data = [] if arguments[0] == "export" else data
    assert cli.main(["train", "segmenter", *arguments, *data, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "same_folder"
    assert _contents(tmp_path) == before
