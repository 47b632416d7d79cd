"""The command line: exit codes, sentences instead of tracebacks, JSON on stdout."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from teethscape import cli, cli_commands
from teethscape.cli_progress import ConsoleProgress
from teethscape.errors import CancelledError, ExitCode
from teethscape.progress import Stage


def _photos(folder, count=5):
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(count):
        noise = np.random.default_rng(k).integers(0, 255, (240, 330, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{k}.png")
    return folder


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required"),
        (["reconstruct"], "required"),
        (["reconstruct", "p"], "--output"),
        (["reconstruct", "p", "--output", "o", "--jaw", "left"], "invalid choice"),
        (["reconstruct", "p", "--output", "o", "--known-length", "11=80"], "80 mm"),
        (["reconstruct", "p", "--output", "o", "--known-length", "11"], "not a known length"),
        (["reconstruct", "p", "--output", "o", "--export", "stl,fbx"], "'fbx' is no export format"),
        (["reconstruct", "p", "--output", "o", "--mask-values", "jaws"], "needs --masks"),
        (["reconstruct", "p", "--output", "o", "--absent", "19"], "19 is no tooth"),
        (["segment", "p", "--output", "o", "--absent", "19"], "19 is no tooth"),
        (["frobnicate"], "invalid choice"),
        (["train", "prior", "--output", "x.npz"], "--source"),
    ],
)
def test_wrong_usage_is_two(capsys, arguments, words):
    assert cli.main(arguments) == ExitCode.USAGE
    err = capsys.readouterr().err
    assert words in err
    assert "Traceback" not in err


def test_an_engine_that_is_only_planned_is_missing(tmp_path, capsys):
    command = ["reconstruct", str(_photos(tmp_path / "p")), "--output", str(tmp_path / "o"), "--json"]
    assert cli.main([*command, "--engine", "regression"]) == ExitCode.MISSING_COMPONENT
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["code"] == "engine_absent"
    assert "does not have the engine regression" in err
    assert "parametric" in err
    assert not (tmp_path / "o").exists()


def test_help_and_version(capsys):
    assert cli.main(["--version"]) == 0
    assert cli.main(["reconstruct", "--help"]) == 0
    assert "--known-length" in capsys.readouterr().out


def test_help_is_quick_and_imports_nothing_heavy():
    script = (
        "import sys; from teethscape.cli import main; main(['--help']);"
        "print(sorted(sys.modules), file=sys.stderr)"
    )
    before = os.times()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    after = os.times()
    assert after.children_user + after.children_system - before.children_user - before.children_system < 0.3
    for heavy in ("numpy", "scipy", "cv2", "PIL", "torch", "onnxruntime"):
        assert f"'{heavy}'" not in done.stderr


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        ("missing_folder", "folder_missing"),
        ("four", "photos_missing"),
        ("newer", "case_newer"),
        ("full", "disk_full"),
    ],
)
def test_bad_input_leaves_nothing(tmp_path, capsys, monkeypatch, prepare, code):
    photos, case = tmp_path / "Fötos", tmp_path / "case"
    if prepare != "missing_folder":
        _photos(photos, 4 if prepare == "four" else 5)
    if prepare == "newer":
        case.mkdir()
        (case / "case.json").write_text('{"schema_version": 99}')
    if prepare == "full":
        from teethscape.dental import files

        usage = files.shutil.disk_usage(tmp_path)._replace(free=10)
        monkeypatch.setattr(files.shutil, "disk_usage", lambda path: usage)
    before = sorted(p.name for p in case.rglob("*")) if case.exists() else None
    exit_code = cli.main(["reconstruct", str(photos), "--output", str(case), "--json"])
    out, err = capsys.readouterr()
    assert exit_code == (ExitCode.OUT_OF_RESOURCES if prepare == "full" else ExitCode.BAD_INPUT)
    answer = json.loads(out)
    assert answer["error"]["code"] == code
    assert answer["error"]["advice"]
    assert answer["exit_code"] == exit_code
    assert answer["error"]["message"] in err
    assert "Traceback" not in err
    after = sorted(p.name for p in case.rglob("*")) if case.exists() else None
    assert after == before


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (CancelledError(), ExitCode.CANCELLED, "Cancelled."),
        (KeyboardInterrupt(), ExitCode.CANCELLED, "Cancelled."),
        (MemoryError(), ExitCode.OUT_OF_RESOURCES, "memory"),
        (OSError(28, "No space left on device"), ExitCode.OUT_OF_RESOURCES, "disk is full"),
        (ZeroDivisionError("division by zero"), ExitCode.OUT_OF_RESOURCES, "ZeroDivisionError at"),
    ],
)
def test_every_failure_is_one_line_and_a_code(monkeypatch, capsys, error, code, words):
    def fail(options):
        raise error

    monkeypatch.setitem(cli_commands.COMMANDS, "doctor", fail)
    assert cli.main(["doctor"]) == code
    err = capsys.readouterr().err
    assert words in err
    assert "Traceback" not in err


def _too_large_for_opencv():
    cv2.resize(np.zeros((9, 9), np.float32), (1 << 25, 1 << 20))


def _too_large_for_torch():
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    torch.zeros(1 << 46)


@pytest.mark.parametrize("fill", [_too_large_for_opencv, _too_large_for_torch, lambda: np.zeros(1 << 50)])
def test_full_memory_is_no_mistake_of_the_engine_whoever_asks_for_it(monkeypatch, capsys, fill):
    monkeypatch.setitem(cli_commands.COMMANDS, "surface", lambda options: fill())
    assert cli.main(["surface", "views", "--output", "mesh.ply", "--json"]) == ExitCode.OUT_OF_RESOURCES
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "out_of_memory"


def test_a_full_graphics_processor_is_no_mistake_of_the_engine(monkeypatch, capsys):
    torch = pytest.importorskip("torch", reason="needs PyTorch")

    def fail(options):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

    monkeypatch.setitem(cli_commands.COMMANDS, "doctor", fail)
    assert cli.main(["doctor", "--json"]) == ExitCode.OUT_OF_RESOURCES
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "card_memory"


def test_doctor_lists_the_engine_parts(capsys):
    exit_code = cli.main(["doctor", "--json"])
    result = json.loads(capsys.readouterr().out)
    checks = {check["name"]: check for check in result["checks"]}
    assert checks["numpy"]["ok"]
    assert checks["tooth prior"]["ok"]
    assert exit_code == (0 if result["ok"] else ExitCode.MISSING_COMPONENT)


def test_progress_is_plain_lines_without_a_terminal():
    stream = io.StringIO()
    progress = ConsoleProgress(stream)
    progress.stage(Stage.PHOTOS, 0.0)
    progress.stage(Stage.PHOTOS, 1.0)
    for share in (0.0, 0.3, 0.6):
        progress.stage(Stage.FIT, share)
    progress.warn("photo", "0.jpg stood on its head.")
    progress.stage(Stage.FIT, 1.0)
    assert stream.getvalue().splitlines() == [
        "Reading photos             100 %",
        "Note (photo): 0.jpg stood on its head.",
        "Fitting the tooth model    100 %",
    ]


def test_progress_redraws_on_a_terminal():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    progress = ConsoleProgress(stream)
    progress.stage(Stage.FIT, 0.0)
    progress.stage(Stage.FIT, 1.0)
    assert stream.getvalue().count("\r") == 2
    assert stream.getvalue().endswith("\n")


@pytest.mark.parametrize(
    ("code", "told"), [(130, "done\n"), (0, "done\ntaken down\n"), (6, "done\ntaken down\n")]
)
def test_a_cancelled_command_ends_without_taking_python_down(code, told):
    """The libraries of the networks need more than a second for it; what they want done is done."""
    script = (
        "import atexit, sys, threading, time\nimport teethscape.__main__ as program, teethscape.cli\n"
        "class Library:\n    def __del__(self, write=sys.stdout.write): write('taken down\\n')\n"
        "sys.modules['library'] = Library()\n"
        "def main():\n    atexit.register(print, 'done')\n"
        "    threading.Thread(target=time.sleep, args=(0.2,)).start()\n"
        f"    return {code}\n"
        "teethscape.cli.main = main\nprogram.run()\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, told, "")


def test_a_command_stopped_while_it_is_still_being_read_ends_without_a_traceback():
    script = (
        "import sys\nimport teethscape.__main__ as program\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'teethscape.cli':\n            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\nprogram.run()\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "Cancelled.\n")
