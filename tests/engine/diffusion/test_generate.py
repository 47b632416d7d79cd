"""`teethscape generate` from photos to strips, with the tiny network."""

from __future__ import annotations

import gc
import json
import re
from weakref import ref

import numpy as np
import pytest
import torch
from PIL import Image

from teethscape import cli
from teethscape.dental.fdi import Jaws
from teethscape.dental.request import Device
from teethscape.dental.wishes import Backdrop, MemoryMode
from teethscape.diffusion.card import Card, cast, is_out_of_memory
from teethscape.diffusion.config import TINY
from teethscape.diffusion.generate import GenerateRequest, generate
from teethscape.diffusion.memory import LADDER, Chunking, choose, peaks
from teethscape.diffusion.painter import Painter, Recipe, Watching
from teethscape.diffusion.pictures import MONTAGE_ENDING
from teethscape.diffusion.sources import read_source
from teethscape.diffusion.weights_file import read_network
from teethscape.errors import CancelledError, ExitCode, ResourceError
from teethscape.progress import NoProgress

from .photos import Told


@pytest.fixture(scope="session")
def weights(small_file):
    return small_file


def _request(pictures, weights, output, **more):
    recipe = more.pop("recipe", Recipe(steps=2))
    return GenerateRequest(pictures, output, weights, device=Device.CPU, recipe=recipe, **more)


@pytest.mark.slow
def test_a_strip_per_jaw_resumed_and_the_same_again(pictures, weights, tmp_path):
    told = Told()
    request = _request(pictures, weights, tmp_path / "out", previews=1, recipe=Recipe(steps=3))
    done = generate(request, told)
    assert [one.file.name for one in done] == [f"p_lower{MONTAGE_ENDING}", f"p_upper{MONTAGE_ENDING}"]
    strips = [one.file.read_bytes() for one in done]
    with Image.open(done[0].file) as image:
        assert image.size == (16 * TINY.image_size, TINY.image_size)
    assert "cpu_slow" in told.warnings
    record = json.loads(done[1].file.with_suffix(".json").read_text())
    assert record["jaw"] == "upper"
    assert record["recipe"]["seed"] == 6033
    # the finished jaw stays, the other one is painted anew and comes out the same
    done[1].file.unlink()
    again = generate(request, told)
    assert [one.resumed for one in again] == [True, False]
    assert [one.file.read_bytes() for one in again] == strips
    other = generate(_request(pictures, weights, tmp_path / "out", jaws=Jaws.UPPER,
                              recipe=Recipe(steps=3, seed=1)), told)  # fmt: skip
    assert not other[0].resumed
    assert other[0].file.read_bytes() != strips[1]


@pytest.fixture
def jaw(pictures):
    return read_source(pictures, Jaws.UPPER, Backdrop.AS_GIVEN, NoProgress())[0]


def _painter(weights, rung=2):
    return Painter(read_network(weights), Card(torch.device("cpu"), torch.float32), rung)


def test_cancelling_stops_within_a_call_of_the_network(jaw, weights, tmp_path, pictures):
    painter = _painter(weights)
    calls = []
    painter.network.unet.body.conv_out.register_forward_hook(lambda *_: calls.append(1))
    with pytest.raises(CancelledError):
        painter.paint(jaw, Recipe(steps=5), Watching(Told(patience=8)))
    assert not calls  # not even the first look was finished
    assert all(not layer._forward_pre_hooks for layer in painter.network.modules())
    assert all(weight.is_meta for weight in painter.network.parameters())  # nothing stays, nothing moves
    former = tmp_path / "out" / "preview" / "p_upper.png"
    former.parent.mkdir(parents=True)
    former.touch()
    with pytest.raises(CancelledError):
        generate(_request(pictures, weights, tmp_path / "out"), Told(patience=60))
    assert not list((tmp_path / "out").rglob("*.png"))  # what a former run has shown is gone, too


@pytest.mark.parametrize("patience", [3, 40])  # within an encoder, within the sampling
def test_cancelling_brings_no_weights_back_from_the_card(jaw, weights, monkeypatch, patience):
    painter, told, moved, real = _painter(weights), Told(patience=patience), [], torch.nn.Module.to

    def to(module, *args, **more):
        if told.patience < 0:
            moved.append(str(args[0]))
        return real(module, *args, **more)

    monkeypatch.setattr(torch.nn.Module, "to", to)
    with pytest.raises(CancelledError):
        painter.paint(jaw, Recipe(steps=5), Watching(told))
    assert moved == ["meta"]


@pytest.mark.slow
def test_short_memory_steps_down_and_changes_nothing(jaw, weights):
    told, small = Told(), _painter(weights, len(LADDER) - 1)
    wanted = small.paint(jaw, Recipe(steps=2), Watching(told))
    painter = _painter(weights, 0)
    real = painter.network.unet.forward

    def narrow(x, t, tokens, volumes):
        if len(x) > 4:
            raise torch.OutOfMemoryError("out of memory")
        return real(x, t, tokens, volumes)

    painter.network.unet.forward = narrow
    found = painter.paint(jaw, Recipe(steps=2), Watching(told))
    assert LADDER[painter.rung] == Chunking(4, False)
    assert told.warnings == ["memory_short"] * 3
    np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_no_memory_at_all_is_an_error_in_words(jaw, weights):
    painter = _painter(weights, len(LADDER) - 1)

    def never(*_):
        raise torch.OutOfMemoryError("out of memory")

    painter.network.unet.forward = never
    with pytest.raises(ResourceError, match="one picture at a time"):
        painter.paint(jaw, Recipe(steps=2), Watching(Told()))


def _fails_once(call, error):
    """The same call, whose first one fails."""
    failed = []

    def once(*args, **more):
        if not failed:
            failed.append(1)
            raise error
        return call(*args, **more)

    return once


SHORT = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("GET was unable to find an engine to execute this computation"),
]


@pytest.mark.parametrize("error", SHORT, ids=range(len(SHORT)))
def test_short_memory_is_told_by_type_or_words(error):
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("The size of tensor a must match the size of tensor b"))


@pytest.mark.slow
@pytest.mark.parametrize("part", ["encode", "decode", "clip"])
def test_encoding_and_decoding_try_again_with_more_room(jaw, weights, part):
    wanted = _painter(weights).paint(jaw, Recipe(steps=2), Watching(Told()))
    painter, told = _painter(weights), Told()
    owner, name = (painter.network.clip, "forward") if part == "clip" else (painter.network.vae, part)
    setattr(owner, name, _fails_once(getattr(owner, name), SHORT[1]))
    found = painter.paint(jaw, Recipe(steps=2), Watching(told))
    assert told.warnings == ["memory_short"]
    assert np.array_equal(found, wanted)


@pytest.mark.slow
def test_unfinished_views_without_room_are_left_out(jaw, weights):
    painter, told, shown = _painter(weights), Told(), []
    painter.network.vae.decode = _fails_once(painter.network.vae.decode, SHORT[0])
    painter.paint(jaw, Recipe(steps=4), Watching(told, 1, lambda *_: shown.append(1)))
    assert told.warnings == ["memory_short"]
    assert not shown


def test_other_errors_are_not_taken_for_short_memory(jaw, weights):
    painter = _painter(weights)
    painter.network.clip.forward = _fails_once(painter.network.clip.forward, RuntimeError("a mistake"))
    with pytest.raises(RuntimeError, match="a mistake"):
        painter.paint(jaw, Recipe(steps=2), Watching(Told()))


def test_a_network_goes_without_being_collected(weights):
    network = read_network(weights)
    gone = ref(network.unet), ref(network.unet.middle_conditions)
    gc.disable()
    try:
        del network
        assert [one() for one in gone] == [None, None]
    finally:
        gc.enable()


@pytest.mark.slow
def test_no_network_stays_when_all_is_painted(pictures, weights, tmp_path, monkeypatch):
    made = []

    def remembered(path):
        network = read_network(path)
        made.extend(ref(part) for part in (network.unet.body.conv_in, network.vae, network.clip))
        return network

    monkeypatch.setattr("teethscape.diffusion.generate.read_network", remembered)
    generate(_request(pictures, weights, tmp_path / "out", jaws=Jaws.UPPER), Told())
    assert made
    assert [one() for one in made] == [None] * 3


@pytest.mark.slow
def test_an_overflow_goes_on_in_another_precision(jaw, weights):
    painter = _painter(weights)
    painter.card = Card(torch.device("cpu"), torch.float16)
    for name, part in painter.network.named_children():
        cast(part, torch.float32 if name in ("vae", "clip") else torch.float16)
    real = painter.network.unet.forward

    def overflowing(x, *rest):
        found = real(x, *rest)
        return found * float("inf") if x.dtype is torch.float16 else found

    painter.network.unet.forward = overflowing
    told = Told()
    views = painter.paint(jaw, Recipe(steps=2), Watching(told))
    assert told.warnings == ["half_overflow"]
    assert np.isfinite(views).all()


def test_dead_photo_latents_are_not_made(jaw, weights, monkeypatch):
    painter = _painter(weights)
    with torch.no_grad():
        painter.network.unet.body.conv_in.weight[:, 4:] = 0
    monkeypatch.setattr("teethscape.diffusion.painter.encoded", None)  # would fail if it were called
    generator = torch.Generator().manual_seed(0)
    assert painter.condition(jaw, Recipe(), generator, NoProgress()).photos is None
    with torch.no_grad():
        painter.network.unet.body.conv_in.weight[0, 19, 1, 1] = 1e-3
    with pytest.raises(TypeError):
        painter.condition(jaw, Recipe(), generator, NoProgress())


def test_the_ladder_is_chosen_from_the_free_memory():
    known = peaks()
    assert len(known.steps) == len(LADDER)
    assert list(known.steps) == sorted(known.steps, reverse=True)
    assert choose(80_000_000_000, MemoryMode.AUTO, True) == 0
    assert choose(known.steps[2] + known.margin, MemoryMode.AUTO, True) == 2
    assert choose(1, MemoryMode.AUTO, True) == len(LADDER) - 1
    assert choose(80_000_000_000, MemoryMode.SMALL, True) == len(LADDER) - 1
    assert choose(None, MemoryMode.AUTO, False) == LADDER.index(Chunking(4, True))


def test_the_command_names_what_is_wrong(pictures, tmp_path, capsys):
    assert (
        cli.main(["generate", str(pictures), "--output", str(tmp_path / "o"), "--steps", "1"])
        == ExitCode.BAD_INPUT
    )
    assert (
        cli.main(["generate", str(tmp_path / "none"), "--output", str(tmp_path / "o")]) == ExitCode.BAD_INPUT
    )
    assert "is no folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"),
    [("--seed", "9" * 20), ("--seed", "-1"), ("--guidance", "nan"), ("--guidance", "inf")],
)
def test_impossible_numbers_are_wrong_calls(pictures, tmp_path, capsys, option, value):
    call = ["generate", str(pictures), "--output", str(tmp_path / "o"), f"{option}={value}"]
    assert cli.main(call) == ExitCode.USAGE
    assert re.search(f"{option}:? must be", capsys.readouterr().err)


def test_white_puts_white_behind_black_pictures(pictures):
    jaw = read_source(pictures, Jaws.UPPER, Backdrop.WHITE, NoProgress())[0]
    assert {picture.mode for picture in jaw.pictures} == {"RGBA"}
    from teethscape.diffusion.pictures import network_input

    assert network_input(jaw.pictures[0], 64)[0, 0].tolist() == [1.0, 1.0, 1.0]
    assert network_input(jaw.pictures[0], 64, white=False)[0, 0].tolist() == [-1.0, -1.0, -1.0]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics processor and xformers")
def test_parity_of_xformers_with_pytorch(jaw, weights):
    pytest.importorskip("xformers", reason="needs xformers")
    card = Card(torch.device("cuda"), torch.float16)
    fast = Painter(read_network(weights), card, 0)
    assert fast.attention == "xformers"
    plain = Painter(read_network(weights), card, 0)
    plain.network.unet.body.disable_xformers_memory_efficient_attention()
    views = [one.paint(jaw, Recipe(steps=2), Watching(NoProgress())) for one in (fast, plain)]
    np.testing.assert_allclose(*views, atol=2e-2)
