"""``teethscape train segmenter ACTION``: the seed's flags from pictures to report, and mistakes in words."""

from __future__ import annotations

import json

import cv2
import pytest

from teethscape import cli
from teethscape.errors import ExitCode

from .arches import cases, folders, sts

SMALL = ["--base-channels", "4", "--img-height", "32", "--img-width", "48", "--cpu", "--json"]
BLOCKS = ["--min-block-size", "4", "--max-block-size", "12"]


def _run(capsys, *arguments):
    code = cli.main(["train", "segmenter", *map(str, arguments)])
    out = capsys.readouterr().out
    return code, json.loads(out) if out else {}


def test_the_workflow_of_the_seed(tmp_path, capsys, monkeypatch):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    root = sts(tmp_path / "processed_2d", 5, 2)
    data = ["--images-dir", root, "--masks-dir", root, "--val-ratio", 0.2, "--test-ratio", 0.2]
    _pretrains(tmp_path, capsys, root)
    found = _fine_tunes(tmp_path, capsys, data)
    _judges(tmp_path, capsys, data, found)


def _pretrains(folder, capsys, root):
    """Masked modelling, then full-image reconstruction from it."""
    code, found = _run(
        capsys, "pretrain", "--images-dir", root, "--checkpoint-dir", "mim", "--model-type", "unet",
        "--mask-ratio", 0.55, "--visualize", *SMALL, *BLOCKS,
    )  # fmt: skip
    assert (code, found["pictures"], found["epochs"]) == (0, 14, 1)
    assert (folder / "mim" / "samples.html").read_text("utf-8").count("<img") == 16
    code, found = _run(
        capsys, "pretrain", "--method", "fullimage", "--images-dir", root, "--checkpoint-dir", "full",
        "--init-from", "mim/mim_best.pth", "--perturb", "blocks,noise", *SMALL, *BLOCKS,
    )  # fmt: skip
    assert (code, found["transferred"]) == (0, 110)


def _fine_tunes(folder, capsys, data):
    """From the pre-trained checkpoint; a finished training resumes to itself."""
    code, found = _run(
        capsys, "finetune", *data, "--init-from", "mim/mim_best.pth", "--save-dir", "tuned", "--epochs", 2,
        "--cpu", "--json", "--lr", 1e-3,
    )  # fmt: skip
    assert (code, found["transferred"], found["test_pictures"]) == (0, 108, 2)
    card = json.loads((folder / "tuned" / "best_model.json").read_text())
    assert card["size"] == [32, 48]  # taken from the pre-trained checkpoint, like the width
    assert card["network"]["base"] == 4
    code, again = _run(
        capsys, "finetune", *data, "--save-dir", "tuned", "--resume", "--epochs", 2, *SMALL, "--lr", 1e-3
    )
    assert again["history"] == found["history"]
    return found


def _judges(folder, capsys, data, found):
    """Evaluation, report and export of the fine-tuned network."""
    best = "tuned/best_model.pth"
    code, scores = _run(
        capsys, "evaluate", *data, "--checkpoint", best, "--split", "test", "--output", "scores", "--cpu",
        "--json",
    )  # fmt: skip
    assert code == 0
    assert scores["dice"] == pytest.approx(found["test_dice"], abs=1e-5)
    assert len((folder / "scores" / "scores.csv").read_text().splitlines()) == 3
    code, shown = _run(
        capsys, "visualize", *data, "--checkpoint", best, "tuned/last.pth", "--top-k", 1, "--output",
        "r.html", "--json",
    )  # fmt: skip
    assert code == 0
    assert set(shown["models"]) == {"tuned/best_model.pth", "tuned/last.pth"}
    code, _ = _run(capsys, "export", "--checkpoint", best, "--output", "net.onnx", "--json")
    assert code == 0
    assert (folder / "net.onnx").stat().st_size > 10_000


def test_index_and_filter_do_without_torch(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    images, masks = folders(tmp_path / "in", 3)
    code, found = _run(
        capsys,
        "index",
        "--images-dir",
        images,
        "--masks-dir",
        masks,
        "--output",
        tmp_path / "i.csv",
        "--json",
    )
    assert (code, found["pictures"], found["masks"]) == (0, 3, 3)
    code, found = _run(capsys, "fbf", "--images-dir", tmp_path / "in", "--output", tmp_path / "out", "--json")
    assert (code, found["filtered"], found["copied"]) == (0, 3, 3)
    code, _ = _run(capsys, "pretrain", "--images-dir", images)
    assert code == ExitCode.MISSING_COMPONENT


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["pretrain"], 2, "--images-dir"),
        (["pretrain", "--images-dir", "nowhere"], 3, "does not exist"),
        (
            ["pretrain", "--images-dir", "data", "--model-type", "scag", "--base-channels", "8"],
            2,
            "at least 16",
        ),
        (["pretrain", "--images-dir", "data", "--mask-ratio", "1.5"], 2, "between 0 and 1"),
        (["pretrain", "--images-dir", "data", "--perturb", "noise"], 2, "needs blocks"),
        (["pretrain", "--images-dir", "data", "--perturb", "rain"], 2, "'rain'"),
        (["pretrain", "--images-dir", "data", "--init-from", "no.pth"], 3, "does not exist"),
        *[
            ([action, "--images-dir", "data", option, value], 2, words)
            for action, option, value, words in (
                ("pretrain", "--epochs", "0", "Epochs is at least 1"),
                ("pretrain", "--batch-size", "0", "Batch size is at least 1"),
                ("pretrain", "--num-workers", "-1", "Workers is at least 0"),
                ("pretrain", "--base-channels", "0", "Base channels is at least 1"),
                ("pretrain", "--img-height", "0", "too small"),
                ("pretrain", "--img-height", "31", "too small"),
                ("finetune", "--lr", "-1", "Lr is at least 0"),
                ("finetune", "--lr", "nan", "Lr is at least 0"),
                ("finetune", "--seed", "-1", "--seed: must be 0 to"),
                ("finetune", "--workers", "-1", "Workers is at least 0"),
                ("finetune", "--patience", "0", "Patience is at least 1"),
                ("finetune", "--weight-decay", "-1", "Weight decay is at least 0"),
                ("finetune", "--train-subset-size", "-1", "at least 0"),
            )
        ],
        (
            ["finetune", "--images-dir", "data/thyroid-image", "--masks-dir", "data/thyroid-image"],
            3,
            "itself",
        ),
        (["finetune", "--images-dir", "data/thyroid-image"], 3, "has a mask"),
        (
            ["finetune", "--images-dir", "data", "--masks-dir", "data/thyroid-mask", "--split-json", "no"],
            3,
            "split",
        ),
        (
            [
                "evaluate",
                "--images-dir",
                "data",
                "--masks-dir",
                "data/thyroid-mask",
                "--split",
                "all",
                "--checkpoint",
                "no",
            ],
            3,
            "exist",
        ),
        (["frobnicate"], 2, "invalid choice"),
    ],
)
def test_mistakes_are_told_in_words(tmp_path, capsys, monkeypatch, arguments, code, words):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    folders(tmp_path / "data", 3)
    assert cli.main(["train", "segmenter", *arguments]) == code
    err = capsys.readouterr().err
    assert words in err
    assert "Traceback" not in err


def _data(images, masks):
    return ["--images-dir", images, "--masks-dir", masks, "--val-ratio", 0.25, "--test-ratio", 0.25]


def test_a_resumed_training_needs_no_options_and_takes_no_others(tmp_path, capsys, monkeypatch):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    data = ["finetune", *_data(*folders(tmp_path, 8)), "--cpu", "--json"]
    small = ["--base-channels", 4, "--img-height", 32, "--img-width", 48]
    assert _run(capsys, *data, "--save-dir", "a", "--epochs", 1, *small)[0] == 0
    code, found = _run(capsys, *data, "--save-dir", "a", "--epochs", 2, "--resume")
    assert (code, found["epochs"], len(found["history"])) == (0, 2, 2)
    card = json.loads((tmp_path / "a" / "best_model.json").read_text())
    assert (card["size"], card["network"]["base"]) == ([32, 48], 4)
    for other, words in (
        (["--img-height", 64], "size [32, 48], not [64, 48]"),
        (["--base-channels", 8], "base 4, not 8"),
        (["--in-channels", 3], "inputs 1, not 3"),
        (["--classes", "jaws"], "classes teeth, not jaws"),
    ):
        code, answer = _run(capsys, *data, "--save-dir", "a", "--resume", *other)
        assert (code, answer["error"]["code"]) == (ExitCode.BAD_INPUT, "resume_other")
        assert words in answer["error"]["message"]


def test_a_checkpoint_to_resume_is_checked_before_it_replaces_another(tmp_path, capsys, monkeypatch):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    data = ["finetune", *_data(*folders(tmp_path, 8)), "--cpu", "--json", "--epochs", 1]
    small = ["--base-channels", 4, "--img-height", 32, "--img-width", 48]
    assert _run(capsys, *data, "--save-dir", "a", *small)[0] == 0
    last = (tmp_path / "a" / "last.pth").read_bytes()
    code, answer = _run(capsys, *data, "--save-dir", "a", "--resume", "a/best_model.pth")
    assert (code, answer["error"]["code"]) == (ExitCode.BAD_INPUT, "resume_state")
    (tmp_path / "broken.pth").write_bytes(last[:900])
    assert _run(capsys, *data, "--save-dir", "a", "--resume", "broken.pth")[0] == ExitCode.BAD_INPUT
    assert (tmp_path / "a" / "last.pth").read_bytes() == last
    code, found = _run(capsys, *data, "--save-dir", "b", "--resume", "a/last.pth")  # it is over already
    assert (code, found["epochs"], found["checkpoint"]) == (0, 1, "b/last.pth")


def test_the_smallest_pictures_train_with_a_single_one_in_the_last_batch(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    images, _ = folders(tmp_path, 5)
    smallest = ["--base-channels", 2, "--img-height", 32, "--img-width", 32, "--cpu", "--json"]
    arguments = ["pretrain", "--images-dir", images, "--checkpoint-dir", tmp_path / "m", *BLOCKS]
    assert _run(capsys, *arguments, *smallest)[0] == 0


@pytest.mark.parametrize("action", ["pretrain", "finetune"])
def test_a_training_that_diverges_stops_and_keeps_what_was_good(tmp_path, capsys, monkeypatch, action):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    data = _data(*folders(tmp_path, 8)) if action == "finetune" else ["--images-dir", folders(tmp_path, 8)[0]]
    place = ["--save-dir" if action == "finetune" else "--checkpoint-dir", "run"]
    code, answer = _run(capsys, action, *data, *place, "--lr", 1e30, "--batch-size", 1, *SMALL)
    assert (code, answer["error"]["code"]) == (ExitCode.BAD_INPUT, "training_diverged")
    assert not list((tmp_path / "run").glob("*.pth"))


def test_weights_that_are_no_numbers_are_not_scored(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    from teethscape.segmentation.toothseg.networks import build
    from teethscape.segmentation.toothseg.spec import NetworkSpec

    state = build(NetworkSpec(base=4)).state_dict()
    state["inc.double_conv.0.weight"][0] = float("nan")
    torch.save(state, tmp_path / "c.pth")
    images, masks = folders(tmp_path, 4)
    code, answer = _run(
        capsys, "evaluate", *_data(images, masks), "--checkpoint", tmp_path / "c.pth", "--cpu", "--json"
    )
    assert (code, answer["error"]["code"]) == (ExitCode.BAD_INPUT, "checkpoint_damaged")


@pytest.mark.parametrize("action", ["evaluate", "export"])
def test_a_network_that_was_only_pretrained_finds_no_teeth(tmp_path, capsys, monkeypatch, action):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    images, masks = folders(tmp_path, 4)
    assert _run(capsys, "pretrain", "--images-dir", images, "--checkpoint-dir", "m", *SMALL, *BLOCKS)[0] == 0
    data = _data(images, masks) if action == "evaluate" else ["--output", "n.onnx"]
    code, answer = _run(capsys, action, "--checkpoint", "m/mim_best.pth", *data, "--json")
    assert (code, answer["error"]["code"]) == (ExitCode.BAD_INPUT, "checkpoint_unknown")
    assert "only pre-trained" in answer["error"]["message"]
    assert "finetune --init-from" in answer["error"]["advice"]


@pytest.mark.parametrize("action", ["finetune", "evaluate"])
def test_masks_of_another_kind_train_and_judge_nothing(tmp_path, capsys, monkeypatch, action):
    torch = pytest.importorskip("torch")
    from teethscape.segmentation.toothseg.networks import build
    from teethscape.segmentation.toothseg.spec import NetworkSpec

    monkeypatch.chdir(tmp_path)
    torch.save(build(NetworkSpec(base=4)).state_dict(), "c.pth")
    images, masks = folders(tmp_path, 4)
    for path in masks.iterdir():
        cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) // 255)
    arguments = [action, "--images-dir", images, "--masks-dir", masks, "--cpu", "--json"]
    arguments += ["--checkpoint", "c.pth", "--split", "all"] if action == "evaluate" else ["--epochs", 1]
    arguments += [] if action == "evaluate" else ["--val-ratio", 0.25, "--test-ratio", 0.25, *SMALL]
    code, answer = _run(capsys, *arguments)
    assert (code, answer["error"]["code"]) == (ExitCode.BAD_INPUT, "mask_values")
    assert _run(capsys, *arguments, "--mask-values", "labels")[0] == 0


def test_the_shipped_network_is_still_trained_without_an_action(tmp_path, capsys):
    assert (
        cli.main(["train", "segmenter", "--source", str(tmp_path), "--output", str(tmp_path / "n.onnx")]) == 3
    )
    assert "no labelled cases" in capsys.readouterr().err


def test_a_checkpoint_of_another_kind_is_told(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    from teethscape.segmentation.toothseg.networks import build
    from teethscape.segmentation.toothseg.spec import NetworkSpec

    torch.save(build(NetworkSpec(base=4)).state_dict(), tmp_path / "c.pth")
    arguments = [
        "--images-dir",
        cases(tmp_path / "set"),
        "--checkpoint",
        tmp_path / "c.pth",
        "--split",
        "all",
    ]
    code, _ = _run(capsys, "evaluate", *arguments, "--model-type", "nac")
    assert code == ExitCode.BAD_INPUT
    code, scores = _run(capsys, "evaluate", *arguments, "--model-type", "unet", "--cpu", "--json")
    assert (code, scores["pictures"]) == (0, 6)
