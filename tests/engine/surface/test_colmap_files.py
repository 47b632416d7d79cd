"""Text files of COLMAP's models as people and other programs leave them."""

from __future__ import annotations

import pytest
from PIL import Image

from teethscape.errors import BadInputError
from teethscape.surface.read.colmap import read_colmap

_CAMERAS = "1 PINHOLE 12 10 20 21 6 5\n"
_IMAGES = "1 1 0 0 0 0 0 2 1 a  b.png\n1 2 -1 3 4 7\n2 1 0 0 0 0.1 0 2 1 c.png\n\n"
_POINTS = "1 0 0 0 9 9 9 0.1\n2 1 0 0 9 9 9 0.1\n"


def _write(folder, **files):
    sparse, images = folder / "sparse" / "0", folder / "images"
    sparse.mkdir(parents=True)
    images.mkdir()
    texts = {"cameras": _CAMERAS, "images": _IMAGES, "points3D": _POINTS, **files}
    for name, text in texts.items():
        (sparse / f"{name}.txt").write_bytes(text.encode())
    for name in ("a  b.png", "c.png"):
        Image.new("RGB", (12, 10)).save(images / name)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"cameras": "\ufeff" + _CAMERAS, "images": "\ufeff# first\n" + _IMAGES},
        {"images": _IMAGES.replace("\n", "\r\n")},
        {"images": _IMAGES.rstrip("\n")},
    ],
    ids=["as written", "marked", "of Windows", "without an end"],
)
def test_names_with_spaces_and_other_ends_of_lines_are_read(tmp_path, files):
    _write(tmp_path, **files)
    assert len(read_colmap(tmp_path)) == 2


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"cameras": _CAMERAS.replace("20", "0")}, "focal length"),
        ({"cameras": _CAMERAS.replace("21", "-21")}, "focal length"),
        ({"cameras": "1 SIMPLE_PINHOLE 12 10 -20 6 5\n"}, "focal length"),
        ({"images": _IMAGES.replace("c.png", "a  b.png")}, "two images are named a  b.png"),
        ({"images": "\n".join(line for line in _IMAGES.split("\n") if ".png" in line)}, "two lines for each"),
        ({"points3D": "1 0 0 0 9 9 9 0.1\n2 0 0 0 9 9 9 0.1\n"}, "all at one place"),
    ],
    ids=["no focus", "mirrored", "mirrored alone", "twice", "one line each", "one place"],
)
def test_models_that_would_give_a_wrong_surface_are_refused(tmp_path, files, words):
    _write(tmp_path, **files)
    with pytest.raises(BadInputError) as refused:
        read_colmap(tmp_path)
    assert refused.value.code == "views_damaged"
    assert words in refused.value.message
