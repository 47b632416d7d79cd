"""Which Blender is taken, and how a script is run in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from teethscape import blender
from teethscape.errors import MissingComponentError


def _program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_one_that_was_asked_for_wins(tmp_path, monkeypatch):
    wanted, other = _program(tmp_path / "a" / "blender-5.2"), _program(tmp_path / "b" / "blender")
    monkeypatch.setenv("PATH", str(other.parent))
    found = blender.find_blender(str(wanted))
    assert found == blender.Blender(wanted, False)
    command = found.command(Path("s.py"), ["--x"])
    assert command[0] == str(wanted)
    assert command[-4:] == ["--python", "s.py", "--", "--x"]
    assert command.index("--python-exit-code") < command.index("--python")


def test_then_the_one_on_the_path_then_the_wheel(tmp_path, monkeypatch):
    python = _program(tmp_path / "wheel" / "bin" / "python")
    monkeypatch.setenv(blender.WHEEL_VARIABLE, str(tmp_path / "wheel"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert blender.find_blender() == blender.Blender(python, True)
    assert blender.find_blender().command(Path("s.py"), ["--x"]) == [str(python), "s.py", "--x"]
    program = _program(tmp_path / "blender")
    assert blender.find_blender().program == program


def test_a_python_with_the_wheel_may_be_given(tmp_path):
    python = _program(tmp_path / "python3.11")
    assert blender.find_blender(str(python)).is_wheel


def test_without_any_the_advice_is_a_command(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(blender.WHEEL_VARIABLE, str(tmp_path / "none"))
    monkeypatch.setattr(blender, "_ROOT", tmp_path)
    with pytest.raises(MissingComponentError, match="pip install bpy"):
        blender.find_blender()
    with pytest.raises(MissingComponentError, match="--scripts"):
        blender.scripts_folder()
