"""A training whose loss or weights become no numbers: it stops, and what was saved stays whole."""

from __future__ import annotations

import warnings

import pytest
import torch

from teethscape import cli
from teethscape.diffusion import train_step
from teethscape.diffusion.train_data import read_splits
from teethscape.diffusion.train_ema import trained
from teethscape.diffusion.train_finite import LossWatch, are_numbers
from teethscape.diffusion.train_run import Training
from teethscape.diffusion.train_settings import Places, Settings
from teethscape.diffusion.volumes import VolumeBlock
from teethscape.errors import BadInputError, ExitCode

from .training_set import write_set

accelerate = pytest.importorskip("accelerate", reason="needs accelerate")
NAN = float("nan")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("set"), 64)


def _train(data, output, *more):
    command = ["train", "teethdreamer", "--data", str(data), "--output", str(output), "--tiny"]
    return cli.main([*command, "--device", "cpu", "--batch", "1", "--save-every", "1", *more])


def _saved(output):
    return torch.load(output / "resume.pt", weights_only=True)


@pytest.fixture
def breaks_in(monkeypatch):
    """Let the loss of one step become none, or let its gradients do so."""
    losses = train_step.losses

    def arm(step, gradients=False):
        calls = iter(range(1, 100))

        def broken(*arguments):
            colours, normals = losses(*arguments)
            if next(calls) != step:
                return colours, normals
            if gradients:
                colours.register_hook(lambda gradient: gradient * NAN)
            return colours if gradients else colours * NAN, normals

        monkeypatch.setattr(train_step, "losses", broken)

    return arm


@pytest.mark.parametrize(
    ("gradients", "words"), [(False, "In step 3 the loss"), (True, "After step 3 the weights")]
)
def test_what_has_no_numbers_ends_the_training_and_is_not_saved(
    data, tmp_path, capsys, breaks_in, gradients, words
):
    output = tmp_path / "out"
    more = ["--steps", "4", "--ema", "0.5", "--validate-every", "3", "--validate-steps", "2"]
    breaks_in(3, gradients)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert _train(data, output, *more, "--rate", "1e-3") == ExitCode.BAD_INPUT
    told = capsys.readouterr().err
    assert words in told
    assert "smaller --rate; the last save" in told
    content = _saved(output)
    assert content["step"] == 2
    assert are_numbers(content["trained"].values())
    assert not list(output.glob("validation/*"))
    breaks_in(0)
    assert _train(data, output, *more, "--rate", "2e-3") == ExitCode.BAD_INPUT  # no way out of it
    assert _train(data, output, *more, "--rate", "1e-4") == 0
    assert _saved(output)["step"] == 4
    rates = {group["lr"] for group in _saved(output)["optimiser"]["param_groups"]}
    assert max(rates) < 1e-3


def test_only_a_smaller_rate_goes_on():
    former = {"rate": 1e-3}
    assert "rate" not in Settings(rate=1e-4).fits(former)
    assert "rate" not in Settings(rate=1e-3).fits(former)
    assert "rate" in Settings(rate=1e-2).fits(former)
    assert "rate" in Settings(rate=1e-4).fits({"rate": "1"})


@pytest.fixture
def training(data, tmp_path):
    """One step is done and saved."""
    places = Places(data, tmp_path / "out", validate_every=0)
    training = Training(
        places, Settings(steps=1, batch=1, ema=0.5, tiny=True), accelerate.Accelerator(cpu=True),
        read_splits(data),
    )  # fmt: skip
    training.run(lambda *_: None)
    return training


@pytest.mark.parametrize("value", [NAN, float("inf"), -float("inf"), 1e5])  # the last one in half precision
@pytest.mark.parametrize("part", ["weights", "smoothed"])
def test_weights_that_would_spoil_the_files_are_not_saved(training, value, part):
    places = training.places
    before = places.resume.read_bytes(), places.network.read_bytes()
    weights = trained(training.network) if part == "weights" else training.smoothed.values
    with torch.no_grad():
        weights["cc_projection.bias"][3] = value
    with pytest.raises(BadInputError, match="After step 1") as stopped:
        training._save()
    assert stopped.value.code == "training_diverged"
    assert (places.resume.read_bytes(), places.network.read_bytes()) == before


def test_moments_that_would_stop_all_learning_are_not_saved(training):
    next(iter(training.optimiser.state.values()))["exp_avg_sq"].fill_(float("inf"))
    with pytest.raises(BadInputError, match="no numbers"):
        training._save()


def test_a_scaler_may_leave_out_steps_but_not_for_ever(tmp_path):
    with pytest.raises(BadInputError, match="In step 1 the loss"):
        LossWatch(tmp_path / "resume.pt").require(NAN, 1)
    watch = LossWatch(tmp_path / "resume.pt", scaled=True)
    for step in range(19):
        watch.require(NAN, step)
    watch.require(1.0, 19)
    for step in range(20, 39):
        watch.require(float("inf"), step)
    with pytest.raises(BadInputError, match="In step 39 the loss") as stopped:
        watch.require(NAN, 39)
    assert stopped.value.advice == "Give a smaller --rate."  # nothing was saved


def _spoil_memory():
    """What is freed is found again by whoever does not set what he takes."""
    for count in (100, 1000, 5000, 30_000, 100_000, 1_000_000):
        for dtype in (torch.float32, torch.bfloat16):
            torch.full((count,), NAN, dtype=dtype)


@pytest.mark.parametrize(("size", "stride"), [(1, 2), (2, 1)])
def test_small_volumes_in_bf16_have_the_same_gradients_every_time(size, stride):
    torch.manual_seed(0)
    block, x, t = VolumeBlock(16, 16, 8, stride), torch.randn(4, 16, size, size, size), torch.randn(4, 8)
    found = []
    for _ in range(8):
        _spoil_memory()
        block.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            y = block(x, t)
        y.float().square().sum().backward()
        found.append(block.conv.weight.grad.clone())
    assert all(torch.equal(one, found[0]) for one in found)
