"""The published line in real Blender, by mouse: photos, a click, views, NeuS, ``FDI_NN`` in the scene.

The parametric fit comes first; one of its masks is drawn anew by a click, and the fit that follows by itself
goes on to views and surface, for these are chosen by then. The network is really trained, on one jaw of the
bundled sample (``tests/engine/anchor/one_patient.py``); the engine runs in the tests' own Python, bound into
the box.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from script import SIZE, Script
from series import TABS

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.blender, pytest.mark.slow, pytest.mark.timeout(7200)]

#: Reconstruct and Result stand alone in their tab; nothing is installed in the folder of models.
SETUP = """
import bpy, dataclasses, importlib, os, runpy
runpy.run_path("/w/probe.py")
from pathlib import Path
name = "bl_ext.user_default.teethscape"
part = lambda inner: importlib.import_module(f"{name}.{inner}")
current = part("session.runtime").runtime()
paths = {**os.environ, "PYTHONPATH": "/w/source/backend", "TEETHSCAPE_MODELS": "/w/line/models"}
paths |= {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
command = ("PYTHON", "-u", "-m", "teethscape", "worker")
launch = part("backend.client").EngineLaunch(command, paths, Path("/w"))
current.client._launch = current.loader._launch = current.clicks._launch = lambda: launch
status = part("backend.client.installer").EngineStatus.READY
ready = dataclasses.replace(current.installer.view, status=status)
type(current).engine_view = lambda self, before: ready
part("session.view_state").state.engine = ready
for inner in ("setup", "photos", "xray", "clicks", "dataset", "weights"):
    for panel in reversed(part(f"panels.{inner}").classes):
        if issubclass(panel, bpy.types.Panel) and panel.bl_space_type == "VIEW_3D":
            bpy.utils.unregister_class(panel)
choice = part("panels.method")
drawn, draw = [], choice._draw_choice
choice._draw_choice = lambda *given: drawn.append(given) or draw(*given)
bpy.app.driver_namespace["choices_drawn"] = drawn
clicks = part("operators.clicks")
clickings, begin = [], clicks.begin_clicking
clicks.begin_clicking = lambda context: clickings.append(begin(context)) or clickings[-1]
bpy.app.driver_namespace["clickings"] = clickings
bpy.ops.teeth.load_photos(directory="/w/line/photos")
settings = bpy.context.window_manager.windows[0].scene.teethscape
settings.jaws, settings.case_folder, settings.views.steps = "upper", "/w/line/case", STEPS
settings.masks_folder, settings.trust_views = "/w/line/masks", True
settings.views.foreground = "fit"
"""
#: From the button Reconstruct Teeth, px: the header of the section, the second engine.
SECTION, TEETHDREAMER = (-45, 54), (0, 111)
#: From the button that asks what is installed, px: the field of the network, the button of NeuS.
NETWORK, NEUS = (0, -27), (0, -225)
#: In Blender, before and after the click: the viewport shows the anterior photo, then the scene again.
SHOW_PHOTO = """
import bpy
window = bpy.context.window_manager.windows[0]
area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
area.type = "IMAGE_EDITOR"
region = next(region for region in area.regions if region.type == "WINDOW")
with bpy.context.temp_override(window=window, area=area, region=region):
    bpy.ops.teeth.show_photo(view="ANTERIOR")
    bpy.ops.image.view_all(fit_view=True)
    bpy.ops.teeth.click_tooth("INVOKE_DEFAULT")
"""
SHOW_SCENE = """
import bpy
areas = bpy.context.window_manager.windows[0].screen.areas
next(area for area in areas if area.type == "IMAGE_EDITOR").type = "VIEW_3D"
"""
#: Number of the tooth that is clicked, in the anterior photo.
_CLICKED, _ANTERIOR = 11, 0
_SETTINGS = "__import__('bpy').context.scene.teethscape"
_SECTION_IS_OPEN = "lambda: __import__('bpy').app.driver_namespace['choices_drawn']"
_LOOKED = "lambda: probe.state().abilities is not None"
_LINE_S = 2400


def _stage(name: str) -> str:
    """Condition of the probe: the job has come to a stage, or is over."""
    return f"lambda: probe.state().job.stage == {name!r} or probe.state().job.state.is_over"


def _script(shots: Path, series: str, place: tuple[float, float]) -> Script:
    script = Script(shots)
    script.wait("probe.sidebar_is_open", 120)
    script.do("sleep 2")
    script.press(TABS[series], "probe.tab_is_open")
    script.keys("a", "probe.all_is_selected")
    script.keys("Delete", "probe.scene_is_empty")
    _fit(script)
    _choose(script)
    _click(script, place)
    _run(script)
    return script


def _fit(script: Script) -> None:
    """The parametric engine, with which every line begins."""
    script.scan(110, 160)
    script.press("teeth.reconstruct", "probe.job_at(0.0)")
    script.wait("probe.job_is_over", _LINE_S)
    script.do("sleep 2")
    script.shot("fitted")
    script.python("probe.check_job()")


def _choose(script: Script) -> None:
    """Open the section, ask what is installed, name the network, choose engine and surface."""
    script.scan(110, 160)
    script.press("teeth.reconstruct", _SECTION_IS_OPEN, offset=SECTION)
    script.shot("not-looked-yet")
    script.scan(300, 480)
    script.press("teeth.list_engines", _LOOKED)
    script.python("assert probe.state().abilities['engines'][1]['need'] == 'weights'")
    script.shot("greyed-with-the-reason")
    script.scan(340, 560)
    script.click("teeth.list_engines", NETWORK)
    script.do("key ctrl+a", "type /w/line/one.safetensors", "key Return", "sleep 1")
    script.wait(f"lambda: {_SETTINGS}.views.weights == '/w/line/one.safetensors'", 60)
    script.shot("network-named")
    script.scan(110, 160)
    script.press("teeth.reconstruct", f"lambda: {_SETTINGS}.engine == 'teethdreamer'", offset=TEETHDREAMER)
    script.shot("engine-chosen")
    script.scan(480, 620)
    script.press("teeth.list_engines", f"lambda: {_SETTINGS}.views.surface == 'neus'", offset=NEUS)
    script.shot("surface-chosen")


def _click(script: Script, place: tuple[float, float]) -> None:
    """Draw the mask of a tooth by a click, and keep it; the fit begins again by itself."""
    script.do(f"py {SHOW_PHOTO}")
    script.wait("lambda: probe.clicked() and probe.clicked().board.teeth", 120)
    script.python(f"probe.aim_at_photo({place[0]}, {place[1]}, 'tooth')")
    script.do("clickfile /w/marks/tooth")
    script.wait(f"lambda: probe.clicked().board.mask and probe.clicked().board.tooth == {_CLICKED}", 120)
    script.do("sleep 1")
    script.shot_as_it_is("tooth-clicked")
    script.do("key Return")
    script.wait(f"lambda: probe.clicked().accepted == ({_CLICKED},)", 120)
    script.do(f"py {SHOW_SCENE}")


def _run(script: Script) -> None:
    """Masks to teeth."""
    script.wait("lambda: probe.job_is('running')() and probe.state().job.stage == 'fit'", 120)
    script.shot("fitting")
    script.wait(_stage("paint"), _LINE_S)
    script.wait("probe.views_are_held", _LINE_S)
    script.shot("unfinished-views")
    script.python("probe.go_on()")
    script.wait(_stage("wrap"), _LINE_S)
    script.wait("lambda: probe.surface_is_shown() or probe.job_is_over()", _LINE_S)
    script.python("assert probe.surface_is_shown()")
    script.do("sleep 3")  # a busy machine draws late
    script.shot("unfinished-surface")
    script.wait("probe.job_is_over", _LINE_S)
    script.do("sleep 2")
    script.shot("teeth-in-the-scene")
    script.python("probe.check_job()\nprobe.check_teeth(14)")
    script.scroll_to_end()
    script.scan(300, 1270)
    script.press("teeth.look_through(view='ANTERIOR')", "probe.looks_through('ANTERIOR')")
    script.do("sleep 3")
    script.shot("through-the-anterior-photo")
    script.python("probe.check_result()")


def _tooth_in_photo(masks: Path) -> tuple[float, float]:
    """The middle of the tooth that is clicked: shares of the photo's width and, upward, of its height."""
    labels = np.asarray(Image.open(masks / f"{_ANTERIOR}.png"))
    row, column = (index.mean() + 0.5 for index in np.nonzero(labels == _CLICKED))
    return float(column / labels.shape[1]), float(1 - row / labels.shape[0])


def _interpreter() -> list[str]:
    """Options of the box that bring this Python in at its own place."""
    places = {Path(sys.base_prefix), Path(sys.prefix)}
    if Path("/usr") in places:
        pytest.skip("the box has a /usr of its own: run the tests by a Python that lies elsewhere")
    return [part for place in sorted(places) for part in ("--bind", f"{place}:{place}")]


def test_the_published_line_by_mouse(box, tmp_path):
    sys.path.insert(0, str(ROOT / "tests" / "engine"))
    pytest.importorskip("diffusers", reason="needs diffusers")
    from anchor.one_patient import MASKS, NETWORK, PHOTOS, STEPS

    binds = _interpreter()
    own = box.folder / "line"  # other tests have their files in the box, too
    (own / "models").mkdir(parents=True)
    shutil.copyfile(NETWORK, own / "one.safetensors")
    shutil.copytree(PHOTOS, own / "photos")
    shutil.copytree(MASKS, own / "masks")
    shutil.copyfile(Path(__file__).parent / "screenshots" / "probe.py", box.folder / "probe.py")
    setup = SETUP.replace('"PYTHON"', repr(sys.executable)).replace("STEPS", str(STEPS))
    (box.folder / "engine_ui.py").write_text(setup, encoding="utf-8")
    shots = tmp_path / "shots"
    shots.mkdir()
    do = [
        part
        for action in _script(shots, box.series, _tooth_in_photo(MASKS)).actions
        for part in ("--do", action)
    ]
    size = f"{SIZE[0]}x{SIZE[1]}"
    done = box.run("gui", *binds, "--size", size, "--script", "/w/engine_ui.py", *do, timeout_s=3 * _LINE_S)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert (own / "case" / "masks" / "corrected" / f"{_ANTERIOR}.png").is_file()
    assert len(list((own / "case" / "meshes" / "surface").glob("upper*.ply"))) == 1
