"""TeethDreamer.ckpt, zero123-xl.ckpt and ViT-L-14.pt: checked tensor by tensor, written in half precision.

The files here have the published names and shapes, but all tensors share a few bytes: a full-size
checkpoint takes 6 GB.
"""

from __future__ import annotations

import json
import os
import zipfile

import pytest

from teethscape import cli
from teethscape.errors import BadInputError, ExitCode
from teethscape.progress import NoProgress
from teethscape.weights import store
from teethscape.weights.install import import_path, verify
from teethscape.weights.layout import Layout, groups_of, recognise
from teethscape.weights.open_file import open_weights
from teethscape.weights.tensor_table import (
    FIRST,
    PHOTO_CHANNELS,
    TEXT,
    clip,
    compare,
    require_table,
    table_of,
    teethdreamer,
    zero123,
)
from teethscape.weights.tensors import Contents, FileKind, TensorInfo

torch = pytest.importorskip("torch", reason="needs PyTorch")


def _zeros(shapes):
    """Tensors without memory: all elements are one."""
    zero = torch.zeros(1)
    return {name: zero.expand(shape) if shape else zero[0] for name, shape in shapes.items()}


def _infos(shapes):
    return [TensorInfo(name, shape, "float32") for name, shape in shapes.items()]


def test_the_table_is_that_of_the_specification(shared):
    content = json.loads((shared / "specs" / "statedict-teethdreamer.json").read_text())["state_dict"]
    assert dict(teethdreamer().shapes) == {name: tuple(entry["shape"]) for name, entry in content.items()}
    assert len(teethdreamer().shapes) == 1817


def test_the_tables_tell_the_networks_apart():
    for table in (teethdreamer(), zero123(), clip()):
        assert table_of(_infos(table.shapes)) is table
        assert compare(_infos(table.shapes), table).words() == []
        assert recognise(_infos(table.shapes)) == table.model  # the digests say the same
    assert table_of(_infos({"w": (3,)})) is None


@pytest.mark.parametrize("kept", ["cc_projection.weight", "input_blocks.0.0.weight", "spatial_volume"])
def test_a_damaged_teethdreamer_is_not_taken_for_what_it_began_with(kept):
    """Its own tensors are lost but for one kind; the message names them."""
    zero = zero123().shapes
    shapes = zero | {n: s for n, s in teethdreamer().shapes.items() if kept in n}
    infos = tuple(_infos(shapes))
    with pytest.raises(BadInputError, match=r"not teethdreamer as published: .*time_embed.*missing"):
        require_table("a.ckpt", Contents(FileKind.TORCH_ZIP, infos), table_of(infos))
    assert table_of(_infos(zero)) is zero123()
    assert table_of(_infos(zero), "TeethDreamer.ckpt") is teethdreamer()


def test_a_teethdreamer_without_depth_and_volumes_lacks_these():
    shapes = {n: s for n, s in teethdreamer().shapes.items() if "depth" not in n and "volume" not in n}
    infos = tuple(_infos(shapes))
    with pytest.raises(BadInputError, match=r"not teethdreamer as published: 438 tensors .*volume.*missing"):
        require_table("a.ckpt", Contents(FileKind.TORCH_ZIP, infos), table_of(infos))


def test_what_differs_is_named():
    shapes = dict(teethdreamer().shapes)
    del shapes["time_embed.0.weight"]
    shapes["cc_projection.weight"] = (768, 772)
    shapes["extra.bias"] = (3,)
    for name in TEXT | {"betas"}:  # nothing reads them
        del shapes[name]
    words = "; ".join(compare(_infos(shapes), teethdreamer()).words())
    assert "1 tensor is (time_embed.0.weight) missing" in words
    assert "extra.bias) not known" in words
    assert "cc_projection.weight: 768x772, not 768x774" in words
    assert "betas" not in words
    assert "1 tensor is" in words


@pytest.fixture
def cut_table(monkeypatch):
    """The published networks cut to a few tensors, so that whole files stay small."""
    from teethscape.weights import tensor_table

    names = ["betas", "time_embed.0.weight", "time_embed.0.bias", "cc_projection.bias"]
    short = tensor_table.Table(
        "teethdreamer", {n: teethdreamer().shapes[n] for n in names}, frozenset({"betas"})
    )
    zero123(), clip()  # these are told from the whole table, once
    monkeypatch.setattr(tensor_table, "teethdreamer", lambda: short)
    return short


@pytest.fixture
def state(cut_table):
    torch.manual_seed(0)
    return {name: torch.rand(shape) for name, shape in cut_table.shapes.items()}


def _convert(path, *more):
    return cli.main(["weights", "convert", str(path), "--json", *more])


def test_a_checkpoint_becomes_half_precision_beside_it(tmp_path, state, capsys):
    library = pytest.importorskip("safetensors.torch", reason="needs safetensors")
    content = {"state_dict": state, "optimizer_states": [{"m": torch.ones(2)}], "epoch": 3}
    torch.save(content, tmp_path / "TeethDreamer.ckpt")
    assert _convert(tmp_path / "TeethDreamer.ckpt") == ExitCode.DONE
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert (found["model"], found["checked"], found["beside"]) == ("teethdreamer", 4, 1)
    assert found["photos_matter"] is None  # this cut one has no such convolution
    assert "all 4 tensors are as published" in err
    written = library.load_file(tmp_path / "TeethDreamer.safetensors")
    assert torch.equal(written["time_embed.0.weight"], state["time_embed.0.weight"].half())
    assert torch.equal(written["betas"], state["betas"])  # the schedule stays exact
    assert _convert(tmp_path / "TeethDreamer.safetensors") == ExitCode.USAGE


@pytest.mark.parametrize("more", [[], ["--no-half"]])
@pytest.mark.parametrize(
    ("value", "matter", "words"),
    [(0.0, False, "have no effect"), (-0.0, False, "have no effect"), (0.01, True, "have an effect")],
)
def test_whether_the_photos_latents_have_an_effect_is_told(
    tmp_path, state, cut_table, capsys, value, matter, words, more
):
    first = torch.rand((8, 20, 3, 3))
    first[:, 4:] = 0
    first[-1, -1, -1, -1] = value
    state[FIRST] = first
    cut_table.shapes[FIRST] = tuple(first.shape)
    torch.save({"state_dict": state}, tmp_path / "TeethDreamer.ckpt")
    assert _convert(tmp_path / "TeethDreamer.ckpt", *more) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert json.loads(out)["photos_matter"] is matter
    assert words in err


def test_the_photos_channels_are_those_that_the_engine_looks_at():
    condition = pytest.importorskip("teethscape.diffusion.condition", reason="needs the full profile")
    assert condition.LATENTS == PHOTO_CHANNELS


def test_a_checkpoint_with_other_tensors_is_refused(tmp_path, state, capsys):
    del state["cc_projection.bias"]
    state["foreign"] = torch.ones(1)
    torch.save({"state_dict": state}, tmp_path / "a.ckpt")
    assert _convert(tmp_path / "a.ckpt") == ExitCode.BAD_INPUT
    message = json.loads(capsys.readouterr().out)["error"]["message"]
    assert "(cc_projection.bias) missing" in message
    assert "(foreign) not known" in message
    assert not (tmp_path / "a.safetensors").exists()


class _Harm:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_checkpoint_with_code_is_refused_and_not_run(tmp_path, state, capsys):
    torch.save({"state_dict": state, "hyper_parameters": _Harm(tmp_path / "trapped")}, tmp_path / "a.ckpt")
    assert _convert(tmp_path / "a.ckpt") == ExitCode.BAD_INPUT
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "weights_code"
    assert "mkdir" in error["message"]
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize(
    "full",
    ["numpy.testing._private.utils.runstring", "torch.hub.load", "torch.utils.cpp_extension.load_inline",
     "pathlib.Path.unlink", "torch.storage._load_from_bytes", "builtins.getattr", "typing.get_type_hints",
     "argparse._sys.exit"],
)  # fmt: skip
def test_functions_of_well_known_packages_are_code_too(full):
    contents = Contents(FileKind.TORCH_ZIP, tuple(_infos(clip().shapes)), foreign=(full,))
    with pytest.raises(BadInputError, match="would call") as refused:
        require_table("a.ckpt", contents, clip())
    assert full in refused.value.message


def test_what_training_programs_leave_is_no_code():
    left = (
        "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint", "omegaconf.dictconfig.DictConfig",
        "pytorch_lightning.utilities.parsing.AttributeDict", "typing.Any", "torch.nn.parameter.Parameter",
    )  # fmt: skip
    require_table("a.ckpt", Contents(FileKind.TORCH_ZIP, tuple(_infos(clip().shapes)), foreign=left), clip())


def test_tampered_and_cut_checkpoints_are_refused(tmp_path, state, capsys):
    torch.save({"state_dict": state}, tmp_path / "a.ckpt")
    whole = (tmp_path / "a.ckpt").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.ckpt") as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
    place = largest.header_offset + 5000
    (tmp_path / "b.ckpt").write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    (tmp_path / "c.ckpt").write_bytes(whole[: len(whole) // 2])
    for name in ("b", "c"):
        assert _convert(tmp_path / f"{name}.ckpt") == ExitCode.BAD_INPUT
        assert "weights_damaged" in capsys.readouterr().out
        assert not (tmp_path / f"{name}.safetensors").exists()


def test_a_full_checkpoint_of_the_published_names_is_checked(tmp_path, capsys):
    """All 1817 tensors; one name wrong is found among them."""
    tensors = _zeros(teethdreamer().shapes)
    tensors["cc_projection.weigth"] = tensors.pop("cc_projection.weight")
    torch.save({"state_dict": tensors}, tmp_path / "a.ckpt")
    assert _convert(tmp_path / "a.ckpt") == ExitCode.BAD_INPUT
    message = json.loads(capsys.readouterr().out)["error"]["message"]
    assert "(cc_projection.weight) missing" in message
    assert "(cc_projection.weigth) not known" in message


def test_clip_as_torchscript_is_read_without_its_code(tmp_path):
    """The published ViT-L-14.pt is an archive of TorchScript."""
    scripted = torch.jit.trace(_Visual(torch.nn.Linear(3, 2)), torch.zeros(1, 3))
    torch.jit.save(scripted, tmp_path / "ViT-L-14.pt")
    with open_weights(tmp_path / "ViT-L-14.pt") as weights:
        assert {t.name for t in weights.contents.tensors} == {"visual.weight", "visual.bias"}
        assert weights.contents.foreign == ()


class _Visual(torch.nn.Module):
    def __init__(self, visual):
        super().__init__()
        self.visual = visual

    def forward(self, x):
        return self.visual(x)


def test_an_imported_checkpoint_is_installed_in_half_precision(tmp_path, state, cut_table, monkeypatch):
    library = pytest.importorskip("safetensors.torch", reason="needs safetensors")
    layout = {"teethdreamer": Layout(groups_of(_infos(cut_table.shapes)), True, "cut")}
    monkeypatch.setattr("teethscape.weights.install.layouts", lambda: layout)
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path / "models"))
    torch.save({"state_dict": state, "loops": {"epoch": 1}}, tmp_path / "TeethDreamer.ckpt")
    import_path(tmp_path / "TeethDreamer.ckpt", "teethdreamer", NoProgress())
    written = library.load_file(store.weights_path("teethdreamer"))
    assert written["time_embed.0.weight"].dtype is torch.float16
    assert written["betas"].dtype is torch.float32
    assert verify([], NoProgress())[0].ok
    del state["time_embed.0.bias"]
    torch.save({"state_dict": state}, tmp_path / "b.ckpt")
    with pytest.raises(BadInputError, match=r"\(time_embed.0.bias\) missing"):
        import_path(tmp_path / "b.ckpt", "teethdreamer", NoProgress())


@pytest.fixture
def table_with_text(monkeypatch):
    """The published network cut to a few tensors, one of the text part that nothing reads."""
    from teethscape.weights import tensor_table

    text = min(TEXT, key=lambda name: (len(teethdreamer().shapes[name]), name))
    names = ["time_embed.0.weight", "time_embed.0.bias", "cc_projection.bias", text]
    short = tensor_table.Table("teethdreamer", {n: teethdreamer().shapes[n] for n in names}, TEXT)
    zero123(), clip()
    monkeypatch.setattr(tensor_table, "teethdreamer", lambda: short)
    whole = Layout(groups_of(_infos(short.shapes)), True, "cut")
    monkeypatch.setattr("teethscape.weights.install.layouts", lambda: {"teethdreamer": whole})
    return short


@pytest.mark.parametrize("named", [True, False])
def test_a_set_without_the_text_part_is_imported_as_it_is_converted(
    tmp_path, table_with_text, monkeypatch, named
):
    library = pytest.importorskip("safetensors.torch", reason="needs safetensors")
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path / "models"))
    state = {name: torch.rand(shape) for name, shape in table_with_text.shapes.items() if name not in TEXT}
    library.save_file(state, tmp_path / "mine.safetensors")
    assert _convert(tmp_path / "mine.safetensors", "--output", str(tmp_path / "c.safetensors")) == 0
    import_path(tmp_path / "mine.safetensors", "teethdreamer" if named else None, NoProgress())
    assert verify([], NoProgress())[0].ok
