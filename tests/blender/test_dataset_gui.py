"""The Dataset panel in real Blender, by mouse: start, progress, cancel, continue; renders out of process."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from script import SIZE, Script
from series import TABS

from teethscape.dataset.farm.check import check_dataset
from teethscape.progress import NoProgress

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "bpy"))

pytestmark = [pytest.mark.blender, pytest.mark.slow, pytest.mark.timeout(3600)]

#: So many that a fast machine has not rendered them all when the test has found **Cancel**.
PATIENTS = 16
#: The engine runs in the box's own Python, and the panel stands alone in its tab, open.
SETUP = """
import bpy, dataclasses, importlib, os, runpy
runpy.run_path("/w/probe.py")
from pathlib import Path
name = "bl_ext.user_default.teethscape"
part = lambda inner: importlib.import_module(f"{name}.{inner}")
current = part("session.runtime").runtime()
paths = {**os.environ, "PYTHONPATH": "/w/source/backend"}
command = ("/usr/bin/python3", "-u", "-m", "teethscape", "worker")
launch = part("backend.client").EngineLaunch(command, paths, Path("/w"))
current.farm._launch = lambda: launch
status = part("backend.client.installer").EngineStatus.READY
ready = dataclasses.replace(current.installer.view, status=status)
type(current).engine_view = lambda self, before: ready
state = part("session.view_state").state
state.engine = ready
panel = part("panels.dataset").TEETH_PT_dataset
for inner in ("setup", "photos", "reconstruct", "result", "xray", "clicks"):
    for panel_class in reversed(part(f"panels.{inner}").classes):
        if issubclass(panel_class, bpy.types.Panel) and panel_class.bl_space_type == "VIEW_3D":
            bpy.utils.unregister_class(panel_class)
bpy.utils.unregister_class(panel)
panel.bl_options = set()
bpy.utils.register_class(panel)
settings = bpy.context.window_manager.windows[0].scene.teethscape.dataset
settings.output, settings.image_size, settings.samples, settings.workers = "/w/set", 48, 1, 1
bpy.ops.teeth.choose_meshes(directory="/w/jaws")
"""
_SET = "probe.state().dataset"
#: Conditions of the probe.
BEGUN = f"lambda: {_SET} is not None and not {_SET}.state.is_over and {_SET}.overall > 0"
STARTED = f"lambda: {_SET} is not None"
CANCELLED = f"lambda: {_SET}.state.value == 'cancelled'"
GOES_ON = f"lambda: {_SET}.state.value != 'cancelled'"  # it may be over at once
OVER = f"lambda: {_SET}.state.is_over"


def _meshes(folder: Path) -> None:
    import convex

    for number in range(PATIENTS):
        body = convex.ellipsoid((0.5, 0.2 + 0.005 * number, 0.36), level=2)
        for jaw in ("upper", "lower"):
            convex.write_ply(body, folder / f"P{number}" / f"norm_{jaw}.ply")


def _script(shots: Path, series: str) -> Script:
    script = Script(shots)
    script.wait("probe.sidebar_is_open", 120)
    script.do("sleep 2")
    script.press(TABS[series], "probe.tab_is_open")
    script.scan(150, 700)
    script.shot("settings")
    script.press("teeth.render_dataset", STARTED)
    script.wait(BEGUN, 300)  # at least one case is finished
    script.scan(150, 330, 1220)
    script.shot("progress")
    script.press("teeth.cancel_dataset", CANCELLED)
    script.scan(150, 800, 1220)
    script.shot("cancelled")
    script.press("teeth.resume_dataset", GOES_ON)
    script.wait(OVER, 900)
    script.shot("done")
    script.python(f"assert {_SET}.state.value == 'done', {_SET}.problem")
    script.python(f"assert 1 <= {_SET}.summary['skipped'] < {2 * PATIENTS}, {_SET}.summary")
    script.python(f"assert {_SET}.summary['failed'] == [], {_SET}.summary")
    return script


def test_a_data_set_is_started_watched_cancelled_and_continued(box, tmp_path):
    _meshes(box.folder / "jaws")
    shutil.copyfile(Path(__file__).parent / "screenshots" / "probe.py", box.folder / "probe.py")
    (box.folder / "dataset_ui.py").write_text(SETUP, encoding="utf-8")
    shots = tmp_path / "shots"
    shots.mkdir()
    do = [part for action in _script(shots, box.series).actions for part in ("--do", action)]
    size = f"{SIZE[0]}x{SIZE[1]}"
    done = box.run("gui", "--size", size, "--script", "/w/dataset_ui.py", *do, timeout_s=2400)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "Error" not in done.stderr, done.stderr[-4000:]
    report = check_dataset(str(box.folder / "set"), False, NoProgress())
    assert report.problems == ()
    assert report.cases == 2 * PATIENTS
    assert (box.folder / "set" / "log" / "blender-0.log").stat().st_size > 0  # a Blender of its own
