"""Pre-training and fine-tuning learn, and an interruption changes nothing (checks C3 and C4)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from teethscape.errors import BadInputError  # noqa: E402
from teethscape.segmentation.toothseg.checkpoints import (  # noqa: E402
    load_network,
    load_trained,
    read_checkpoint,
    weights_of,
)
from teethscape.segmentation.toothseg.classes import class_sets  # noqa: E402
from teethscape.segmentation.toothseg.finetune import FineTuning, fine_tune  # noqa: E402
from teethscape.segmentation.toothseg.layouts import find_items  # noqa: E402
from teethscape.segmentation.toothseg.masking import BlockMasking, Perturbation, perturbed  # noqa: E402
from teethscape.segmentation.toothseg.pretrain import Method, Pretraining, pretrain  # noqa: E402
from teethscape.segmentation.toothseg.spec import ModelType, NetworkSpec  # noqa: E402
from teethscape.segmentation.toothseg.splits import SplitRule, split  # noqa: E402
from teethscape.segmentation.toothseg.training import Optimising  # noqa: E402

from .arches import cases, draw_arch, folders  # noqa: E402

SIZE = (64, 96)
BLOCKS = BlockMasking(0.55, 8, 24)
QUIET = lambda *_: None  # noqa: E731 - a report that nobody reads


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def _pretraining(tmp_path, count=6, **changes):
    images, masks = folders(tmp_path / "data", count)
    settings = Pretraining(
        find_items(images, masks), tmp_path / "mim", network=NetworkSpec(base=4), size=SIZE, masking=BLOCKS,
        optimising=Optimising(3, 2, 1e-3, 0.0),
    )  # fmt: skip
    return replace(settings, **changes)


def _tuning(tmp_path, count=10, **changes):
    items = find_items(*folders(tmp_path / "data", count))
    settings = FineTuning(
        split(items, SplitRule(val_ratio=0.2, test_ratio=0.2)), tmp_path / "tuned", NetworkSpec(base=4), SIZE,
        optimising=Optimising(3, 2, 3e-3, 0.0),
    )  # fmt: skip
    return replace(settings, **changes)


def _same(one, other):
    a, b = weights_of(read_checkpoint(one)), weights_of(read_checkpoint(other))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.slow
def test_masked_modelling_learns(tmp_path):
    settings = _pretraining(
        tmp_path, 64, network=NetworkSpec(base=16), optimising=Optimising(13, 4, 1e-3, 0.0)
    )  # 13 epochs of 16 steps
    losses = pretrain(settings, QUIET)["losses"]
    assert losses[-1] <= 0.6 * losses[0], losses


def test_checkpoints_have_the_published_form(tmp_path):
    result = pretrain(_pretraining(tmp_path), QUIET)
    content = read_checkpoint(tmp_path / "mim" / "mim_latest.pth")
    assert {"epoch", "model_state_dict", "optimizer_state_dict", "args"} <= set(content)
    assert content["epoch"] == 3
    assert result["losses"][-1] < result["losses"][0]
    assert load_network(tmp_path / "mim" / "mim_best.pth").spec == NetworkSpec(base=4)
    assert (tmp_path / "mim" / "runs" / "metrics.jsonl").read_text().count("train/epoch_loss") == 3


def test_a_resumed_pretraining_equals_an_uninterrupted_one(tmp_path):
    whole = _pretraining(tmp_path)
    pretrain(whole, QUIET)
    first = replace(whole, folder=tmp_path / "parts", optimising=replace(whole.optimising, epochs=1))
    pretrain(first, QUIET)
    pretrain(replace(whole, folder=tmp_path / "parts", resume=True), QUIET)
    assert _same(whole.latest, tmp_path / "parts" / "mim_latest.pth")


def test_full_image_starts_from_masked_modelling(tmp_path):
    masked = _pretraining(tmp_path)
    pretrain(masked, QUIET)
    ways = (Perturbation.BLOCKS, Perturbation.NOISE, Perturbation.LOWRES)
    full = replace(masked, method=Method.FULL, ways=ways, folder=tmp_path / "full", init_from=masked.best)
    result = pretrain(full, QUIET)
    assert result["transferred"] == 110
    assert (tmp_path / "full" / "fullimage_best.pth").is_file()


@pytest.mark.parametrize("way", [way for way in Perturbation if way is not Perturbation.BLOCKS])
def test_perturbations_change_a_picture_and_are_repeatable(way):
    image = (draw_arch(0)[0] / 255).astype(np.float32)[..., None]
    one, two = (perturbed(image, (way,), np.random.default_rng(3)) for _ in range(2))
    assert one.shape == image.shape
    assert one.dtype == np.float32
    assert np.array_equal(one, two)
    assert not np.array_equal(one, image)
    assert one.min() >= 0
    assert one.max() <= 1


def test_masks_never_enter_pretraining(tmp_path, monkeypatch):
    settings = _pretraining(tmp_path)
    opened = []
    from teethscape.segmentation.toothseg import pictures

    real = pictures.decode_picture
    monkeypatch.setattr(
        pictures, "decode_picture", lambda path, flags: (opened.append(path), real(path, flags))[1]
    )
    monkeypatch.setattr(pictures, "read_label_image", lambda path: pytest.fail(f"opened the mask {path}"))
    pretrain(settings, QUIET)
    assert {path.parent.name for path in opened} == {"thyroid-image"}
    assert len(opened) == 6


@pytest.mark.slow
def test_fine_tuning_finds_arches_in_minutes(tmp_path):
    network = NetworkSpec(ModelType.NAC, base=16)  # has every part: gates and context block
    masked = _pretraining(tmp_path, 48, network=network, optimising=Optimising(4, 4, 1e-3, 0.0))
    pretrain(masked, QUIET)
    settings = _tuning(
        tmp_path, 48, network=network, init_from=masked.best, optimising=Optimising(12, 4, 1e-3, 1e-5)
    )
    result = fine_tune(settings, QUIET)
    assert result["transferred"] == len(load_network(settings.best).state_dict()) - 2  # all but the head
    assert result["test_dice"] >= 0.90


def test_a_resumed_fine_tuning_equals_an_uninterrupted_one(tmp_path):
    whole = _tuning(tmp_path)
    once = fine_tune(whole, QUIET)
    parts = replace(whole, folder=tmp_path / "parts")
    fine_tune(replace(parts, optimising=replace(whole.optimising, epochs=1)), QUIET)
    again = fine_tune(replace(parts, resume=True), QUIET)
    assert _same(whole.last, parts.last)
    assert _same(whole.best, parts.best)
    assert once["history"] == again["history"]


def test_it_stops_early_and_stays_stopped(tmp_path):
    settings = _tuning(tmp_path, patience=2, optimising=Optimising(30, 2, 0.0, 0.0))
    result = fine_tune(settings, QUIET)  # without a rate nothing but the batch statistics move
    assert result["stopped_early"]
    assert result["epochs"] < 30
    assert result["history"][-1]["val_dice"] <= result["best_val_dice"]
    again = fine_tune(replace(settings, resume=True), QUIET)
    assert again["epochs"] == result["epochs"]


def test_several_classes_in_colour_by_the_same_code(tmp_path):
    items = find_items(cases(tmp_path / "set", 6, 1))
    settings = FineTuning(
        split(items, SplitRule(val_ratio=0.2, test_ratio=0.2)), tmp_path / "mouth",
        NetworkSpec(inputs=3, outputs=4, base=8), SIZE, class_sets()["mouth"], Optimising(2, 2, 3e-3, 0.0),
    )  # fmt: skip
    result = fine_tune(settings, QUIET)
    assert 0 <= result["test_dice"] <= 1
    for path in (settings.best, settings.last):  # a card beside it, or remembered
        network, card = load_trained(path)
        assert network.spec == settings.network
        assert card == settings.card
    settings.best.with_suffix(".json").write_text("{}")
    with pytest.raises(BadInputError, match="damaged"):
        load_trained(settings.best)


def test_nothing_to_choose_with_is_told(tmp_path):
    with pytest.raises(BadInputError, match="nothing for 'val'"):
        fine_tune(_tuning(tmp_path, 2), QUIET)
