"""The proof in pictures, as a test: zip, engine, photos, teeth, by mouse clicks."""

from __future__ import annotations

import subprocess

import pytest
from series import play, prepare_wheels

pytestmark = [pytest.mark.blender, pytest.mark.slow, pytest.mark.timeout(3600)]

SHOTS = 9


def test_from_the_zip_to_the_tooth_by_mouse_clicks(box, tmp_path):
    try:
        prepare_wheels(box, None)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no wheels for the box's Python, for pip failed ({error.returncode}): no network?")
    played = play(box, tmp_path / "series")
    # Every picture is taken only after its step was seen to happen; how Blender then quits is not the point.
    assert len(list((tmp_path / "series").glob("*.png"))) == SHOTS, played.stderr[-4000:]
