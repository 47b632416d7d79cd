"""Clicking a tooth in real Blender's Image Editor, with mouse and keys, and an engine that only speaks."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "bpy"))

pytestmark = [pytest.mark.blender, pytest.mark.slow, pytest.mark.timeout(2400)]

SETUP = """
import bpy, os, sys, importlib, json
name = "bl_ext.user_default.teethscape"
part = lambda inner: importlib.import_module(f"{name}.{inner}")
window = bpy.context.window_manager.windows[0]
area = max(window.screen.areas, key=lambda a: a.width * a.height)
area.type = "IMAGE_EDITOR"
scene = window.scene
current = part("session.runtime").runtime()
command = ("/usr/bin/python3", "-u", "/w/source/tests/pure/fake_worker.py", "--mode", "ok")
from pathlib import Path
launch = part("backend.client").EngineLaunch(command, dict(os.environ), Path("/w"))
current.clicks._launch = lambda: launch
scene.teethscape.result_folder = "/w/case"
scene.teethscape.click_refit = False
region = next(r for r in area.regions if r.type == "WINDOW")
area.spaces.active.show_region_ui = True
with bpy.context.temp_override(window=window, area=area, region=region):
    assert bpy.ops.teeth.show_photo(view="ANTERIOR") == {"FINISHED"}
    bpy.ops.image.view_all()

def begin():
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.teeth.click_tooth("INVOKE_DEFAULT")

operators = part("operators.clicks")
seen = []
original = operators.begin_clicking
def watched(context):
    seen.append(original(context))
    return seen[-1]
operators.begin_clicking = watched
import builtins
builtins.clicks_test = {"begin": begin, "seen": seen, "area": area, "region": region}
"""
#: Python in Blender's main thread: what must hold after each step.
_BOARD = "board = clicks_test['seen'][-1].board; "


def _wait(condition: str) -> str:
    """Ends with an error when a condition does not come true soon; events go on meanwhile."""
    return f"py {_BOARD}assert {condition}, (board, clicks_test['seen'][-1])"


def test_a_tooth_is_clicked_numbered_and_kept(box, tmp_path):
    from case_factory import make_case

    make_case(box.folder / "case")
    (box.folder / "source" / "tests" / "pure").mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "tests" / "pure" / "fake_worker.py", box.folder / "source" / "tests" / "pure")
    (box.folder / "ui.py").write_text(SETUP)
    actions = [
        "sleep 2", "py clicks_test['begin']()", "sleep 3", _wait("set(board.teeth) == {11}"),
        "move 500 450", "click 500 450", "sleep 2",
        _wait("len(board.marks) == 1 and board.mask and board.tooth == 12"),
        "click 540 450 3", "sleep 1", _wait("[m.adds for m in board.marks] == [True, False]"),
        "drag 420 400 600 520", "sleep 1", _wait("len(board.marks) == 3 and board.marks[-1].is_box"),
        f"shot {tmp_path}/clicks.png",
        "key BackSpace", "key ctrl+z", "sleep 1", _wait("len(board.marks) == 1"),
        "key 2", "key 4", "sleep 1", _wait("board.tooth == 24"),
        "key Return", "sleep 3", _wait("clicks_test['seen'][-1].accepted == (24,)"),
        "py import bpy; assert not bpy.context.window_manager.windows[0].modal_operators",
        f"shot {tmp_path}/kept.png",
    ]  # fmt: skip
    do = [part for action in actions for part in ("--do", action)]
    done = box.run("gui", "--size", "1400x900", "--script", "/w/ui.py", *do, timeout_s=600)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "Error" not in done.stderr, done.stderr[-4000:]
