"""Masked photos from a case or from folders, in the published order."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from teethscape.dental.case import CaseFolder
from teethscape.dental.fdi import Jaw, Jaws
from teethscape.dental.views import View
from teethscape.dental.wishes import Backdrop
from teethscape.diffusion.sources import read_source
from teethscape.errors import BadInputError
from teethscape.progress import NoProgress
from teethscape.segmentation.clicks.pictures import ORDER

from .photos import Told, photos


def test_photos_condition_in_the_published_order(pictures):
    """Anterior, the patient's right, the patient's left, occlusal: their grey levels tell them apart."""
    order = {Jaw.UPPER: [0, 2, 1, 3], Jaw.LOWER: [0, 2, 1, 4]}
    for jaw in read_source(pictures, Jaws.BOTH, Backdrop.AS_GIVEN, NoProgress()):
        levels = [int(np.asarray(picture).max()) for picture in jaw.pictures]
        assert [(level - 30) // 40 for level in levels] == order[jaw.jaw]
        assert jaw.name == f"p_{jaw.jaw.value}"


def _on_square(path):
    """A photo centred in the square of its longer side."""
    with Image.open(path) as image:
        photo = image.convert("RGB")
    square = Image.new("RGB", (max(photo.size),) * 2)
    square.paste(photo, ((square.width - photo.width) // 2, (square.height - photo.height) // 2))
    return np.asarray(square, np.float32)


@pytest.mark.slow
def test_the_published_example_shows_the_order(shared):
    """Case C holds the example's photos under our names, and the pictures that its authors made of them.

    Of all photos, also mirrored, each picture is most like the one that we would put there.
    """
    case = shared / "cases" / "case-c"
    photos = {view: _on_square(next((case / "photos").glob(f"{view.value}.*"))) for view in View}
    for jaw in read_source(case / "official", Jaws.BOTH, Backdrop.AS_GIVEN, NoProgress()):
        for picture, wanted in zip(jaw.pictures, ORDER[jaw.jaw], strict=True):
            theirs = np.asarray(picture.convert("RGB"), np.float32)
            shown = theirs.max(-1) > 8
            distance = {
                (view, mirrored): np.abs(theirs - (photo[:, ::-1] if mirrored else photo))[shown].mean()
                for view, photo in photos.items()
                for mirrored in (False, True)
            }
            assert min(distance, key=distance.get) == (wanted, False)


@pytest.fixture
def case(tmp_path):
    """A case folder with photos and FDI masks."""
    folder = CaseFolder(tmp_path / "case 1")
    for view, (pixels, labels) in photos().items():
        for path, image in ((folder.photo(view), pixels), (folder.mask(view), labels.astype(np.uint8))):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    request = {"engine": "parametric", "jaws": "both", "seed": 0, "mask_values": "fdi", "known_lengths": []}
    empty = {
        "photos": {},
        "cameras": {},
        "metrics": {},
        "teeth": [],
        "notices": [],
        "versions": {"teethscape": "0"},
    }
    folder.write_record({"status": "running", "scale": None, "request": request, **empty})
    return folder


def test_a_case_gives_the_pictures_that_its_masks_cut_out(case, pictures):
    wanted = read_source(pictures, Jaws.BOTH, Backdrop.AS_GIVEN, NoProgress())
    found = read_source(case.root, Jaws.BOTH, Backdrop.AS_GIVEN, NoProgress())
    by_jaw = {jaw.jaw: jaw for jaw in found}
    assert {jaw.name for jaw in found} == {"case 1_upper", "case 1_lower"}
    for jaw in wanted:
        for one, two in zip(jaw.pictures, by_jaw[jaw.jaw].pictures, strict=True):
            assert np.array_equal(np.asarray(one), np.asarray(two))
    white = read_source(case.root, Jaws.UPPER, Backdrop.WHITE, NoProgress())[0]
    assert white.pictures[0].mode == "RGBA"
    case.mask(View.ANTERIOR).unlink()
    with pytest.raises(BadInputError, match="does not exist"):
        read_source(case.root, Jaws.UPPER, Backdrop.AS_GIVEN, NoProgress())


def test_a_case_of_one_jaw_gives_that_jaw(case):
    record = case.read_record()
    record["request"]["jaws"] = "upper"
    case.write_record(record)
    found = read_source(case.root, Jaws.BOTH, Backdrop.AS_GIVEN, NoProgress())
    assert [jaw.jaw for jaw in found] == [Jaw.UPPER]
    with pytest.raises(BadInputError, match="upper jaw alone"):
        read_source(case.root, Jaws.LOWER, Backdrop.AS_GIVEN, NoProgress())


def test_folders_that_are_no_jaws_are_left_out(pictures):
    shutil.copytree(pictures / "p_upper", pictures / "other")
    (pictures / "empty_lower").mkdir()
    (pictures / "stray.txt").write_text("x")
    told = Told()
    assert len(read_source(pictures, Jaws.BOTH, Backdrop.AS_GIVEN, told)) == 2
    assert told.warnings == ["jaw_unknown"]
    assert [j.jaw for j in read_source(pictures / "p_lower", Jaws.BOTH, Backdrop.AS_GIVEN, told)] == [
        Jaw.LOWER
    ]
    with pytest.raises(BadInputError, match="no masked photos"):
        read_source(pictures / "p_lower", Jaws.UPPER, Backdrop.AS_GIVEN, told)


def test_damaged_photos_are_named(pictures):
    (pictures / "p_upper" / "002.png").write_bytes(b"x")
    with pytest.raises(BadInputError, match=r"002\.png is not a picture"):
        read_source(pictures, Jaws.UPPER, Backdrop.AS_GIVEN, NoProgress())
    Image.new("RGB", (9, 9)).save(pictures / "p_upper" / "002.png")
    with pytest.raises(BadInputError, match="shows no tooth"):
        read_source(pictures, Jaws.UPPER, Backdrop.AS_GIVEN, NoProgress())
    (pictures / "p_upper" / "002.png").unlink()
    with pytest.raises(BadInputError, match="does not exist"):
        read_source(pictures, Jaws.UPPER, Backdrop.AS_GIVEN, NoProgress())
