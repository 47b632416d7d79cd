"""Parity with the published functions: fixtures of the shared folder (spec, check C1 and C2)."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from teethscape.errors import UsageError  # noqa: E402
from teethscape.segmentation.toothseg.blocks import ContextBlock, DecoderGate, SkipGate  # noqa: E402
from teethscape.segmentation.toothseg.fbf import fast_bilateral  # noqa: E402
from teethscape.segmentation.toothseg.losses import (  # noqa: E402
    dice_loss,
    entropy_loss,
    masked_l1,
    segmentation_loss,
)
from teethscape.segmentation.toothseg.masking import BlockMasking, block_mask  # noqa: E402
from teethscape.segmentation.toothseg.networks import build  # noqa: E402
from teethscape.segmentation.toothseg.pretrain import Method, reconstruction_loss  # noqa: E402
from teethscape.segmentation.toothseg.scores import score  # noqa: E402
from teethscape.segmentation.toothseg.spec import Gates, ModelType, NetworkSpec  # noqa: E402
from teethscape.segmentation.toothseg.splits import SplitRule, halved, shuffled_parts  # noqa: E402

CLOSE = {"atol": 1e-5, "rtol": 1e-4}


@pytest.fixture(scope="module")
def core(shared):
    with np.load(shared / "fixtures" / "seeds" / "toothseg_core.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def info(shared):
    return json.loads((shared / "fixtures" / "seeds" / "toothseg_info.json").read_text("utf-8"))


def _state(core, prefix):
    return {
        name.removeprefix(prefix): torch.from_numpy(np.asarray(value))
        for name, value in core.items()
        if name.startswith(prefix)
    }


def _run(module, core, prefix, *names):
    module.load_state_dict(_state(core, prefix))
    with torch.no_grad():
        return module.eval()(*(torch.from_numpy(core[name]) for name in names)).numpy()


def test_gates_and_context_answer_as_published(core):
    new = _run(DecoderGate(32, 64), core, "scag_sd/", "scag_Fe", "scag_Fd")
    old = _run(SkipGate(32, 64), core, "scag_old_sd/", "scag_Fe", "scag_Fd")
    assert np.allclose(new, core["scag_out"], **CLOSE)
    assert np.allclose(old, core["scag_old_out"], **CLOSE)
    assert np.allclose(_run(ContextBlock(16), core, "nac_sd/", "nac_in"), core["nac_out"], **CLOSE)


def test_losses_and_scores(core):
    logits, targets = torch.from_numpy(core["logits"]), torch.from_numpy(core["targets"])
    assert np.allclose(entropy_loss(logits, targets), core["bce"], **CLOSE)
    assert np.allclose(dice_loss(logits, targets), core["dice_loss"], **CLOSE)
    assert np.allclose(segmentation_loss(logits, targets, 0.2), core["total_lambda02"], **CLOSE)
    each = [score(p[0] >= 0, t[0] > 0.5) for p, t in zip(core["logits"], core["targets"], strict=True)]
    assert np.mean([s.dice for s in each]) == pytest.approx(float(core["dice_score"]), abs=1e-6)
    assert np.mean([s.iou for s in each]) == pytest.approx(float(core["iou_score"]), abs=1e-6)


def test_reconstruction_losses(core):
    predicted, target, mask = (torch.from_numpy(core[f"mim_{n}"]) for n in ("pred", "target", "mask"))
    assert np.allclose(reconstruction_loss(Method.MIM, predicted, target, mask), core["mim_loss"], **CLOSE)
    assert np.allclose(
        reconstruction_loss(Method.FULL, predicted, target, mask), core["fullimage_l1"], **CLOSE
    )
    whole = masked_l1(predicted, target, torch.zeros_like(mask))
    assert np.allclose(whole, core["fullimage_l1"], **CLOSE)


def test_blocks_are_the_published_ones_bit_by_bit(core):
    height, width = core["block_mask_shape"]
    mask = block_mask((int(height), int(width)), BlockMasking(), random.Random(42))
    assert np.array_equal(np.packbits(mask), core["block_mask_seed42"])
    assert mask.mean() == pytest.approx(float(core["block_mask_ratio"]), abs=1e-6)


def test_blocks_overshoot_as_published(core):
    ratios = [block_mask((224, 320), BlockMasking(), random.Random(seed)).mean() for seed in range(200)]
    assert np.mean(ratios) == pytest.approx(float(core["ratio_mean_200"]), abs=1e-5)
    assert min(ratios) == pytest.approx(float(core["ratio_min_200"]), abs=1e-5)
    assert max(ratios) == pytest.approx(float(core["ratio_max_200"]), abs=1e-5)


def test_fast_bilateral_within_one_level(core):
    away = np.abs(fast_bilateral(core["fbf_in"]).astype(int) - core["fbf_out"])
    assert away.max() <= 1


@pytest.mark.parametrize("bilinear", [True, False])
@pytest.mark.parametrize("model", list(ModelType))
def test_numbers_of_parameters_and_tensors(info, model, bilinear):
    expected = info["models"][f"{model}_bilinear={bilinear}"]
    network = build(NetworkSpec(model, bilinear=bilinear))
    assert sum(p.numel() for p in network.parameters()) == expected["params"]
    assert len(network.state_dict()) == expected["state_dict_tensors"]


@pytest.mark.parametrize("model", [ModelType.SCAG, ModelType.NAC])
def test_numbers_of_parameters_of_the_first_version(info, model):
    network = build(NetworkSpec(model, gates=Gates.OLD))
    assert sum(p.numel() for p in network.parameters()) == info["models"][f"old_{model}_params"]


@pytest.mark.parametrize("bilinear", [True, False])
@pytest.mark.parametrize("model", list(ModelType))
def test_odd_sizes_come_back(model, bilinear):
    network = build(NetworkSpec(model, inputs=3, outputs=4, base=16, bilinear=bilinear)).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 221, 317)).shape == (1, 4, 221, 317)


def test_too_narrow_for_gates():
    with pytest.raises(UsageError, match="at least 16"):
        NetworkSpec(ModelType.SCAG, base=8)
    assert NetworkSpec(ModelType.UNET, base=8).base == 8


def test_splits_are_the_published_ones(info):
    names = [f"{k:04d}.png" for k in range(20)]
    parts = shuffled_parts(names, SplitRule())
    expected = info["random_split_20_files_seed42_val0.1_test0.1"]
    assert parts == (expected["train"], expected["val"], expected["test"])
    val, test = halved(names[:10], 42)
    assert {"val": val, "test": test} == info["json_split_val10_seed42"]
