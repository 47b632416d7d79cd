"""Every form of a file of weights, read without running what is in it."""

from __future__ import annotations

import argparse
import json
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from teethscape import cli
from teethscape.errors import BadInputError, ExitCode
from teethscape.weights.catalogue import known_models
from teethscape.weights.convert import Storing, convert
from teethscape.weights.inspect_file import inspect_file
from teethscape.weights.layout import differences, groups_of, layouts, recognise
from teethscape.weights.open_file import open_weights
from teethscape.weights.tensors import FileKind, TensorInfo

DATA = Path(__file__).resolve().parents[3] / "backend" / "teethscape"


def _arrays(path):
    """Name to bytes of all tensors."""
    with open_weights(path) as weights:
        return {
            t.name: (t.shape, t.dtype, b"".join(weights.chunks(t.name))) for t in weights.contents.tensors
        }


@pytest.fixture
def state():
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    torch.manual_seed(1)
    base = torch.randn(6, 4)
    return OrderedDict(
        weight=base, transposed=base.t(), part=base[1:3, 1:], half=base.half(), brain=base.bfloat16(),
        number=torch.tensor(3), empty=torch.zeros(0, 4), flags=torch.tensor([True, False]),
        parameter=torch.nn.Parameter(base[0]),
    )  # fmt: skip


def _expected(state):
    torch = pytest.importorskip("torch")
    out = {}
    for name, tensor in state.items():
        flat = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
        out[name] = (tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), flat.numpy().tobytes())
    return out


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("nested", [True, False])
def test_checkpoints_of_torch_are_read_without_torch(tmp_path, state, zipped, nested):
    torch = pytest.importorskip("torch")
    content = {"state_dict": state, "epoch": 3, "optimizer": {"m": torch.ones(2)}} if nested else state
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    assert _arrays(tmp_path / "a.pth") == _expected(state)
    found = inspect_file(tmp_path / "a.pth")
    assert found["form"] == (FileKind.TORCH_ZIP if zipped else FileKind.TORCH_LEGACY).value
    assert found["foreign_objects"] == []
    assert found["other_tensors"] == (1 if nested else 0)
    assert found["notes"].get("epoch") == (3 if nested else None)


def test_conversion_gives_what_the_official_library_reads(tmp_path, state):
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("safetensors.torch", reason="needs safetensors")
    torch.save(state, tmp_path / "a.pth")
    convert(tmp_path / "a.pth", tmp_path / "a.safetensors", {"who": "me"}, Storing(), lambda share: None)
    loaded = library.load_file(tmp_path / "a.safetensors")
    assert set(loaded) == set(state)
    assert all(torch.equal(loaded[name], state[name]) for name in state)
    assert _arrays(tmp_path / "a.safetensors") == _expected(state)
    with open_weights(tmp_path / "a.safetensors") as weights:
        assert weights.contents.notes["who"] == "me"
    convert(tmp_path / "a.pth", tmp_path / "h.safetensors", {}, Storing(half=True), lambda share: None)
    halved = library.load_file(tmp_path / "h.safetensors")
    assert torch.equal(halved["transposed"], state["transposed"].half())
    assert halved["number"].dtype is torch.int64


def test_torchscript_and_whole_modules_keep_their_names(tmp_path, capsys):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).eval()
    torch.jit.save(torch.jit.trace(net, torch.zeros(1, 3)), tmp_path / "s.pt")
    torch.save(net, tmp_path / "m.pt")
    for name in ("s.pt", "m.pt"):
        assert set(_arrays(tmp_path / name)) == set(net.state_dict())
    assert inspect_file(tmp_path / "s.pt")["foreign_objects"] == []
    assert "torch.nn.modules.container.Sequential" in inspect_file(tmp_path / "m.pt")["foreign_objects"]
    capsys.readouterr()
    assert (
        cli.main(["weights", "convert", str(tmp_path / "m.pt"), "--json"]) == 0
    )  # its objects are made, not called
    assert "torch.nn.modules.container.Sequential" in json.loads(capsys.readouterr().out)["left_out"]
    assert set(_arrays(tmp_path / "m.safetensors")) == set(net.state_dict())


class _Harm:
    """Would make a file if its pickle were run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_is_named_and_never_run(tmp_path, capsys, zipped):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    trap = tmp_path / "trapped"
    content = {"state_dict": {"w": torch.ones(2)}, "x": _Harm(trap)}
    torch.save(content, tmp_path / "a.ckpt", _use_new_zipfile_serialization=zipped)
    assert cli.main(["weights", "inspect", str(tmp_path / "a.ckpt"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["foreign_objects"] == [f"{os.mkdir.__module__}.mkdir"]
    assert "nothing was run" in err
    assert cli.main(["weights", "convert", str(tmp_path / "a.ckpt"), "--json"]) == ExitCode.BAD_INPUT
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "weights_code"
    assert "mkdir" in error["message"]
    assert not trap.exists()
    assert not (tmp_path / "a.safetensors").exists()


def test_what_is_no_tensor_and_no_code_is_left_out(tmp_path, capsys):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    content = {"state_dict": {"w": torch.ones(2)}, "options": argparse.Namespace(rate=1)}
    torch.save(content, tmp_path / "a.ckpt")
    assert cli.main(["weights", "convert", str(tmp_path / "a.ckpt"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["left_out"] == ["argparse.Namespace"]
    assert list(_arrays(tmp_path / "a.safetensors")) == ["w"]


@pytest.mark.parametrize("name", [model.file for model in known_models().values()])
def test_another_network_under_a_published_name_is_refused(tmp_path, capsys, name):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    torch.save({"w": torch.ones(2)}, tmp_path / name)
    assert cli.main(["weights", "convert", str(tmp_path / name), "--json"]) == ExitCode.BAD_INPUT
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "weights_differ"
    assert f"{name} is not" in error["message"]
    assert "missing" in error["message"]
    assert not (tmp_path / name).with_suffix(".safetensors").exists()


def test_a_pickle_cannot_alter_the_reader(tmp_path):
    tampering = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}U\x0c__defaults__)s\x86b."
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("archive/data.pkl", tampering)
    with pytest.raises(BadInputError, match="alters"):
        open_weights(tmp_path / "a.pt")


def test_onnx_and_npz(tmp_path):
    found = inspect_file(DATA / "segmentation" / "data" / "segmenter.onnx")
    assert found["form"] == "onnx"
    assert 1.9e6 < found["parameters"] < 2.1e6
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([1, 2], np.int64)}
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    assert _arrays(tmp_path / "a.npz") == {k: (v.shape, v.dtype.name, v.tobytes()) for k, v in arrays.items()}
    np.savez(tmp_path / "o.npz", o=np.array([{}], object))
    assert inspect_file(tmp_path / "o.npz")["foreign_objects"] == ["numpy objects in o"]


def test_onnx_agrees_with_the_official_library():
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    path = DATA / "segmentation" / "data" / "segmenter.onnx"
    model = onnx.load(str(path))
    wanted = {i.name: tuple(i.dims) for i in model.graph.initializer}
    assert {t["name"]: tuple(t["shape"]) for t in inspect_file(path)["tensors"]} == wanted


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04 no archive", b"\x80\x04N.", b"\x80\x02garbage",
     b"\x10" + bytes(7) + b"{not json at all",
     b"\xff" * 40, b"<html>404</html>"],
)  # fmt: skip
def test_damaged_files_are_refused_in_words(tmp_path, capsys, content):
    path = tmp_path / "schlecht.pth"
    path.write_bytes(content)
    assert cli.main(["weights", "inspect", str(path), "--json"]) == ExitCode.BAD_INPUT
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["code"] == "weights_damaged"
    assert "Traceback" not in err


def test_every_cut_of_a_checkpoint_is_refused(tmp_path, state):
    torch = pytest.importorskip("torch")
    for zipped, source in ((True, "a.pth"), (False, "b.pth")):
        torch.save({"state_dict": state}, tmp_path / source, _use_new_zipfile_serialization=zipped)
        whole = (tmp_path / source).read_bytes()
        for share in np.linspace(0, 0.98, 23):
            (tmp_path / "cut.pth").write_bytes(whole[: int(share * len(whole))])
            with pytest.raises(BadInputError):
                _arrays(tmp_path / "cut.pth")


@pytest.mark.parametrize("length", [128, 128 + 256])
def test_a_header_length_that_looks_like_a_pickle_is_none(tmp_path, length):
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode().ljust(length)
    path = tmp_path / "a.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + header + bytes(8))
    assert path.read_bytes()[:1] == b"\x80"
    with open_weights(path) as weights:
        assert [tensor.name for tensor in weights.contents.tensors] == ["w"]


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(BadInputError, match="does not exist"):
        open_weights(tmp_path / "none.pth")


def test_the_layout_of_teethdreamer_is_that_of_the_specification(shared):
    content = json.loads((shared / "specs" / "statedict-teethdreamer.json").read_text())["state_dict"]
    tensors = [TensorInfo(n, tuple(v["shape"]), v["dtype"]) for n, v in content.items()]
    assert recognise(tensors) == "teethdreamer"
    assert len(tensors) == sum(group.tensors for group in layouts()["teethdreamer"].groups.values())
    wrong = [t for t in tensors if t.name != "time_embed.0.weight"]
    assert recognise(wrong) != "teethdreamer"
    assert "time_embed.0" in differences(wrong, layouts()["teethdreamer"])[0]


def test_groups_do_not_depend_on_the_order():
    tensors = [TensorInfo("a.b.c", (2, 3), "float32"), TensorInfo("a.b.d", (), "float16")]
    assert groups_of(tensors) == groups_of(reversed(tensors))
    assert groups_of(tensors)["a.b"].elements == 7


def test_a_plain_pickle_is_no_checkpoint(tmp_path):
    (tmp_path / "a.bin").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(BadInputError, match="no checkpoint of torch"):
        open_weights(tmp_path / "a.bin")


def test_a_toothseg_network_is_told(tmp_path, capsys):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    from teethscape.segmentation.toothseg.networks import build
    from teethscape.segmentation.toothseg.spec import ModelType, NetworkSpec

    spec = NetworkSpec(ModelType.NAC, base=16, outputs=4)
    torch.save({"model_state_dict": build(spec).state_dict()}, tmp_path / "nac.pth")
    assert inspect_file(tmp_path / "nac.pth")["toothseg"] == spec.to_json()
    assert cli.main(["weights", "inspect", str(tmp_path / "nac.pth")]) == 0
    assert "ToothSeg network: model nac" in capsys.readouterr().err
    state = dict(build(spec).state_dict())
    del state["up2.conv.double_conv.3.weight"]
    torch.save(state, tmp_path / "part.pth")
    assert inspect_file(tmp_path / "part.pth")["toothseg_differences"] == [
        "up2.conv.double_conv.3.weight is missing"
    ]
    assert cli.main(["weights", "convert", str(tmp_path / "part.pth")]) == ExitCode.BAD_INPUT
    assert "looks like a ToothSeg network, but up2" in capsys.readouterr().err
    assert not (tmp_path / "part.safetensors").exists()
    assert cli.main(["weights", "convert", str(tmp_path / "nac.pth")]) == 0
    assert "ToothSeg network nac: names and shapes" in capsys.readouterr().err
    torch.save({"other": torch.zeros(2)}, tmp_path / "other.pth")
    assert inspect_file(tmp_path / "other.pth")["toothseg"] is None


class _View:
    """Pickles as the tensor that torch would rebuild from these numbers."""

    def __init__(self, base, offset, shape, strides):
        self.base, self.numbers = base, (offset, shape, strides)

    def __reduce__(self):
        from torch._utils import _rebuild_tensor_v2

        return _rebuild_tensor_v2, (self.base.untyped_storage(), *self.numbers, False, OrderedDict())


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [(0, (2, 2), (-(10**8), 10**8)), (-40, (4,), (1,)), (0, (-2,), (1,)), (0, (2, 2), (1,)),
     (0, (17,), (1,)), (13, (2, 2), (2, 1)), (0, (2, 2), (10**8, 1)), (0, (3,), (8,))],
)  # fmt: skip
@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_beyond_their_storage_are_refused(tmp_path, offset, shape, strides, zipped):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    content = {"w": _View(torch.zeros(4, dtype=torch.float32), offset, shape, strides)}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(BadInputError, match="a tensor"):
        open_weights(tmp_path / "a.pth")


def test_views_that_fill_their_storage_are_read(tmp_path):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    whole = torch.arange(16.0)
    state = {"last": whole[12:], "column": whole.reshape(4, 4)[:, 3], "wide": whole[:1].expand(3, 2)}
    torch.save(state, tmp_path / "a.pth")
    assert _arrays(tmp_path / "a.pth") == _expected(state)


def test_a_half_copied_archive_is_told(tmp_path, state):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    torch.save(state, tmp_path / "a.ckpt")
    whole = (tmp_path / "a.ckpt").read_bytes()
    (tmp_path / "half.ckpt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInputError, match="ends too early"):
        open_weights(tmp_path / "half.ckpt")
