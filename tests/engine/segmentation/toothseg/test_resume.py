"""A training goes on with the pictures, rate and weight decay that it began with, or not at all."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")

from teethscape import cli  # noqa: E402
from teethscape.errors import BadInputError, ExitCode  # noqa: E402
from teethscape.segmentation.toothseg.checkpoints import read_checkpoint, save  # noqa: E402
from teethscape.segmentation.toothseg.index import Item  # noqa: E402
from teethscape.segmentation.toothseg.networks import build  # noqa: E402
from teethscape.segmentation.toothseg.resume import resumable  # noqa: E402
from teethscape.segmentation.toothseg.spec import NetworkSpec  # noqa: E402
from teethscape.segmentation.toothseg.splits import Split, other_parts  # noqa: E402

from .arches import folders  # noqa: E402

SMALL = ["--base-channels", 4, "--img-height", 32, "--img-width", 48]
RATIOS = ["--val-ratio", 0.25, "--test-ratio", 0.25]


def _split(*parts):
    return Split(*(tuple(Item(name, "x") for name in part) for part in parts))


def test_digests_tell_splits_apart_by_their_names_alone():
    known = _split("ab", "c", "d").digests
    assert other_parts(known, _split("ba", "c", "d").digests) == ()
    assert other_parts(known, _split("ac", "b", "d").digests) == ("train", "val")
    assert other_parts({}, known) == ()
    assert _split(["ab"], "c", "d").digests["train"] != known["train"]


def _checkpoint(path, **args):
    network = build(NetworkSpec(base=4))
    state = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=0.0).state_dict()
    save(path, {"model_state_dict": network.state_dict(), "optimizer_state_dict": state, "args": args})
    return path


@pytest.mark.parametrize(
    ("args", "settings", "words"),
    [
        ({"split": {"train": "a", "val": "b"}}, {"split": {"train": "c", "val": "b"}}, "pictures for train"),
        ({}, {"lr": 1e-4}, "lr 0.001, not 0.0001"),
        ({}, {"weight_decay": 1e-4}, "weight decay 0.0, not 0.0001"),
        ({"split": {"train": "a"}}, {"split": {"train": "a"}, "lr": 1e-3, "weight_decay": 0.0}, ""),
        ({}, {"split": {"train": "a"}}, ""),
        ({"split": "damaged"}, {"split": {"train": "a"}}, ""),
    ],
)
def test_another_split_and_other_steps_are_refused(tmp_path, args, settings, words):
    path = _checkpoint(tmp_path / "last.pth", **args)
    if not words:
        assert resumable(path, settings)["args"] == args
        return
    with pytest.raises(BadInputError, match=words) as caught:
        resumable(path, settings)
    assert caught.value.code == "resume_other"


def _run(capsys, *arguments):
    code = cli.main(["train", "segmenter", *map(str, arguments), "--cpu", "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out), captured.err


@pytest.fixture
def trained(tmp_path, capsys, monkeypatch):
    """The options of the data on which ``a/best_model.pth`` was trained."""
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    images, masks = folders(tmp_path, 8)
    data = ["--images-dir", images, "--masks-dir", masks]
    steps = ["--epochs", 1, "--lr", 1e-3, "--train-subset-size", 3]
    assert _run(capsys, "finetune", *data, *RATIOS, *SMALL, *steps, "--save-dir", "a")[0] == 0
    return data


def test_the_command_keeps_split_and_steps(trained, capsys):
    again = ["finetune", *trained, *SMALL, "--epochs", 1, "--save-dir", "a", "--resume"]
    subset = ["--train-subset-size", 3]
    code, _, _ = _run(capsys, *again, *RATIOS, *subset, "--lr", 1e-3)
    assert code == 0
    for other, words in (
        ([*RATIOS, *subset, "--seed", 7], "other pictures for train, val, test"),
        (["--val-ratio", 0.125, "--test-ratio", 0.25, *subset], "other pictures for"),
        (RATIOS, "other pictures for train"),
        ([*RATIOS, *subset, "--lr", 1e-2], "lr 0.001, not 0.01"),
        ([*RATIOS, *subset, "--weight-decay", 0.5], "weight decay 1e-05, not 0.5"),
    ):
        code, answer, _ = _run(capsys, *again, *other)
        assert (code, answer["error"]["code"]) == (ExitCode.BAD_INPUT, "resume_other")
        assert words in answer["error"]["message"]


@pytest.mark.parametrize("name", ["best_model.pth", "last.pth"])
def test_scores_on_another_split_are_told(trained, capsys, name):
    score = ["evaluate", *trained, "--checkpoint", f"a/{name}"]
    for options, told in (
        (RATIOS, False),
        ([*RATIOS, "--split", "val"], False),
        ([*RATIOS, "--seed", 7], True),
        ([*RATIOS, "--seed", 7, "--split", "val"], True),
        (["--split", "all"], False),
        ([*RATIOS, "--seed", 7, "--split", "train"], False),
    ):
        code, scores, err = _run(capsys, *score, *options)
        assert (code, bool(scores["notices"]), "split_other" in err) == (0, told, told)
    code, shown, _ = _run(capsys, "visualize", *score[1:], *RATIOS, "--seed", 7, "--top-k", 1)
    assert (code, len(shown["notices"])) == (0, 1)


def test_checkpoints_without_a_split_go_on_and_are_scored(trained, capsys, tmp_path):
    content = read_checkpoint(tmp_path / "a" / "last.pth")
    del content["args"]["split"]
    save(tmp_path / "a" / "last.pth", content)
    score = ["evaluate", *trained, *RATIOS, "--seed", 7, "--checkpoint", "a/last.pth"]
    assert _run(capsys, *score)[1]["notices"] == []
    again = ["finetune", *trained, *RATIOS, "--seed", 7, "--save-dir", "a", "--resume", "--epochs", 1]
    assert _run(capsys, *again)[0] == 0
