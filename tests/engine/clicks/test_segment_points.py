"""``teethscape segment`` with clicks, TeethDreamer's pictures, and strips of views."""

from __future__ import annotations

import hashlib
import json
import sys
from importlib import util
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from teethscape import cli
from teethscape.dataset.synthetic_photo import draw_photo
from teethscape.dental.fdi import Jaw
from teethscape.dental.request import MaskValues
from teethscape.dental.views import View
from teethscape.errors import BadInputError, ExitCode, MissingComponentError
from teethscape.parametric.prior import load_prior
from teethscape.pipeline.click_folder import Drawn, corrected, with_named_teeth
from teethscape.pipeline.segment_stage import Labels
from teethscape.segmentation import rembg_network
from teethscape.segmentation.clicks.pictures import Background, masked_square, write_pictures
from teethscape.segmentation.clicks.points_file import read_points
from teethscape.segmentation.clicks.sam_engine import SamEngine, weights_of
from teethscape.weights.store import FOLDER_VARIABLE


def _tooth(number, **marks):
    return {"tooth": number, **marks}


def _points(path, photos, **more):
    content = {"format": "teethscape-points", "version": 1, "photos": photos, **more}
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An anterior photo, stored turned with its EXIF mark, its labels, and four that nobody looks at."""
    place = tmp_path_factory.mktemp("Föto") / "Anna"
    place.mkdir()
    photo = draw_photo(load_prior(), View.ANTERIOR, np.random.default_rng([77, 0]))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(photo.pixels).transpose(Image.Transpose.ROTATE_90)
    turned.save(place / "0.jpg", exif=exif, quality=95)
    for k in range(1, 5):
        noise = np.random.default_rng(k).integers(0, 256, (6, 8, 3)).astype(np.uint8)
        Image.fromarray(noise).resize((640, 480), Image.Resampling.NEAREST).save(place / f"{k}.png")
    return place, photo.labels


def _middle(mask):
    inside = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    return {"x": int(column), "y": int(row)}


def test_named_clicks_alone_make_masks_and_pictures(folder, tmp_path, capsys):
    place, labels = folder
    teeth = [_tooth(n, points=[_middle(labels == n)]) for n in (11, 21, 41)]
    points = _points(tmp_path / "p.json", [{"photo": 0, "teeth": teeth}], keep="nothing")
    output = tmp_path / "masks"
    code = cli.main(
        [
            "segment",
            str(place),
            "--output",
            str(output),
            "--points",
            str(points),
            "--pictures",
            "rgba",
            "--json",
        ]
    )
    answer = json.loads(capsys.readouterr().out)
    assert code == 0
    assert answer["photos"][0]["teeth"] == [11, 21, 41]
    mask = np.asarray(Image.open(output / "0.png"))
    assert mask.shape == labels.shape
    for n in (11, 21, 41):
        found, truth = mask == n, labels == n
        assert (found & truth).sum() / (found | truth).sum() > 0.6
    assert len(answer["pictures"]) == 8
    front = np.asarray(Image.open(output / "Anna_lower" / "000.png"))
    assert front.shape[0] == front.shape[1] == max(mask.shape)
    assert (front[..., 3] == 255).sum() == (mask == 41).sum()


@pytest.mark.slow
def test_clicks_correct_the_automatic_teeth(tmp_path, capsys):
    sample = Path(cli.__file__).resolve().parents[2] / "examples" / "sample" / "photos"
    teeth = [_tooth("auto", points=[{"x": 406, "y": 391}]), _tooth(21, box=[489, 284, 672, 477])]
    points = _points(tmp_path / "p.json", [{"photo": 0, "teeth": teeth}])
    output = tmp_path / "masks"
    arguments = ["segment", str(sample), "--output", str(output), "--points", str(points), "--json"]
    assert cli.main(arguments) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {11, 12, 21, 22, 31, 41} <= set(answer["photos"][0]["teeth"])  # clicked and automatic ones
    mask = np.asarray(Image.open(output / "0.png"))
    assert mask[391, 406] == 11  # the clicked tooth was numbered with the others
    rows, columns = np.nonzero(mask == 21)
    assert columns.min() >= 487
    assert columns.max() <= 674
    assert rows.max() <= 480
    assert len(answer["photos"]) == 5


@pytest.mark.slow
def test_teeth_that_cannot_be_numbered_are_written_without_numbers(tmp_path, capsys):
    sample = Path(cli.__file__).resolve().parents[2] / "examples" / "sample" / "photos"
    teeth = [_tooth("auto", points=[{"x": 406, "y": 391}]), _tooth(21, box=[489, 284, 672, 477])]
    points = _points(tmp_path / "p.json", [{"photo": 0, "teeth": teeth}], keep="nothing")
    output = tmp_path / "masks"
    arguments = ["segment", str(sample), "--output", str(output), "--points", str(points)]
    assert cli.main(arguments) == ExitCode.REFUSED
    assert "without numbers (values from 100 on)" in capsys.readouterr().err
    mask = np.asarray(Image.open(output / "0.png"))
    clicked = mask[391, 406]
    assert clicked >= 100
    assert set(np.unique(mask)) == {0, 21, clicked}  # the user's number is kept
    assert not np.asarray(Image.open(output / "3.png")).any()


def test_sam_weights_are_a_model_or_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(MissingComponentError, match="sam-vit-h"):
        weights_of(Path("sam-vit-h"))
    with pytest.raises(BadInputError, match="neither a file nor one of"):
        weights_of(tmp_path / "sam.pth")
    own = tmp_path / "own.safetensors"
    own.write_bytes(b"")
    assert weights_of(own) == own


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--check", "--points", "p.json"], "--points cannot be given with --check"),
        (["--check", "--pictures", "white", "--absent", "11"], "--pictures, --absent cannot be given"),
        (["--engine", "toothseg", "--check"], "--check cannot be given with --engine toothseg"),
        (["--weights", "w.onnx"], "--weights is for --engine toothseg and sam"),
    ],
)
def test_options_that_would_do_nothing_are_refused(tmp_path, capsys, more, reason):
    assert cli.main(["segment", str(tmp_path), "--output", str(tmp_path / "o"), *more]) == ExitCode.USAGE
    assert reason in capsys.readouterr().err


def test_options_for_five_photos_are_refused_beside_a_strip(tmp_path, capsys):
    strip = tmp_path / "strip.png"
    Image.new("RGB", (512, 256)).save(strip)
    call = ["segment", str(strip), "--output", str(tmp_path / "o.png"), "--check", "--absent", "11"]
    assert cli.main(call) == ExitCode.USAGE
    assert "--check, --absent cannot be given with a strip of generated views" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("photos", "reason"),
    [
        ([{"photo": 0, "teeth": [_tooth(99, points=[{"x": 1, "y": 1}])]}], "neither an FDI number"),
        ([{"photo": 0, "teeth": [_tooth(11)]}], "neither an adding click nor a box"),
        ([{"photo": 0, "teeth": [_tooth(11, points=[{"x": 1, "y": 1, "add": False}])]}], "neither an adding"),
        ([{"photo": 0, "teeth": [_tooth(11, box=[5, 5, 1, 9])]}], "left, top, right, bottom"),
        ([{"photo": 0, "teeth": [_tooth(11, box=[0, 0, 9, 9])] * 2}], "twice"),
        ([{"photo": 0, "teeth": []}] * 2, "twice"),
        ([{"photo": "0", "teeth": []}], "photo"),
        ([{"photo": 0, "teeth": [_tooth(11, points=[{"x": "a", "y": 1}])]}], "x"),
        ([{"photo": 0, "teeth": [_tooth(11, points=[{"x": float("nan"), "y": 1}])]}], "NaN is no number"),
        ([{"photo": 0, "teeth": [_tooth(11, box=[0, 0, float("inf"), 9])]}], "Infinity is no number"),
    ],
)
def test_bad_points_are_told(tmp_path, photos, reason):
    with pytest.raises(BadInputError, match=reason) as caught:
        read_points(_points(tmp_path / "p.json", photos))
    assert caught.value.code == "points_form"


def test_files_that_hold_no_points(tmp_path, folder, capsys):
    place, _ = folder
    (tmp_path / "p.json").write_text("{")
    for name in ("p.json", "none.json"):
        with pytest.raises(BadInputError):
            read_points(tmp_path / name)
    far = _points(tmp_path / "far.json", [{"photo": 7, "teeth": []}])
    arguments = ["segment", str(place), "--output", str(tmp_path / "o"), "--points", str(far)]
    assert cli.main(arguments) == ExitCode.BAD_INPUT
    assert "photo 7" in capsys.readouterr().err
    teeth = [_tooth(11, points=[{"x": 99999, "y": 10}])]
    beside = _points(tmp_path / "beside.json", [{"photo": 0, "teeth": teeth}])
    assert cli.main([*arguments[:-1], str(beside)]) == ExitCode.BAD_INPUT
    assert "outside photo 0" in capsys.readouterr().err


def test_sam_needs_clicks_and_weights(folder, tmp_path, capsys, monkeypatch):
    place, _ = folder
    monkeypatch.setenv("TEETHSCAPE_MODELS", str(tmp_path / "none"))
    base = ["segment", str(place), "--output", str(tmp_path / "o"), "--engine", "sam"]
    assert cli.main(base) == ExitCode.USAGE
    points = _points(tmp_path / "p.json", [{"photo": 0, "teeth": [_tooth(11, box=[1, 1, 90, 90])]}])
    assert cli.main([*base, "--points", str(points)]) == ExitCode.MISSING_COMPONENT
    assert "teethscape weights install sam-vit-b" in capsys.readouterr().err


def test_drawn_masks_take_the_place_of_what_lies_under_them():
    image = np.zeros((10, 20), np.int32)
    image[2:8, 2:8], image[2:8, 10:18] = 1, 2
    labels = Labels(
        {View.ANTERIOR: image}, MaskValues.INSTANCES, {View.ANTERIOR: {1: Jaw.UPPER, 2: Jaw.LOWER}},
        {View.ANTERIOR: {1: (1.0,) + (0.0,) * 6, 2: (0.0,) * 6 + (1.0,)}},
    )  # fmt: skip
    mask = np.zeros((10, 20), bool)
    mask[2:8, 3:7] = True
    free = np.zeros((10, 20), bool)
    free[9, :4] = True
    drawn = {View.ANTERIOR: [Drawn(None, mask), Drawn(31, free)]}
    found = corrected(labels, drawn, keeps=True)
    new = found.images[View.ANTERIOR]
    assert set(np.unique(new)) == {0, 2, 3, 4}  # what was left of 1 was a scrap
    assert np.array_equal(new == 3, mask)
    assert found.jaw_of[View.ANTERIOR][3] is Jaw.UPPER
    assert found.jaw_of[View.ANTERIOR][4] is Jaw.LOWER
    assert found.kind_of[View.ANTERIOR][3] == (1.0,) + (0.0,) * 6
    alone = corrected(labels, drawn, keeps=False)
    assert set(np.unique(alone.images[View.ANTERIOR])) == {0, 3, 4}


def test_named_teeth_win_over_the_numbering():
    mask = np.full((4, 4), 12, np.uint8)
    mine = np.zeros((4, 4), bool)
    mine[0] = True
    out = with_named_teeth(mask, [Drawn(11, mine), Drawn(None, ~mine)])
    assert (out[0] == 11).all()
    assert (with_named_teeth(mask, [Drawn(12, mine)])[1:] == 0).all()


@pytest.mark.parametrize("background", list(Background))
def test_pictures_are_centred_squares(background):
    pixels = np.full((4, 10, 3), 90, np.uint8)
    mask = np.zeros((4, 10), bool)
    mask[1, 2] = True
    out = masked_square(pixels, mask, background)
    assert out.shape == (10, 10, 4 if background is Background.RGBA else 3)
    assert tuple(out[4, 2][:3]) == (90, 90, 90)
    empty = {Background.BLACK: (0, 0, 0), Background.WHITE: (255, 255, 255), Background.RGBA: (0, 0, 0, 0)}
    assert tuple(out[0, 0]) == tuple(out[5, 5]) == empty[background]


def test_pictures_are_those_of_the_official_tool(shared, tmp_path):
    case = shared / "cases" / "case-c"
    photos = {}
    for view in View:
        jaws = np.asarray(Image.open(case / "labels" / "jaws" / f"{view.value}.png")).astype(np.int32)
        fdi = np.select([jaws == 1, jaws == 2], [11, 31], 0).astype(np.int32)
        photos[view] = np.asarray(Image.open(case / "photos" / f"{view.value}.jpg").convert("RGB")), fdi
    written = write_pictures(tmp_path, "1832", photos, Background.BLACK)
    assert len(written) == 8
    for path in written:
        ours = np.asarray(Image.open(path)).astype(int)
        theirs = np.asarray(Image.open(case / "official" / path.relative_to(tmp_path)).convert("RGB")).astype(
            int
        )
        assert ours.shape == theirs.shape
        both = (ours.max(axis=2) > 0) & (theirs.max(axis=2) > 8)
        assert both.sum() > 0.95 * (theirs.max(axis=2) > 8).sum()
        # The official pictures fade out over a few pixels; within, they are the photo through JPEG once more.
        inside = cv2.distanceTransform(both.astype(np.uint8), cv2.DIST_L2, 5) > 6
        assert np.percentile(np.abs(ours - theirs)[inside], 99) <= 10


def _strip(path, tiles=3):
    strip = np.full((64, 64 * tiles, 3), 250, np.uint8)
    for k in range(tiles):
        cv2.circle(strip, (64 * k + 32, 32), 14 + k, (190, 170, 120), -1)
    Image.fromarray(strip).save(path)
    return strip


def test_a_plain_background_is_removed_from_a_strip(tmp_path, capsys):
    strip = _strip(tmp_path / "views.png")
    output = tmp_path / "rgba.png"
    assert cli.main(["segment", str(tmp_path / "views.png"), "--output", str(output), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tiles"] == 3
    found = np.asarray(Image.open(output))
    assert np.array_equal(found[..., :3], strip)
    assert np.array_equal(found[..., 3] > 0, strip[..., 2] < 200)


def test_what_a_strip_cannot_use_is_refused(tmp_path, capsys):
    _strip(tmp_path / "views.png")
    strip, output = str(tmp_path / "views.png"), str(tmp_path / "o.png")
    assert cli.main(["segment", strip, "--output", strip]) == ExitCode.USAGE
    for wish in (["--check"], ["--pictures", "white"], ["--engine", "sam"], ["--weights", "w.onnx"]):
        assert cli.main(["segment", strip, "--output", output, *wish]) == ExitCode.USAGE
    teeth = [_tooth(11, points=[{"x": 1, "y": 1}])]
    far = _points(tmp_path / "far.json", [{"photo": 15, "teeth": teeth}])
    assert cli.main(["segment", strip, "--output", output, "--points", str(far)]) == ExitCode.BAD_INPUT
    assert "tile 15" in capsys.readouterr().err
    assert not (tmp_path / "o.png").exists()


def test_a_strip_must_be_squares(tmp_path, capsys):
    Image.fromarray(np.zeros((10, 25, 3), np.uint8)).save(tmp_path / "a.png")
    assert (
        cli.main(["segment", str(tmp_path / "a.png"), "--output", str(tmp_path / "b.png")])
        == ExitCode.BAD_INPUT
    )
    assert "no row of squares" in capsys.readouterr().err


@pytest.fixture
def rembg(tmp_path, monkeypatch):
    """A rembg that tells what it was asked for; its folder is empty."""
    asked = []
    package = ModuleType("rembg")
    package.__spec__ = ModuleSpec("rembg", None)
    package.new_session = lambda *names, **more: asked.append((names, more))
    package.remove = lambda pixels, session, only_mask: np.where(pixels[..., 2] < 200, 200, 0).astype(
        np.uint8
    )
    monkeypatch.setitem(sys.modules, "rembg", package)
    monkeypatch.setenv("U2NET_HOME", str(tmp_path / "home"))
    return asked


def _by_rembg(folder):
    _strip(folder / "views.png", 1)
    return cli.main(
        ["segment", str(folder / "views.png"), "--output", str(folder / "o.png"), "--foreground", "rembg"]
    )


def test_rembg_is_named_when_it_is_not_there(tmp_path, capsys, monkeypatch):
    find = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == "rembg" else find(name))
    assert _by_rembg(tmp_path) == ExitCode.MISSING_COMPONENT
    assert "pip install rembg" in capsys.readouterr().err


def test_rembg_fetches_nothing_its_network_is_named_with_licence_and_size(tmp_path, capsys, rembg):
    assert _by_rembg(tmp_path) == ExitCode.MISSING_COMPONENT
    told = capsys.readouterr().err
    assert all(words in told for words in ("u2net", "176 MB", "Apache-2.0", "rembg d u2net"))
    assert rembg == []  # its constructor is what would download


@pytest.mark.parametrize("place", ["u2net.onnx", "models/u2net/u2net.onnx"])
def test_rembg_works_with_the_named_network_where_its_file_is(tmp_path, monkeypatch, rembg, place):
    file = tmp_path / "home" / place
    file.parent.mkdir(parents=True)
    file.write_bytes(b"network")
    monkeypatch.setattr(rembg_network, "_SHA256", hashlib.sha256(b"network").hexdigest())
    assert _by_rembg(tmp_path) == 0
    assert rembg == [(("u2net_custom",), {"model_path": str(file)})]
    found = np.asarray(Image.open(tmp_path / "o.png"))
    assert set(np.unique(found[..., 3])) == {0, 200}  # soft opacity stays
    assert (found[..., :3][found[..., 3] == 0] == 0).all()


def test_a_damaged_network_of_rembg_is_no_mistake_of_the_engine(tmp_path, capsys, rembg):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "u2net.onnx").write_bytes(b"half")
    assert _by_rembg(tmp_path) == ExitCode.BAD_INPUT
    assert "checksum differs" in capsys.readouterr().err
    assert rembg == []


def test_sam_is_asked_for_the_one_body_and_named_when_it_is_missing(tmp_path, capsys, monkeypatch):
    _strip(tmp_path / "views.png", 2)
    arguments = [
        "segment", str(tmp_path / "views.png"), "--output", str(tmp_path / "o.png"), "--foreground", "sam",
    ]  # fmt: skip
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "models"))
    assert cli.main(arguments) == ExitCode.MISSING_COMPONENT
    assert "teethscape weights install sam-vit-b" in capsys.readouterr().err
    asked = []

    class Photo:
        def click(self, clicks):
            asked.append(clicks)
            left, top, right, bottom = map(int, clicks.box)
            mask = np.zeros((64, 64), bool)
            mask[top : bottom + 1, left : right + 1] = True
            return SimpleNamespace(mask=mask)

    engine = SimpleNamespace(prepare=lambda _: Photo())
    monkeypatch.setattr(SamEngine, "load", classmethod(lambda _: engine))
    assert cli.main(arguments) == 0
    assert [clicks.box for clicks in asked] == [(18.0, 18.0, 46.0, 46.0), (17.0, 17.0, 47.0, 47.0)]
    assert all(clicks.labels == (True,) and np.allclose(clicks.points, 32, atol=2) for clicks in asked)
    opacity = np.asarray(Image.open(tmp_path / "o.png"))[..., 3]
    assert (opacity[:, :64] > 0).sum() == 29 * 29
