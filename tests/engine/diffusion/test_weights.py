"""Published files into the networks and out again; the start from Zero-1-to-3."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from teethscape.diffusion.condition import photos_matter
from teethscape.diffusion.config import OFFICIAL, TINY, NetworkConfig
from teethscape.diffusion.names import UNUSED, place_of
from teethscape.diffusion.networks import TeethDreamer, load
from teethscape.diffusion.start import adapted, clip_tensors, fresh, from_zero123
from teethscape.diffusion.weights_file import CONFIG_NOTE, read_network, state_of, weights_of, write_network
from teethscape.errors import BadInputError, MissingComponentError
from teethscape.weights import store
from teethscape.weights.tensor_table import SCHEDULE, clip, teethdreamer

from .sizes import FIXTURE


def test_all_1817_published_names_load_at_full_size():
    network = TeethDreamer.empty(OFFICIAL)
    state = {name: torch.empty(shape, device="meta") for name, shape in teethdreamer().shapes.items()}
    assert len(state) == 1817
    report = load(network, state)
    assert report.missing == ()
    assert report.unexpected == ()
    assert set(report.unused) == set(UNUSED)
    elements = sum(tensor.numel() for tensor in network.state_dict().values())
    assert elements == sum(t.numel() for name, t in state.items() if name not in UNUSED)


def test_what_is_written_is_what_was_read(tiny, tiny_file, tmp_path):
    write_network(tmp_path / "a.safetensors", FIXTURE, tiny.state_dict(), half=True)
    found, wanted = load_file(tmp_path / "a.safetensors"), load_file(tiny_file)
    names = [name for name in wanted if name not in UNUSED]
    assert set(found) == {*names, *SCHEDULE}
    assert all(torch.equal(found[name], wanted[name]) for name in names)
    again = read_network(tmp_path / "a.safetensors")
    assert again.config == FIXTURE
    assert torch.equal(again.cc_projection.weight, wanted["cc_projection.weight"])


def test_a_network_with_a_tensor_too_few_is_refused(tiny, tmp_path):
    state = state_of(tiny.state_dict())
    del state["time_embed.0.weight"]
    save_file(state, tmp_path / "a.safetensors", {CONFIG_NOTE: json.dumps(FIXTURE.to_json())})
    with pytest.raises(BadInputError, match=r"1 missing \(time_embed.0.weight\)"):
        read_network(tmp_path / "a.safetensors")
    save_file(state, tmp_path / "b.safetensors")  # without a note it must be the published network
    with pytest.raises(BadInputError, match="not teethdreamer as published"):
        read_network(tmp_path / "b.safetensors")


def test_weights_that_are_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(MissingComponentError, match="weights import"):
        weights_of(None)
    torch.save({"w": torch.ones(2)}, tmp_path / "a.ckpt")
    with pytest.raises(BadInputError, match="weights convert"):
        weights_of(tmp_path / "a.ckpt")
    with pytest.raises(BadInputError, match="does not exist"):
        weights_of(tmp_path / "none.safetensors")


def test_sizes_survive_the_notes():
    for config in (FIXTURE, TINY, OFFICIAL):
        assert NetworkConfig.from_json(json.loads(json.dumps(config.to_json())), "a.safetensors") == config


@pytest.mark.parametrize(
    ("note", "words"),
    [
        ("{nope", "no JSON"), ("[" * 100_000, "no JSON"), ("[1]", "no list"), ("null", "no list"),
        ('{"unknown": 3}', "'unknown' is not known"), ('{"image_size": "x"}', "whole number"),
        ('{"image_size": true}', "whole number"), ('{"image_size": 64.0}', "whole number"),
        ('{"image_size": 4000000}', "at most 1024"), ('{"image_size": 100}', "multiple of 64"),
        ('{"heads": 0}', "above 0"), ('{"heads": 7}', "7 heads"), ('{"clip_heads": 5}', "5 clip_heads"),
        ('{"near": NaN}', "near must be"), ('{"near": 3}', "less than far"),
        ('{"far": Infinity}', "far must be"), ('{"unet_channels": [8, 8]}', "must be 4 numbers"),
        ('{"unet_channels": 8}', "must be 4 numbers"), ('{"vae_channels": [8, 8, 8, -8]}', "above 0"),
        ('{"vae_channels": [32, 33, 64, 64]}', "suit each other"),
    ],
)  # fmt: skip
def test_a_tampered_note_is_refused_in_words(tmp_path, note, words):
    save_file({"w": torch.ones(1)}, tmp_path / "a.safetensors", {CONFIG_NOTE: note})
    with pytest.raises(BadInputError, match=words) as refused:
        read_network(tmp_path / "a.safetensors")
    assert refused.value.code == "weights_differ"
    assert "a.safetensors" in refused.value.message


@pytest.fixture
def zero123_state(tiny):
    """Zero-1-to-3's form of the tiny network: 8 input channels, a projection of 772."""
    state = {
        name: tensor.clone()
        for name, tensor in state_of(tiny.state_dict()).items()
        if name.startswith(("model.", "first_stage_model.", "cc_projection.")) and "_conditions." not in name
    }
    first = "model.diffusion_model.input_blocks.0.0.weight"
    state[first] = state[first][:, :8].contiguous()
    state["cc_projection.weight"] = state["cc_projection.weight"][:, :772].contiguous()
    return state | {"model_ema.decay": torch.ones(())}


def _clip_state(network):
    state = state_of(network.state_dict())
    part = "clip_image_encoder.model."
    return {n.removeprefix(part): t for n, t in state.items() if n.startswith(part)}


def test_zero123_starts_a_training_with_its_channels_fitted(tiny, zero123_state, tmp_path):
    save_file(zero123_state, tmp_path / "z.safetensors")
    save_file({n: t.contiguous() for n, t in _clip_state(tiny).items()}, tmp_path / "c.safetensors")
    torch.manual_seed(0)
    network = from_zero123(FIXTURE, tmp_path / "z.safetensors", tmp_path / "c.safetensors")
    weight = network.unet.body.conv_in.weight
    assert torch.equal(weight[:, :4], tiny.unet.body.conv_in.weight[:, :4])
    assert not weight[:, 4:].any()
    assert not photos_matter(network)
    assert photos_matter(tiny)
    projection = network.cc_projection.weight
    assert torch.equal(projection[:, :772], tiny.cc_projection.weight[:, :772])
    assert not projection[:, 772:].any()
    ending = "unet.output_conditions.3.proj_out.5.weight"
    assert not network.get_parameter(ending).any()
    found, wanted = network.state_dict(), tiny.state_dict()
    assert all(torch.equal(found[n], wanted[n]) for n in wanted if n.startswith(("vae.", "clip.")))


def test_clip_is_known_under_both_names(tiny):
    openai = clip_tensors(_clip_state(tiny), "a.pt")
    transformers = clip_tensors(dict(tiny.clip.state_dict()) | {"text_model.x": torch.ones(1)}, "a.pt")
    assert set(openai) == set(transformers) == {f"clip.{n}" for n in tiny.clip.state_dict()}
    assert all(torch.equal(openai[n], transformers[n]) for n in openai)
    assert {t for n in clip().shapes for t in place_of(f"clip_image_encoder.model.{n}").targets} >= set(
        openai
    )
    with pytest.raises(BadInputError, match=r"a\.pt holds no CLIP"):
        clip_tensors({"w": torch.ones(1)}, "a.pt")
    with pytest.raises(BadInputError, match=r"visual\.odd, which fits nowhere"):
        clip_tensors({"visual.odd": torch.ones(1)}, "a.pt")


def test_half_an_image_encoder_is_no_start(tiny, zero123_state, tmp_path):
    save_file(zero123_state, tmp_path / "z.safetensors")
    clip_state = {n: t.contiguous() for n, t in _clip_state(tiny).items()}
    del clip_state["visual.proj"]
    save_file(clip_state, tmp_path / "c.safetensors")
    with pytest.raises(BadInputError, match="no whole CLIP"):
        from_zero123(FIXTURE, tmp_path / "z.safetensors", tmp_path / "c.safetensors")


def test_a_foreign_start_is_refused(tiny, zero123_state, tmp_path):
    zero123_state["model.diffusion_model.out.2.bias"] = torch.ones(7)
    save_file(zero123_state, tmp_path / "z.safetensors")
    save_file({n: t.contiguous() for n, t in _clip_state(tiny).items()}, tmp_path / "c.safetensors")
    with pytest.raises(BadInputError, match="fit nowhere"):
        from_zero123(FIXTURE, tmp_path / "z.safetensors", tmp_path / "c.safetensors")


_FIRST = "model.diffusion_model.input_blocks.0.0.weight"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({_FIRST: None}, "is not zero123-xl: .*0.0.weight is missing"),
        ({_FIRST: torch.ones(2)}, "0.0.weight has another shape"),
        ({"cc_projection.weight": None}, "cc_projection.weight is missing"),
        ({"cc_projection.weight": torch.ones(768, 900)}, "cc_projection.weight has another shape"),
        ({"model.diffusion_model.odd": torch.ones(2)}, "odd, which fits nowhere"),
        ({"model.diffusion_model.out.2.bias": None}, "no whole zero123-xl: 1 tensors"),
    ],
)
def test_other_files_than_zero123_are_refused_at_small_sizes(tiny, zero123_state, tmp_path, change, words):
    state = {name: tensor for name, tensor in (zero123_state | change).items() if tensor is not None}
    save_file(state, tmp_path / "z.safetensors")
    save_file({n: t.contiguous() for n, t in _clip_state(tiny).items()}, tmp_path / "c.safetensors")
    with pytest.raises(BadInputError, match=words) as refused:
        from_zero123(FIXTURE, tmp_path / "z.safetensors", tmp_path / "c.safetensors")
    assert refused.value.code == "weights_differ"


def test_without_a_start_tokens_pass_through(tiny):
    network = fresh(FIXTURE)
    assert torch.equal(network.cc_projection.weight[:, :768], torch.eye(768))
    assert adapted(network, {"model.diffusion_model.input_blocks.0.0.weight": torch.ones(32, 8, 3, 3),
                             "cc_projection.weight": torch.ones(768, 772)})  # fmt: skip
