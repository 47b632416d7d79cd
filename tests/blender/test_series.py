"""The proof in pictures, as a test: zip, engine, photos, teeth, by mouse clicks."""

from __future__ import annotations

import json
import subprocess

import pytest
from series import play, prepare_wheels

pytestmark = [pytest.mark.blender, pytest.mark.slow, pytest.mark.timeout(5400)]

SHOTS = 14
KNOWN_LENGTH = """
import bpy, glob
bpy.ops.teeth.load_sample()
(case,) = glob.glob(bpy.utils.extension_path_user("bl_ext.user_default.teethscape", path="cases") + "/*")
bpy.ops.teeth.open_case(directory=case)
bpy.ops.teeth.add_known_length()
bpy.context.scene.teethscape.known_lengths[0].mm = 9.2
bpy.ops.teeth.reconstruct(into_result=True)
bpy.ops.teeth.export(directory="/w/exported", mesh_format="stl", split="jaws")
print("WIDTH", bpy.data.objects["FDI_11"]["width_mm"])
"""


def test_from_the_zip_to_the_tooth_by_mouse_clicks(box, tmp_path):
    try:
        prepare_wheels(box, None)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no wheels for the box's Python, for pip failed ({error.returncode}): no network?")
    played = play(box, tmp_path / "series")
    assert played.returncode == 0, played.stderr[-4000:]
    assert len(list((tmp_path / "series").glob("*.png"))) == SHOTS
    _the_shell_returns_the_engines_exit_code(box)
    _a_known_length_fixes_the_scale(box)


def _a_known_length_fixes_the_scale(box):
    """The case that the mouse has made is corrected and exported, again in real Blender."""
    done = box.run("run", "--", "--python-expr", KNOWN_LENGTH, timeout_s=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    (case,) = box.home.rglob("cases/*/case.json")
    assert json.loads(case.read_text("utf-8"))["scale"]["source"] == "known_length"
    note = json.loads((box.folder / "exported" / "upper.stl.json").read_text("utf-8"))
    assert (note["unit"], note["scale_source"], len(note["teeth_fdi"])) == ("mm", "known_length", 14)
    width = float(next(line for line in done.stdout.splitlines() if line.startswith("WIDTH ")).split()[1])
    assert abs(width - 9.2) < 0.3


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
