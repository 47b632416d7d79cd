"""A training that several processes share: copies or parts, and what goes through a save."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from teethscape import cli
from teethscape.diffusion import train_run
from teethscape.diffusion.train_data import read_splits
from teethscape.diffusion.train_ema import trained
from teethscape.diffusion.train_run import Training, _check_strategy
from teethscape.diffusion.train_settings import Places, Settings, Strategy
from teethscape.diffusion.train_share import is_shared, whole, whole_weights
from teethscape.errors import BadInputError, ExitCode, UsageError

from .training_set import write_set

accelerate = pytest.importorskip("accelerate", reason="needs accelerate")
if not torch.distributed.is_available():
    pytest.skip("this PyTorch has no processes that work together", allow_module_level=True)
TINY_RUN = Settings(steps=2, batch=1, rate=1e-3, ema=0.5, clip=0.1, tiny=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("set"), 64)


@pytest.fixture
def alone(tmp_path):
    """A group of one process, in which parameters can be parted all the same."""
    store = f"file://{tmp_path / 'store'}"
    torch.distributed.init_process_group("gloo", init_method=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def _training(places, settings, scaler=None):
    accelerator = accelerate.Accelerator(cpu=True)
    accelerator.scaler = scaler
    return Training(places, settings, accelerator, read_splits(places.data))


def _saved(output):
    return torch.load(output / "resume.pt", weights_only=True)


def _same(one, two, tolerance):
    """Whether two saves hold the same weights and moments; single ones may have hardly any gradient."""
    for name in ("trained", "smoothed"):
        pairs = [(one[name][key], two[name][key]) for key in one[name]]
        assert max(float((a - b).abs().max()) for a, b in pairs) < tolerance
    states = one["optimiser"]["state"], two["optimiser"]["state"]
    moments = [torch.cat([s[k]["exp_avg"].flatten() for k in sorted(s)]) for s in states]
    assert float((moments[0] - moments[1]).norm() / moments[0].norm()) < tolerance


def _run_in_processes(count, command):
    """Run a module or script in processes that work together; of one that crashes the failure tells where."""
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count)]
    done = subprocess.run(
        [*line, *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
        env={**os.environ, "PYTHONFAULTHANDLER": "1"},
    )
    assert done.returncode == 0, done.stderr[-10_000:]


def _ignore(*_):
    """Nobody looks on."""


@pytest.mark.slow
def test_parted_weights_learn_the_same_and_are_saved_whole(data, tmp_path, alone):
    places = Places(data, tmp_path / "whole", validate_every=0)
    _training(places, TINY_RUN).run(_ignore)
    parted = replace(
        places, output=tmp_path / "parted", strategy=Strategy.FSDP, validate_every=2, validate_steps=2
    )
    training = _training(parted, TINY_RUN)
    held = list(trained(training.network).values())
    assert is_shared(training.model)
    assert all(hasattr(parameter, "full_tensor") for parameter in held)
    assert {id(p) for group in training.optimiser.param_groups for p in group["params"]} == set(map(id, held))
    training.run(_ignore)
    assert len(list((parted.output / "validation").glob("*.png"))) == 1
    _same(_saved(places.output), _saved(parted.output), 1e-4)


def test_a_parted_training_goes_on_where_a_whole_one_was_saved(data, tmp_path, alone):
    places = Places(data, tmp_path / "out", validate_every=0)
    former = _training(places, replace(TINY_RUN, steps=1))
    former.run(_ignore)
    before = {name: value.clone() for name, value in former.smoothed.values.items()}
    training = _training(replace(places, strategy=Strategy.FSDP), TINY_RUN)
    assert is_shared(training.model)
    assert training.step == 1
    smoothed = whole(training.smoothed.values)
    assert all(torch.equal(smoothed[name], value) for name, value in before.items())
    with whole_weights(training.model):
        found = trained(training.network)
        assert all(torch.equal(found[name], value) for name, value in trained(former.network).items())
    training.run(_ignore)
    assert _saved(places.output)["step"] == 2


@pytest.mark.parametrize("strategy", list(Strategy))
def test_validated_is_what_is_saved_and_nothing_of_it_stays(data, tmp_path, alone, monkeypatch, strategy):
    places = Places(data, tmp_path / "out", validate_every=1, strategy=strategy)
    training = _training(places, TINY_RUN)
    for value in training.smoothed.values.values():
        value.mul_(0.9)
    seen = {}

    def look(network, *_):
        seen.update({name: value.detach().clone() for name, value in trained(network).items()})
        return 0.0

    class Silent:
        def write(self, *_):
            """Nobody reads it."""

    own, smoothed = whole(trained(training.network)), whole(training.smoothed.values)
    own, smoothed = ({n: v.clone() for n, v in values.items()} for values in (own, smoothed))
    monkeypatch.setattr(train_run, "validate", look)
    training._validate(Silent())
    assert all(torch.equal(seen[name], smoothed[name]) for name in own)
    assert not all(torch.equal(seen[name], own[name]) for name in own)
    after = whole(trained(training.network)), whole(training.smoothed.values)
    assert all(torch.equal(after[0][name], own[name]) for name in own)
    assert all(torch.equal(after[1][name], smoothed[name]) for name in own)


def test_parted_weights_without_numbers_are_not_saved(data, tmp_path, alone):
    places = Places(data, tmp_path / "out", strategy=Strategy.FSDP)
    training = _training(places, TINY_RUN)
    with torch.no_grad():
        list(trained(training.network).values())[-1].to_local().fill_(float("nan"))
    with pytest.raises(BadInputError, match="no numbers"):
        training._save()
    assert not places.resume.exists()


@pytest.mark.slow
def test_processes_stop_together():
    """One of them alone holds weights that are no numbers."""
    _run_in_processes(2, [str(Path(__file__).with_name("stop_together.py"))])


def test_the_scaling_of_gradients_goes_through_a_save(data, tmp_path):
    """Half precision needs a graphics processor, its scaler does not."""

    def scaler(start):
        return torch.amp.GradScaler("cpu", init_scale=start, growth_interval=1)

    places = Places(data, tmp_path / "out", validate_every=0)
    former = _training(places, TINY_RUN, scaler(1024.0))
    former.run(_ignore)
    assert former.accelerator.scaler.get_scale() == 4096.0  # it has grown twice
    later = _training(places, TINY_RUN, scaler(8.0))
    assert later.accelerator.scaler.get_scale() == 4096.0


def test_what_parts_cannot_do_is_refused(data, tmp_path, capsys):
    line = ["train", "teethdreamer", "--data", str(data), "--output", str(tmp_path / "o"), "--tiny"]
    assert cli.main([*line, "--device", "cpu", "--batch", "1", "--strategy", "fsdp"]) == ExitCode.USAGE
    assert "needs several processes" in capsys.readouterr().err
    places = Places(data, tmp_path, strategy=Strategy.FSDP)
    with pytest.raises(UsageError, match="fp16"):
        _check_strategy(places, Settings(precision="fp16"), 2)
    _check_strategy(places, Settings(precision="bf16"), 2)
    _check_strategy(replace(places, strategy=Strategy.DDP), Settings(precision="fp16"), 1)


@pytest.mark.slow
def test_parts_of_several_processes_are_joined():
    script = str(Path(__file__).with_name("join_parts.py"))
    _run_in_processes(3, [script])


@pytest.mark.slow
def test_a_process_leaves_others_without_a_crash():
    """Python's own way would end it by SIGABRT: PyTorch's thread waits for what is taken down."""
    _run_in_processes(2, [str(Path(__file__).with_name("leave_others.py"))])


@pytest.mark.slow
def test_two_processes_learn_the_same_as_copies_and_as_parts(data, tmp_path):
    """Always from one state: a fresh network makes much of the last digits of its weights."""

    def run(name, strategy, steps, start=None):
        output = tmp_path / name
        if start:
            shutil.copytree(tmp_path / start, output)
        command = ["-m", "teethscape", "train", "teethdreamer", "--data", str(data), "--tiny"]
        command += ["--device", "cpu", "--output", str(output), "--strategy", strategy, "--steps", str(steps)]
        command += ["--batch", "4", "--accumulate", "2", "--rate", "1e-3", "--ema", "0.5", "--train-unet"]
        command += ["--clip-gradients", "0.1", "--checkpointing", "--validate-every", "0"]
        _run_in_processes(2, command)
        return _saved(output)

    parts = run("parts", "fsdp", 1)
    _same(run("copies", "ddp", 1), parts, 1e-5)
    _same(run("copies on", "ddp", 2, "parts"), run("parts on", "fsdp", 2, "parts"), 1e-5)
    one, two = (load_file(tmp_path / name / "teethdreamer.safetensors") for name in ("copies on", "parts on"))
    assert all(torch.allclose(one[name].float(), two[name].float(), atol=1e-3) for name in one)
