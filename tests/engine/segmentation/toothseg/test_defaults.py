"""Defaults of commands and limits of motions are those of the published scripts (spec, sections 2-7)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from teethscape import cli  # noqa: E402
from teethscape.errors import UsageError  # noqa: E402
from teethscape.segmentation.toothseg import evaluate, finetune, pretrain  # noqa: E402
from teethscape.segmentation.toothseg.augment import FINE_TUNING, PRETRAINING, Motion  # noqa: E402
from teethscape.segmentation.toothseg.masking import BlockMasking, Perturbation  # noqa: E402
from teethscape.segmentation.toothseg.networks import build  # noqa: E402
from teethscape.segmentation.toothseg.spec import ModelType, NetworkSpec  # noqa: E402
from teethscape.segmentation.toothseg.training import Optimising  # noqa: E402

from .arches import folders  # noqa: E402

#: One grey plane in and out, 32 channels, interpolated: 4,317,825 parameters.
PUBLISHED = NetworkSpec(ModelType.UNET, inputs=1, outputs=1, base=32, bilinear=True)
MIM = Optimising(
    epochs=1, batch=4, rate=1e-4, weight_decay=5e-5, seed=42, workers=0, device="cpu", log_interval=50
)


@pytest.fixture
def settings_of(tmp_path, monkeypatch):
    """What a command with the required flags alone would train or score."""
    monkeypatch.chdir(tmp_path)
    torch.save(build(PUBLISHED).state_dict(), "c.pth")
    images, masks = folders(tmp_path, 20)
    data = {"--images-dir": images, "--masks-dir": masks}

    def run(module, function, *arguments, masks_too=True):
        seen = []

        def stop(*settings):
            seen.extend(settings)
            raise UsageError("seen", "Enough is known.", "Stop.")

        monkeypatch.setattr(module, function, stop)
        given = [str(word) for flag, place in data.items() for word in (flag, place)]
        cli.main(["train", "segmenter", *arguments, *(given if masks_too else given[:2]), "--cpu"])
        return seen

    return run


@pytest.mark.parametrize(
    ("method", "optimising"), [("mim", MIM), ("fullimage", replace(MIM, rate=1e-5, weight_decay=1e-5))]
)
def test_pretraining_as_published(settings_of, method, optimising):
    arguments = ["pretrain"] if method == "mim" else ["pretrain", "--method", method]
    settings, _ = settings_of(pretrain, "pretrain", *arguments, masks_too=False)
    assert settings.method is pretrain.Method(method)
    assert settings.optimising == optimising
    assert settings.network == PUBLISHED
    assert settings.size == (224, 320)
    assert settings.masking == BlockMasking(ratio=0.55, smallest=32, largest=96)
    assert settings.ways == (Perturbation.BLOCKS,)
    assert (settings.resume, settings.init_from) == (False, None)
    assert settings.best == Path(f"toothseg/checkpoints_{method}/{method}_best.pth")
    assert settings.latest == Path(f"toothseg/checkpoints_{method}/{method}_latest.pth")


def test_fine_tuning_as_published(settings_of):
    settings, _ = settings_of(finetune, "fine_tune", "finetune")
    assert settings.optimising == replace(MIM, epochs=100, rate=1e-5, weight_decay=1e-5)
    assert (settings.lambda_dice, settings.patience) == (0.2, 20)
    assert (settings.network, settings.size, settings.classes.name) == (PUBLISHED, (224, 320), "teeth")
    parts = settings.split
    assert [len(part) for part in (parts.train, parts.val, parts.test)] == [16, 2, 2]
    assert settings.best == Path("toothseg/checkpoints_finetune/best_model.pth")


def test_evaluation_as_published(settings_of):
    network, evaluation, predictions = settings_of(
        evaluate, "evaluate_network", "evaluate", "--checkpoint", "c.pth"
    )
    assert network.spec == PUBLISHED
    assert (len(evaluation.items), evaluation.lambda_dice, predictions) == (2, 0.2, None)  # a tenth: test
    assert (evaluation.card.size, evaluation.card.classes) == ((224, 320), "teeth")


def test_motions_as_published():
    assert Motion(turn_deg=10.0, shift=0.05, scale=0.05, chance=0.5, flip=0.5) == PRETRAINING
    assert Motion(turn_deg=5.0, shift=0.0, scale=0.0, chance=0.5, flip=0.5) == FINE_TUNING
