"""Training: crops keep their labels, targets say what is there, the loss prefers the truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from teethscape.cli import main  # noqa: E402
from teethscape.dental.fdi import PLACES  # noqa: E402
from teethscape.dental.views import View  # noqa: E402
from teethscape.segmentation.network import SegmentationRuntime  # noqa: E402
from teethscape.segmentation.train_augment import CROP, Placement, augment, crop_photo  # noqa: E402
from teethscape.segmentation.train_export import export_network  # noqa: E402
from teethscape.segmentation.train_network import PIXEL_CHANNELS, SegmentationNetwork  # noqa: E402
from teethscape.segmentation.train_photos import (  # noqa: E402
    GUM_SEEN,
    GUM_UNKNOWN,
    NO_VIEW,
    TrainingPhoto,
    negative_photo,
    read_case,
    rendered_photo,
    rendered_photos,
    unlabelled_teeth,
)
from teethscape.segmentation.train_recipe import SegmenterTraining, learning_rate  # noqa: E402
from teethscape.segmentation.train_segmenter import train_segmenter  # noqa: E402
from teethscape.segmentation.train_targets import NO_KIND, TargetBatch, loss, make_target  # noqa: E402

STRAIGHT = Placement(480.0, turned=False, flipped=False)


@pytest.fixture
def photo():
    teeth = np.zeros((360, 480), np.uint8)
    teeth[120:180, 100:160], teeth[120:180, 160:220] = 12, 11
    teeth[180:230, 100:160] = 42
    pixels = np.full((360, 480, 3), (150, 60, 60), np.uint8)
    pixels[teeth > 0] = (230, 220, 200)
    gum = np.zeros((360, 480), np.uint8)
    gum[80:120, 100:220], gum[240:, :] = GUM_SEEN, GUM_UNKNOWN
    return TrainingPhoto(pixels, teeth, gum, np.zeros((360, 480), bool), int(View.LEFT_BUCCAL))


def test_a_crop_moves_pixels_and_labels_together(photo):
    crop = crop_photo(photo, STRAIGHT, np.random.default_rng(0))
    assert crop.teeth.shape == CROP
    bright = crop.pixels[..., 1] > 140
    assert ((crop.teeth > 0) == bright).mean() > 0.98


def test_a_mirrored_buccal_crop_shows_the_other_side(photo):
    crop = crop_photo(photo, Placement(480.0, turned=False, flipped=True), np.random.default_rng(0))
    assert crop.view == View.RIGHT_BUCCAL
    columns = [np.argwhere(crop.teeth == t)[:, 1].mean() for t in (11, 12)]
    assert columns[0] < columns[1]


def test_a_turned_crop_has_the_lower_teeth_above(photo):
    crop = crop_photo(photo, Placement(480.0, turned=True, flipped=False), np.random.default_rng(0))
    assert np.argwhere(crop.teeth == 42)[:, 0].mean() < np.argwhere(crop.teeth == 12)[:, 0].mean()


def test_augmenting_changes_looks_and_is_repeatable(photo):
    one, two, other = (augment(photo, STRAIGHT, np.random.default_rng(s)) for s in (1, 1, 2))
    assert (one.pixels == two.pixels).all()
    assert (one.pixels != other.pixels).any()


def test_targets_mark_teeth_borders_jaws_and_kinds(photo):
    target = make_target(photo, turned=False, whole=True)
    assert target.tooth[150, 130] == 1
    assert target.tooth[50, 50] == 0
    assert target.boundary[150, 160] == 1
    assert target.boundary[150, 130] == 0
    assert target.energy[150, 130] > 0.9
    assert (target.upper[150, 130], target.upper[200, 130]) == (1, 0)
    assert (target.kind[150, 130], target.kind[150, 190], target.kind[50, 50]) == (1, 0, NO_KIND)
    assert target.view == View.LEFT_BUCCAL
    assert make_target(photo, turned=False, whole=False).view == -1


def test_gums_count_only_where_they_are_known(photo):
    target = make_target(photo, turned=False, whole=True)
    assert (target.gum[100, 150], target.gum[150, 130], target.gum[300, 50]) == (1, 0, -1)
    batch = TargetBatch.stack([target])
    logits = [torch.zeros(1, PIXEL_CHANNELS, 360, 480) for _ in range(2)]
    logits[1][0, 4, 240:] = 9.0
    rest = torch.zeros(1, PLACES, 180, 240), torch.zeros(1, 6), torch.zeros(1, 1)
    assert float(loss((logits[0], *rest), batch)) == float(loss((logits[1], *rest), batch))


def test_ignored_pixels_weigh_nothing(photo):
    ignore = np.zeros((360, 480), bool)
    ignore[300:, :] = True
    target = make_target(replace(photo, ignore=ignore), turned=False, whole=True)
    assert (target.weight[300:] == 0).all()
    assert (target.weight[:300] >= 1).all()


def test_the_loss_prefers_the_truth(photo):
    target = make_target(photo, turned=False, whole=True)
    batch = TargetBatch.stack([target])
    maps = batch.maps[0]
    good = torch.zeros(1, PIXEL_CHANNELS, 360, 480)
    good[0, :4] = torch.logit(maps[:4].float().clamp(0.01, 0.99))
    kinds = np.stack([target.kind[1::2, 1::2] == k for k in range(PLACES)])
    sure = 8.0 * torch.from_numpy(kinds.astype(np.float32))[None]
    good[0, 4] = torch.logit(maps[5].float().clamp(0.01, 0.99))
    views = torch.zeros(1, 6)
    views[0, int(View.LEFT_BUCCAL)] = 8.0
    truth = loss((good, sure, views, torch.full((1, 1), -8.0)), batch)
    wrong = loss((-good, -sure, -views, torch.full((1, 1), 8.0)), batch)
    assert float(truth) < 0.3
    assert float(wrong) > 10 * float(truth)


def test_negatives_have_no_teeth_and_no_view():
    negative = negative_photo(np.random.default_rng(0))
    assert negative.view == NO_VIEW
    assert not negative.teeth.any()


def test_the_rate_cools_down():
    training = SegmenterTraining((), bank=None, output=None, rate=1.0, cooldown=0.5)
    assert [learning_rate(training, done) for done in (0.0, 0.3, 0.75, 1.0)] == [1.0, 1.0, 0.5, 0.0]


def test_rendered_cases_are_read(tmp_path, photo):
    import cv2

    labels = tmp_path / "case" / "labels"
    for kind in ("fdi", "gums", "parts"):
        (labels / kind).mkdir(parents=True)
    (tmp_path / "case" / "photos").mkdir()
    parts = np.zeros((360, 480), np.uint8)
    parts[:, 400:] = 11
    cv2.imwrite(str(labels / "fdi" / "1.png"), photo.teeth)
    cv2.imwrite(str(labels / "gums" / "1.png"), (photo.gum == GUM_SEEN).astype(np.uint8))
    cv2.imwrite(str(labels / "parts" / "1.png"), parts)
    cv2.imwrite(str(tmp_path / "case" / "photos" / "1.jpg"), photo.pixels[..., ::-1])
    (picture,) = rendered_photos(tmp_path)
    read = rendered_photo(picture)
    assert (read.teeth == photo.teeth).all()
    assert (read.gum == np.where(photo.gum == GUM_SEEN, GUM_SEEN, 0)).all()
    assert (read.ignore == (parts == 11)).all()
    assert read.view == View.LEFT_BUCCAL


@pytest.mark.slow
def test_a_tiny_training_runs_with_loading_processes(tmp_path, shared):
    pytest.importorskip("onnx")
    training = SegmenterTraining(
        (shared / "cases" / "case-c",),
        tmp_path / "bank",
        tmp_path / "net.onnx",
        bank_size=1,
        steps=2,
        batch=1,
        processes=1,
        workers=1,
    )
    assert train_segmenter(training).is_file()
    state = torch.load(tmp_path / "net.pt", weights_only=True)
    assert state["step"] == 2


def test_onnx_answers_like_the_network(tmp_path):
    pytest.importorskip("onnx")
    torch.manual_seed(0)
    network = SegmentationNetwork().eval()
    export_network(network, tmp_path / "net.onnx")
    pixels = np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    maps, guess = SegmentationRuntime(tmp_path / "net.onnx").run(pixels)
    with torch.no_grad():
        image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
        logits, kinds, views, turned = network(image)
    assert np.allclose(maps.tooth, torch.sigmoid(logits[0, 0]).numpy(), atol=5e-3)
    assert np.allclose(maps.kind, torch.softmax(kinds[0], 0).numpy(), atol=5e-3)
    assert np.allclose(maps.gum, torch.sigmoid(logits[0, 4]).numpy(), atol=5e-3)
    assert guess.turned == pytest.approx(float(torch.sigmoid(turned)), abs=5e-3)
    assert guess.none == pytest.approx(float(torch.softmax(views, 1)[0, 5]), abs=5e-3)


def test_unlabelled_teeth_of_case_a_are_set_aside(shared):
    right = read_case(shared / "cases" / "case-a")[2]
    assert right.ignore[:, : right.ignore.shape[1] // 5].any()  # 17 and 47 are seen and not labelled
    assert not (right.ignore & (right.teeth > 0)).any()


def test_a_fully_labelled_picture_ignores_little(photo):
    assert unlabelled_teeth(photo.pixels, photo.teeth).mean() < 0.01


def test_a_graphics_processor_that_is_not_there_is_told(tmp_path, shared):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    words = ["train", "segmenter", "--source", str(shared / "cases"), "--output", str(tmp_path / "x.onnx")]
    assert main([*words, "--device", "cuda"]) == 4
    assert main([*words, "--renders", str(tmp_path / "nowhere")]) == 3
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "wish",
    [
        ("--steps", "0"), ("--batch", "0"), ("--rate", "nan"), ("--rate", "-1"), ("--minutes", "0"),
        ("--minutes", "nan"), ("--bank-size", "0"), ("--workers", "-1"), ("--seed", "-1"),
    ],
)  # fmt: skip
def test_numbers_that_no_training_can_use_are_refused(wish, tmp_path, capsys):
    words = ["train", "segmenter", "--source", str(tmp_path), "--output", str(tmp_path / "x.onnx")]
    assert main([*words, "--device", "cpu", *wish]) == 2
    assert wish[1] in capsys.readouterr().err
