"""Installing, importing and verifying known models, from a server and from a folder."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace

import numpy as np
import pytest

from teethscape import cli
from teethscape.errors import BadInputError, ExitCode, MissingComponentError
from teethscape.progress import NoProgress
from teethscape.weights import catalogue, job, layout, store
from teethscape.weights import install as module
from teethscape.weights.catalogue import CommercialUse, known_models
from teethscape.weights.layout import Layout, groups_of
from teethscape.weights.open_file import open_weights
from teethscape.weights.safetensors_file import write_safetensors
from teethscape.weights.store import file_sha256, remembered_sha256
from teethscape.weights.tensors import TensorInfo

from .loopback import FileServer, serving

INFOS = [TensorInfo("net.a", (4, 2), "float32"), TensorInfo("net.b", (3,), "float32")]


def _write(path, infos=INFOS):
    with path.open("wb") as stream:
        write_safetensors(
            stream, infos, lambda name: [bytes(next(i for i in infos if i.name == name).bytes)], {}
        )
    return path


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A small model in the place of sam-vit-b, and a folder of its own."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path / "Modelle ü"))
    content = _npz(tmp_path / "small.pth")
    model = replace(
        known_models()["sam-vit-b"],
        file="small.pth", bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), urls=("http://x",),
    )  # fmt: skip
    free = replace(known_models()["teethdreamer"], file="free.ckpt", bytes=1000)
    models = {"sam-vit-b": model, "teethdreamer": free}
    own = {name: Layout(groups_of(INFOS), True, "test") for name in models}
    own["sam-vit-b"] = Layout(groups_of([TensorInfo("a.w", (8,), "float32")]), True, "test")
    for where in (catalogue, module, job):
        monkeypatch.setattr(where, "known_models", lambda: models)
    for where in (layout, module):
        monkeypatch.setattr(where, "layouts", lambda: own)
    with serving(FileServer(content)) as server:
        monkeypatch.setenv(catalogue.MIRROR_VARIABLE, f"http://127.0.0.1:{server.port}/")
        yield server


def _npz(path):
    """A published file; an archive of arrays stands for a checkpoint."""
    with path.open("wb") as stream:
        np.savez(stream, **{"a.w": np.ones(8, np.float32)})
    return path.read_bytes()


def _run(capsys, *arguments):
    code = cli.main(["weights", *map(str, arguments), "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out), err


def test_the_licence_must_be_accepted_before_anything_is_loaded(small, capsys):
    code, answer, err = _run(capsys, "install", "sam-vit-b")
    assert (code, answer["error"]["code"]) == (ExitCode.USAGE, "licence_not_accepted")
    assert "Apache-2.0" in err
    assert small.asked == []


def test_install_converts_once_and_verify_watches_over_it(small, capsys, tmp_path):
    code, answer, _ = _run(capsys, "install", "sam-vit-b", "--accept-licence")
    assert (code, answer["checked"]) == (0, "checksum")
    with open_weights(store.required_weights("sam-vit-b")) as weights:
        assert [t.name for t in weights.contents.tensors] == ["a.w"]
    assert sorted(p.name for p in store.weights_path("sam-vit-b").parent.iterdir()) == [
        "installed.json", "lock", "sam-vit-b.safetensors",
    ]  # fmt: skip
    assert _run(capsys, "install", "sam-vit-b")[0] == 0  # there already: no question, no download
    assert len(small.asked) == 1
    assert _run(capsys, "verify")[0] == 0
    path = store.weights_path("sam-vit-b")
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    code, answer, _ = _run(capsys, "verify", "sam-vit-b")
    assert (code, answer["ok"]) == (ExitCode.BAD_INPUT, False)


def _flip_a_byte(path, record):
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def _cut(path, record):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "listed"),
    [
        (_flip_a_byte, True),  # a list does not read gigabytes
        (_cut, False),
        (lambda path, record: path.unlink(), False),
        (lambda path, record: record.write_text("{"), False),
        (lambda path, record: record.write_text("[]"), False),
    ],
)
def test_install_repairs_what_was_damaged(small, capsys, damage, listed):
    assert _run(capsys, "install", "sam-vit-b", "--accept-licence")[0] == 0
    damage(store.weights_path("sam-vit-b"), store.record_path("sam-vit-b"))
    assert _run(capsys, "verify")[0] == ExitCode.BAD_INPUT
    rows = {row["id"]: row for row in job.listed()}
    assert rows["sam-vit-b"]["installed"] is listed
    assert _run(capsys, "install", "sam-vit-b")[0] == ExitCode.USAGE  # the licence is shown again
    assert _run(capsys, "install", "sam-vit-b", "--accept-licence")[0] == 0
    assert _run(capsys, "verify")[0] == 0
    assert len(small.asked) == 2


@pytest.mark.parametrize("content", [b"", b"damaged", None])
def test_a_download_that_was_damaged_before_it_was_converted_is_downloaded_again(
    small, capsys, tmp_path, content
):
    given = tmp_path / "small.pth"
    left = store.weights_path("sam-vit-b").with_name(given.name)
    left.parent.mkdir(parents=True)
    left.write_bytes(given.read_bytes() + b"x" if content is None else content)
    code, answer, _ = _run(capsys, "install", "sam-vit-b", "--accept-licence")
    assert (code, answer["checked"]) == (0, "checksum")
    assert len(small.asked) == 1
    assert not left.exists()
    assert given.is_file()


def test_a_download_that_was_whole_is_not_repeated(small, capsys, tmp_path):
    left = store.weights_path("sam-vit-b").with_name("small.pth")
    left.parent.mkdir(parents=True)
    left.write_bytes((tmp_path / "small.pth").read_bytes())
    assert _run(capsys, "install", "sam-vit-b", "--accept-licence")[0] == 0
    assert small.asked == []


def test_a_damaged_file_that_was_given_stays(small, capsys, tmp_path):
    given = tmp_path / "usb.pth"
    given.write_bytes((tmp_path / "small.pth").read_bytes() + b"x")
    code, answer, _ = _run(capsys, "import", given, "--model", "sam-vit-b")
    assert (code, answer["error"]["code"]) == (ExitCode.BAD_INPUT, "weights_checksum")
    assert given.is_file()


def test_a_model_without_address_says_how_to_import_it(small, capsys):
    code, answer, _ = _run(capsys, "install", "teethdreamer")
    assert code == ExitCode.MISSING_COMPONENT
    assert "weights import" in answer["error"]["advice"]


def test_import_from_a_folder_recognises_by_names_and_shapes(small, capsys, tmp_path):
    folder = tmp_path / "usb"
    folder.mkdir()
    _write(folder / "whatever.bin")
    (folder / "note.txt").write_text("no weights")
    code, answer, err = _run(capsys, "import", folder)
    assert code == 0
    assert [(m["id"], m["checked"]) for m in answer["imported"]] == [("teethdreamer", "keys and shapes")]
    assert "OpenRAIL-M" in err
    assert _run(capsys, "verify", "teethdreamer")[0] == 0


def test_wrong_files_are_not_imported(small, capsys, tmp_path):
    other = _write(tmp_path / "free.ckpt", INFOS[:1])
    code, answer, _ = _run(capsys, "import", other)
    assert (code, answer["error"]["code"]) == (ExitCode.BAD_INPUT, "weights_differ")
    assert "net.b" in answer["error"]["message"]
    altered = tmp_path / "small.pth"
    altered.write_bytes(altered.read_bytes() + b"x")
    code, answer, _ = _run(capsys, "import", altered)
    assert (code, answer["error"]["code"]) == (ExitCode.BAD_INPUT, "weights_checksum")
    code, answer, _ = _run(capsys, "import", _write(tmp_path / "x.bin", INFOS[:1]))
    assert (code, answer["error"]["code"]) == (ExitCode.BAD_INPUT, "weights_unknown")


@pytest.mark.parametrize("options", [(), ("--model", "sam-vit-b")])
def test_a_path_that_does_not_exist_is_told(small, capsys, tmp_path, options):
    code, answer, _ = _run(capsys, "import", tmp_path / "nope.pth", *options)
    assert (code, answer["error"]["code"]) == (ExitCode.BAD_INPUT, "file_missing")
    assert "nope.pth does not exist" in answer["error"]["message"]
    code, answer, _ = _run(capsys, "import", tmp_path / ("x" * 300), *options)
    assert code == ExitCode.BAD_INPUT
    assert answer["error"]["code"] in ("path_too_long", "file_missing")  # Windows knows no such file


def test_a_folder_of_models_that_cannot_be_made_is_told(small, capsys, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file" / "models", tmp_path / ("x" * 300)):
        monkeypatch.setenv(store.FOLDER_VARIABLE, str(folder))
        code, answer, _ = _run(capsys, "import", tmp_path / "small.pth", "--model", "sam-vit-b")
        assert (code, answer["error"]["code"]) == (ExitCode.BAD_INPUT, "output_not_writable")


def test_without_space_nothing_is_loaded(small, capsys, monkeypatch):
    usage = module.shutil.disk_usage("/")._replace(free=10)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    code, answer, _ = _run(capsys, "install", "sam-vit-b", "--accept-licence")
    assert (code, answer["error"]["code"]) == (ExitCode.OUT_OF_RESOURCES, "disk_full")
    assert small.asked == []


def test_missing_weights_name_the_command(small):
    with pytest.raises(MissingComponentError, match="teethscape weights install sam-vit-b"):
        store.required_weights("sam-vit-b")
    with pytest.raises(MissingComponentError):
        module.verify(["sam-vit-b"], NoProgress())


def test_a_damaged_record_is_told(small, capsys):
    _run(capsys, "install", "sam-vit-b", "--accept-licence")
    store.record_path("sam-vit-b").write_text("{")
    with pytest.raises(BadInputError, match="damaged"):
        store.installed("sam-vit-b")


def test_the_engine_finds_the_installers_folder(tmp_path, monkeypatch):
    monkeypatch.delenv(store.FOLDER_VARIABLE, raising=False)
    prefix = tmp_path / "engine" / "envs" / "build-1" / "venv"
    prefix.mkdir(parents=True)
    (tmp_path / "engine" / "engine-folder.json").write_text("{}")
    monkeypatch.setattr(store.sys, "prefix", str(prefix))
    assert store.models_folder() == tmp_path / "engine" / "models"


def test_the_list_of_models_is_sound():
    names = set(known_models())
    assert names == {"sam-vit-b", "sam-vit-l", "sam-vit-h", "clip-vit-l-14", "teethdreamer", "zero123-xl"}
    assert set(layout.layouts()) == names
    for model in known_models().values():
        assert all(url.startswith("https://") for url in model.urls)
        assert bool(model.urls) == (model.sha256 is not None) == (model.commercial_use is CommercialUse.YES)
        assert len(model.terms) > 40


def test_unknown_names_are_wrong_usage(capsys):
    assert cli.main(["weights", "install", "sam-vit-x"]) == ExitCode.USAGE
    assert "sam-vit-b" in capsys.readouterr().err


def test_a_checksum_is_remembered_until_the_file_changes(tmp_path):
    file, note, read = tmp_path / "w.safetensors", tmp_path / "views" / "weights.json", []
    file.write_bytes(b"weights")
    first = remembered_sha256(file, note, read.append)
    assert first == file_sha256(file)
    assert remembered_sha256(file, note, read.append) == first
    assert read == [7]
    os.utime(file, ns=(1, 1))
    assert remembered_sha256(file, note, read.append) == first
    file.write_bytes(b"another")
    assert remembered_sha256(file, note, read.append) == file_sha256(file) != first
    note.write_text("[1")
    assert remembered_sha256(file, note, read.append) == file_sha256(file)
    assert read == [7, 7, 7, 7]
