"""The proof in pictures, as a test: zip, engine, photos, teeth, by mouse clicks."""

from __future__ import annotations

import subprocess

import pytest
from series import play, prepare_wheels

pytestmark = [pytest.mark.blender, pytest.mark.slow, pytest.mark.timeout(5400)]

SHOTS = 13


def test_from_the_zip_to_the_tooth_by_mouse_clicks(box, tmp_path):
    try:
        prepare_wheels(box, None)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no wheels for the box's Python, for pip failed ({error.returncode}): no network?")
    played = play(box, tmp_path / "series")
    assert played.returncode == 0, played.stderr[-4000:]
    assert len(list((tmp_path / "series").glob("*.png"))) == SHOTS
    _the_shell_returns_the_engines_exit_code(box)


def _the_shell_returns_the_engines_exit_code(box):
    """The engine that the mouse has installed answers on the command line too."""
    (box.folder / "no photos").mkdir()
    done = box.blender("--command", "teeth", "reconstruct", "/w/no photos", "--output", "/w/of no photos")
    told = done.stdout + done.stderr
    assert done.returncode == 3, told
    assert "/w/no photos holds 0 photo(s), but 5 are needed" in told
    assert "What to do: Add the missing photos" in told
    assert "Traceback" not in told
    assert not (box.folder / "of no photos").exists()
