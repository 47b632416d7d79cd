"""Checkpoints: every known form is read, none runs code, and the network is recognised."""

from __future__ import annotations

import argparse
from pathlib import PurePosixPath

import pytest

torch = pytest.importorskip("torch")

from teethscape.errors import BadInputError  # noqa: E402
from teethscape.progress import NoProgress  # noqa: E402
from teethscape.segmentation.toothseg.card import Card, note_of, settings_in  # noqa: E402
from teethscape.segmentation.toothseg.checkpoints import (  # noqa: E402
    load_network,
    load_trained,
    network_from,
    read_checkpoint,
    shapes_of,
    transfer,
    weights_of,
)
from teethscape.segmentation.toothseg.expected import expected_shapes, shape_differences  # noqa: E402
from teethscape.segmentation.toothseg.networks import build  # noqa: E402
from teethscape.segmentation.toothseg.resume import remembered  # noqa: E402
from teethscape.segmentation.toothseg.spec import (  # noqa: E402
    PLAIN_NAMES,
    Gates,
    ModelType,
    NetworkSpec,
    recognise,
)
from teethscape.weights.convert_known import convert_any  # noqa: E402

SPECS = [
    NetworkSpec(base=4),
    NetworkSpec(base=4, inputs=3, outputs=4, bilinear=False),
    NetworkSpec(ModelType.SCAG, base=16),
    NetworkSpec(ModelType.SCAG, base=16, gates=Gates.OLD),
    NetworkSpec(ModelType.NAC, base=16, bilinear=False),
    NetworkSpec(ModelType.NAC, base=16, gates=Gates.OLD),
]


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_a_network_is_recognised_by_its_tensors(spec):
    assert recognise(shapes_of(build(spec).state_dict())) == spec


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_names_and_shapes_are_known_without_torch(spec):
    assert expected_shapes(spec) == shapes_of(build(spec).state_dict())


def test_objects_beside_the_weights_are_named_and_the_way_out_too(tmp_path):
    state = build(SPECS[0]).state_dict()
    torch.save({"model": state, "args": {"out": PurePosixPath("a")}}, tmp_path / "c.pth")
    with pytest.raises(BadInputError) as caught:
        read_checkpoint(tmp_path / "c.pth")
    assert "PurePosixPath" in caught.value.message
    assert "\x1b" not in caught.value.message
    assert "weights convert" in caught.value.advice
    convert_any(tmp_path / "c.pth", None, None, NoProgress())
    assert load_network(tmp_path / "c.safetensors").spec == SPECS[0]


@pytest.mark.parametrize("key", ["model_state_dict", "state_dict", "model", None])
def test_every_wrapping_is_read(tmp_path, key):
    state = build(SPECS[0]).state_dict()
    args = argparse.Namespace(lr=1e-4)  # as the published scripts keep it
    torch.save(state if key is None else {key: state, "epoch": 3, "args": args}, tmp_path / "c.pth")
    assert weights_of(read_checkpoint(tmp_path / "c.pth")).keys() == state.keys()


def test_wrappers_and_other_names_of_the_same_tensors_are_understood(tmp_path):
    torch.manual_seed(0)
    network = build(SPECS[2]).eval()
    published = {}
    for name, value in network.state_dict().items():
        if name.startswith("scAG"):
            name = f"scAG{5 - int(name[4])}{name[5:]}"  # counted from the finest level
        published["module." + name.replace("outc.conv.", "outc.")] = value
    torch.save({"state_dict": published}, tmp_path / "c.pth")
    again = load_network(tmp_path / "c.pth")
    picture = torch.rand(1, 1, 32, 48)
    assert torch.equal(again(picture), network(picture))


def test_no_code_is_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"model": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(BadInputError) as caught:
        read_checkpoint(tmp_path / "trap.pth")
    assert caught.value.code == "checkpoint_unsafe"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "checkpoint_damaged"), (b"not a checkpoint", "checkpoint_unsafe"), (None, "file_missing")],
)
def test_unreadable_files_are_told(tmp_path, content, code):
    if content is not None:
        (tmp_path / "c.pth").write_bytes(content)
    with pytest.raises(BadInputError) as caught:
        read_checkpoint(tmp_path / "c.pth")
    assert caught.value.code == code


def test_foreign_and_incomplete_networks_are_refused():
    with pytest.raises(BadInputError, match="ToothSeg"):
        recognise({"conv1.weight": (64, 3, 7, 7)})
    state = dict(build(SPECS[0]).state_dict())
    del state["up2.conv.double_conv.0.weight"]
    with pytest.raises(BadInputError, match=r"not a whole.*: up2\.conv\.double_conv\.0\.weight is missing"):
        network_from(state)


@pytest.mark.parametrize("spec", [SPECS[1], SPECS[3], SPECS[4]], ids=str)
def test_a_network_without_any_one_of_its_tensors_is_recognised_and_told(spec):
    shapes = expected_shapes(spec)
    for name in shapes:
        assert shape_differences({n: s for n, s in shapes.items() if n != name}) == (f"{name} is missing",)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_network_has_the_names_of_the_plain_one(spec):
    assert expected_shapes(spec).keys() >= PLAIN_NAMES
    assert expected_shapes(NetworkSpec()).keys() == PLAIN_NAMES


def test_half_of_a_network_is_recognised_and_less_is_not():
    shapes = expected_shapes(SPECS[0])
    half = dict(list(shapes.items())[: len(shapes) // 2])
    assert recognise(half).base == 4
    assert len(shape_differences(half)) == len(shapes) - len(half)
    with pytest.raises(BadInputError, match="ToothSeg"):
        recognise(dict(list(half.items())[1:]))


@pytest.mark.parametrize("shape", [(4, 1, 3, 3), (), (16, 0, 3, 3)])
def test_a_first_tensor_of_another_shape_does_not_hide_the_network(shape):
    shapes = expected_shapes(SPECS[5]) | {"inc.double_conv.0.weight": shape}
    (told,) = shape_differences(shapes)
    assert told.startswith("inc.double_conv.0.weight is ")


@pytest.mark.parametrize(
    "name",
    ["inc.double_conv.0.weight", "outc.conv.weight", "down4.maxpool_conv.1.double_conv.0.weight"],
)
def test_an_incomplete_network_is_not_converted(tmp_path, name):
    state = dict(build(SPECS[5]).state_dict())
    del state[name]
    torch.save({"model_state_dict": state}, tmp_path / "c.pth")
    with pytest.raises(BadInputError, match=f"looks like a ToothSeg network, but {name} is missing"):
        convert_any(tmp_path / "c.pth", None, None, NoProgress())
    assert not (tmp_path / "c.safetensors").exists()


def test_published_pretrainings_are_told_by_their_command_line(tmp_path):
    args = argparse.Namespace(mask_ratio=0.55, epochs=1)
    torch.save({"model_state_dict": build(SPECS[0]).state_dict(), "args": args}, tmp_path / "mim_best.pth")
    with pytest.raises(BadInputError, match="only pre-trained"):
        load_trained(tmp_path / "mim_best.pth")
    torch.save({"model_state_dict": build(SPECS[0]).state_dict(), "args": argparse.Namespace(lr=1)},
               tmp_path / "tuned.pth")  # fmt: skip
    assert load_trained(tmp_path / "tuned.pth")[0].spec == SPECS[0]


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kept", [argparse.Namespace, dict])
def test_a_converted_pretraining_stays_one(tmp_path, kept, zipped):
    content = {"model_state_dict": build(SPECS[0]).state_dict(), "args": kept(mask_ratio=0.55, epochs=1)}
    torch.save(content, tmp_path / "c.pth", _use_new_zipfile_serialization=zipped)
    convert_any(tmp_path / "c.pth", None, None, NoProgress())
    convert_any(tmp_path / "c.safetensors", tmp_path / "again.safetensors", None, NoProgress())
    for name in ("c.pth", "c.safetensors", "again.safetensors"):
        with pytest.raises(BadInputError, match="only pre-trained"):
            load_trained(tmp_path / name)


@pytest.mark.parametrize("beside", [True, False])
def test_a_converted_network_keeps_its_size_and_classes(tmp_path, beside):
    card = Card(NetworkSpec(base=4, outputs=3), (64, 96), "jaws")
    state = build(card.network).state_dict()
    torch.save(state if beside else {"model_state_dict": state, "args": card.to_json()}, tmp_path / "c.pth")
    if beside:
        card.write(tmp_path / "c.pth")
    (tmp_path / "other").mkdir()
    convert_any(tmp_path / "c.pth", tmp_path / "other" / "n.safetensors", None, NoProgress())
    assert load_trained(tmp_path / "c.pth")[1] == card
    assert load_trained(tmp_path / "other" / "n.safetensors")[1] == card
    assert remembered(tmp_path / "other" / "n.safetensors").size == (64, 96)


def test_a_note_that_is_none_of_ours_is_passed_over():
    assert settings_in({"toothseg": "{"}) == settings_in({"toothseg": "[1]"}) == settings_in({}) == {}
    assert note_of({"epochs": 1}, None) == {}
    assert settings_in(note_of({"mask_ratio": object(), "size": [1, 2]}, None)) == {
        "mask_ratio": None, "size": [1, 2],
    }  # fmt: skip


def test_a_transfer_takes_what_fits_and_leaves_the_head():
    network = build(NetworkSpec(ModelType.NAC, base=16, outputs=4))
    moved = transfer(network, build(NetworkSpec(base=16)).state_dict(), keep_head=False)
    assert len(moved.loaded) == 110 - 2
    assert {"outc.conv.weight", "outc.conv.bias"} <= set(moved.fresh)
    with pytest.raises(BadInputError, match="No tensor"):
        transfer(network, {"a": torch.zeros(1)}, keep_head=True)
