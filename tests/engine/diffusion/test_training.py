"""`teethscape train teethdreamer` on a small data set, with the smallest networks, on a CPU."""

from __future__ import annotations

import json
import pickle
import re
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from teethscape import cli
from teethscape.diffusion.config import TINY
from teethscape.diffusion.start import fresh
from teethscape.diffusion.train_batches import Jaws, loader
from teethscape.diffusion.train_data import read_splits
from teethscape.diffusion.train_ema import Smoothed
from teethscape.diffusion.train_run import _check_resume, starts_of
from teethscape.diffusion.train_settings import Places, Settings
from teethscape.diffusion.train_step import TrainingStep, batch_of, fitted, groups, hidden
from teethscape.diffusion.weights_file import read_network
from teethscape.errors import BadInputError, ExitCode

from .training_set import write_set

pytest.importorskip("accelerate", reason="needs accelerate")
SIZE = 64


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("set"), SIZE)


def _train(data, output, *more):
    command = ["train", "teethdreamer", "--data", str(data), "--output", str(output), "--tiny"]
    return cli.main([*command, "--device", "cpu", "--validate-every", "0", *more])


def _log(output):
    lines = (output / "log" / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["train/loss"] for line in lines if "train/loss" in line]


@pytest.mark.slow
def test_a_tiny_training_learns(data, tmp_path):
    """End to end: data, loss that falls, network that loads again, validation picture."""
    more = ["--steps", "60", "--batch", "1", "--rate", "3e-3", "--ema", "0.9", "--clip-gradients", "1"]
    more += ["--train-unet", "--validate-every", "60", "--validate-steps", "2"]
    assert _train(data, tmp_path / "out", *more) == 0
    found = _log(tmp_path / "out")
    assert len(found) == 60
    assert np.mean(found[-15:]) < 0.9 * np.mean(found[:15])
    assert read_network(tmp_path / "out" / "teethdreamer.safetensors").config == TINY
    with Image.open(tmp_path / "out" / "validation" / "00000060.png") as image:
        assert image.size == (16 * SIZE, 2 * SIZE)


@pytest.mark.slow
def test_a_resumed_training_is_the_same(data, tmp_path):
    more = ["--batch", "2", "--accumulate", "2", "--checkpointing", "--ema", "0.5", "--hide-conditions"]
    assert _train(data, tmp_path / "a", "--steps", "3", *more) == 0
    assert _train(data, tmp_path / "b", "--steps", "2", *more) == 0
    assert _train(data, tmp_path / "b", "--steps", "3", *more) == 0
    assert _log(tmp_path / "b") == pytest.approx(_log(tmp_path / "a"), rel=1e-5)
    one, two = (load_file(tmp_path / name / "teethdreamer.safetensors") for name in "ab")
    assert all(torch.allclose(one[name].float(), two[name].float(), atol=1e-3) for name in one)
    assert _train(data, tmp_path / "b", "--steps", "3", *more, "--rate", "1") == ExitCode.BAD_INPUT


def test_another_start_is_no_resumption(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "a.safetensors").write_bytes(b"a")
    places = Places(tmp_path, tmp_path / "out", start=tmp_path / "a.safetensors")
    record = asdict(Settings()) | {"begins_with": starts_of(places)}
    (tmp_path / "out" / "settings.json").write_text(json.dumps(record))
    _check_resume(places, Settings())
    with pytest.raises(BadInputError, match="another start"):
        _check_resume(replace(places, start=None), Settings())
    (tmp_path / "a.safetensors").write_bytes(b"b")
    with pytest.raises(BadInputError, match="another start"):
        _check_resume(places, Settings())
    with pytest.raises(BadInputError, match="does not exist"):
        _check_resume(replace(places, start=tmp_path / "none"), Settings())


def test_settings_that_are_none_are_no_resumption(tmp_path):
    (tmp_path / "settings.json").write_text("[1]")
    with pytest.raises(BadInputError, match=r"settings.json is damaged") as refused:
        _check_resume(Places(tmp_path, tmp_path), Settings())
    assert refused.value.code == "training_other"


@pytest.mark.parametrize("content", [b"", b"no pickle", b"PK\x03\x04 cut"])
def test_a_damaged_file_to_resume_from_is_named(data, tmp_path, capsys, content):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "resume.pt").write_bytes(content)
    assert _train(data, tmp_path / "out", "--steps", "2") == ExitCode.BAD_INPUT
    assert "resume.pt is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("body", [True, False])
def test_photos_are_looked_at_where_their_weights_may_grow(body):
    network = fresh(TINY)
    with torch.no_grad():
        network.unet.body.conv_in.weight[:, 4:] = 0
    groups(network, body=body)
    assert TrainingStep(network).photos_matter is body


def test_what_is_learned_and_how_fast():
    network = fresh(TINY)
    found = groups(network, 1e-4)
    assert [(part["name"], part["lr"]) for part in found] == [
        ("cc_projection", pytest.approx(1e-3)),
        ("depth", pytest.approx(1e-4)),
        ("volumes", pytest.approx(1e-3)),
    ]  # fmt: skip
    learned = {name.split(".")[0] for name, p in network.named_parameters() if p.requires_grad}
    volumes = {"normal_volume", "spatial_volume", "volume_merge", "volume_frustum"}
    assert learned == {"cc_projection", "time_embed", "unet"} | volumes
    assert not any(p.requires_grad for p in network.unet.body.parameters())


def test_published_parts_have_their_published_sizes():
    from teethscape.diffusion.config import OFFICIAL
    from teethscape.diffusion.networks import TeethDreamer

    found = groups(TeethDreamer.empty(OFFICIAL))
    counts = [sum(p.numel() for p in part["params"]) for part in found]
    assert counts == [595_200, 57_321_472, 2 * 29_062_752 + 29_033_024 + 19_288_192 + 131_584]


def test_splits_are_read_in_both_forms(data, tmp_path):
    wanted = {"train": ("p_norm_upper", "p_norm_lower"), "val": ("p_norm_upper",)}
    assert read_splits(data) == wanted
    for content in (
        {name: list(uids) for name, uids in wanted.items()},
        {name: np.array(uids, object) for name, uids in wanted.items()},
        {name: np.array(uids) for name, uids in wanted.items()},
    ):
        (tmp_path / "mv-splits.pkl").write_bytes(pickle.dumps(content))
        assert read_splits(tmp_path) == wanted
    for content in ({"train": []}, {"train": [], "val": []}, {"train": ["x"], "val": []}, [1]):
        (tmp_path / "mv-splits.pkl").write_bytes(pickle.dumps(content))
        with pytest.raises(BadInputError):
            read_splits(tmp_path)
    (tmp_path / "mv-splits.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(BadInputError, match=r"calls (os|posix)\.system"):
        read_splits(tmp_path)


def test_batches_depend_on_the_step_alone(data):
    settings = Settings(steps=4, batch=4, accumulate=2)
    jaws = Jaws(data, ("p_norm_upper", "p_norm_lower"), SIZE, settings)
    whole = list(loader(jaws, 0, (0, 1), 0).batch_sampler)
    assert [len(part) for part in whole] == [2] * 8
    assert list(loader(jaws, 2, (0, 1), 0).batch_sampler) == whole[4:]
    halves = [list(loader(jaws, 0, (rank, 2), 0).batch_sampler) for rank in (0, 1)]
    assert [sorted(a + b) for a, b in zip(*halves, strict=True)] == [sorted(part) for part in whole]
    assert sorted(jaw for part in whole[:1] for _, jaw in part) == [0, 1]  # an epoch holds every jaw once


def test_cameras_of_larger_renders_are_fitted(data):
    large = np.array([[560, 0, 256], [0, 560, 256], [0, 0, 1]], np.float32)
    np.testing.assert_allclose(fitted(large, 256), [[280, 0, 128], [0, 280, 128], [0, 0, 1]])
    jaws = Jaws(data, ("p_norm_upper",), SIZE, Settings())
    batch = batch_of([jaws[0, 0], jaws[1, 0]], SIZE)
    assert batch.targets.shape == (2, 16, 3, SIZE, SIZE)
    assert batch.photos.shape == (2, 12, SIZE, SIZE)
    assert batch.views.shape == (2, 16, 6)


def test_conditions_are_hidden_by_chance():
    x, tokens, volumes = torch.ones(5, 20, 2, 2), torch.ones(5, 4, 3), {2: torch.ones(5, 1, 2, 2, 2)}
    chance = torch.tensor([0.02, 0.07, 0.12, 0.17, 0.5])
    x, tokens, volumes = hidden(chance, x, tokens, volumes)
    assert x[:, :4].all()
    assert x[:, 4:].flatten(1).any(1).tolist() == [False, False, True, True, True]
    assert volumes[2].flatten(1).any(1).tolist() == [False, True, False, True, True]
    assert tokens.flatten(1).any(1).tolist() == [False, True, True, False, True]


def test_smoothed_weights_follow():
    layer = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        layer.weight.fill_(0)
    smoothed = Smoothed(layer, 0.5)
    with torch.no_grad():
        layer.weight.fill_(1)
    smoothed.follow(layer, 1)
    assert float(smoothed.values["weight"]) == pytest.approx(1 - 2 / 11)
    smoothed.follow(layer, 1000)
    assert float(smoothed.values["weight"]) == pytest.approx(1 - 1 / 11)


def test_wrong_calls_are_told(data, tmp_path, capsys):
    assert _train(tmp_path / "none", tmp_path / "o") == ExitCode.BAD_INPUT
    assert _train(data, tmp_path / "o", "--zero123", "x") == ExitCode.USAGE
    assert _train(data, tmp_path / "o", "--steps", "0") == ExitCode.USAGE
    assert _train(data, tmp_path / "o", "--batch", "3", "--accumulate", "2") == ExitCode.USAGE
    assert _train(tmp_path, tmp_path / "o") == ExitCode.BAD_INPUT
    assert "mv-splits.pkl" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--rate", "nan"), ("--rate", "inf"), ("--rate", "-1"), ("--rate", "0"), ("--ema", "2"),
        ("--ema", "1"), ("--ema", "nan"), ("--ema", "-0.1"), ("--clip-gradients", "-1"),
        ("--clip-gradients", "nan"), ("--seed", "-1"), ("--seed", str(2**63)), ("--workers", "-1"),
        ("--validate-every", "-1"), ("--save-every", "0"),
    ],
)  # fmt: skip
def test_impossible_numbers_are_wrong_calls(data, tmp_path, capsys, option, value):
    assert _train(data, tmp_path / "o", f"{option}={value}") == ExitCode.USAGE
    assert re.search(f"{option}:? must be", capsys.readouterr().err)
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("steps", ["0", "1", "1000"])
def test_steps_of_validation_matter_where_there_is_one(data, tmp_path, capsys, steps):
    more = ["--validate-every", "5", "--validate-steps", steps]
    assert _train(data, tmp_path / "o", *more) == ExitCode.USAGE
    assert "--validate-steps must be 2 to 999" in capsys.readouterr().err
    assert _train(data, tmp_path / "o", "--validate-steps", steps, "--batch", "0") == ExitCode.USAGE
    assert "--batch must be" in capsys.readouterr().err


def test_a_cpu_does_not_train_in_half_precision(data, tmp_path, capsys):
    assert _train(data, tmp_path / "o", "--precision", "fp16") == ExitCode.USAGE
    assert "--precision bf16" in capsys.readouterr().err


def test_the_largest_seed_trains(data, tmp_path):
    assert _train(data, tmp_path / "o", "--steps", "1", "--batch", "1", "--seed", str(2**63 - 1)) == 0
