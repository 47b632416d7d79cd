"""The proof in pictures: from the zip to ``FDI_11`` by mouse clicks in real Blender.

    python tests/blender/series.py --box ../shared/tools/blender-box --series 5.2 --output out/series-5.2

Zip installed, *Setup* installs the engine (inside the box there is no network: from a
folder of wheels for its Python), five photos, **Reconstruct Teeth**, the tooth seen
through a photo camera. Numbered screenshots tell each step; any step that does not
happen ends the series with an error. The photos are the bundled synthetic sample.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from box import ROOT, Box
from script import RIGHT_HALF_X, SIZE, Script

log = logging.getLogger("series")

#: Where the sidebar's tab lies before anything is known of the window, px.
TABS = {"4.3": (1309, 248), "5.2": (1299, 322)}
#: Two controls that are no operators, from the button below each.
SOURCE_FOLDER, WHEELS_FIELD = (58, -48), (0, -57)
#: The switches of photo colours and heat map, from the button of the anterior photo.
PHOTO_COLOURS, HEAT_MAP = (0, 73), (0, 163)
_INSTALL_S, _RECONSTRUCT_S = 900, 1800


def write_script(shots: Path, series: str) -> Script:
    """The whole series."""
    script = Script(shots)
    _open(script, series)
    _setup(script)
    _photos(script)
    _reconstruct(script)
    _result(script)
    _undo(script)
    return script


def _open(script: Script, series: str) -> None:
    """Open the tab; clear the scene as everybody does who models something."""
    script.wait("probe.sidebar_is_open", 120)
    script.do("sleep 2")
    script.press(TABS[series], "probe.tab_is_open")
    script.keys("a", "probe.all_is_selected")
    script.keys("Delete", "probe.scene_is_empty")
    script.shot("extension-installed")


def _setup(script: Script) -> None:
    """Choose the folder of wheels, begin to install, think better of it, install."""
    script.scan(150, 330)
    script.press("screen.userpref_show", "probe.preference_is('source', 'FOLDER')", offset=SOURCE_FOLDER)
    script.do("sleep 1")
    script.scan(150, 330)
    script.click("teeth.install_engine", WHEELS_FIELD)
    script.do("key ctrl+a", "type /w/wheels", "key Return", "sleep 0.5")
    script.wait("probe.preference_is('wheels', '/w/wheels')", 60)
    script.shot("setup-from-a-folder-of-wheels")
    script.press("teeth.install_engine", "probe.installing(0.0)")
    script.scan(170, 240)
    script.press("teeth.cancel_install", "probe.installation_is_cancelled")
    script.shot("installation-cancelled")
    script.scan(150, 330)
    script.press("teeth.install_engine", "probe.installing(0.0)")
    script.wait("probe.installing(0.3)", _INSTALL_S)
    script.shot("installing-the-engine")
    script.wait("probe.engine_is_ready", _INSTALL_S)
    script.shot("engine-ready")


def _photos(script: Script) -> None:
    """Load the bundled sample, turn a photo, take that back."""
    script.scan(180, 420)
    script.press("teeth.load_sample", "probe.photos_are_loaded")
    script.shot("five-photos")
    script.scan(270, 480)
    script.click("teeth.turn_photo(view='ANTERIOR'")
    script.wait("probe.photo_is_turned", 60)
    script.shot("a-problem-in-words")
    script.keys("ctrl+z", "probe.photo_is_upright")


def _reconstruct(script: Script) -> None:
    """Press the button, cancel, continue, and watch."""
    script.scan(780, 1080)
    script.press("teeth.reconstruct", "probe.job_at(0.0)")
    script.wait("probe.job_at(0.02)", _RECONSTRUCT_S)
    script.scan(850, 1040, RIGHT_HALF_X)
    script.press("teeth.cancel_job", "probe.job_is('cancelled')")
    script.shot("reconstruction-cancelled")
    script.scan(850, 1080, RIGHT_HALF_X)
    script.press("teeth.resume_job", "lambda: not probe.job_is('cancelled')()")
    script.wait("probe.job_at(0.25)", _RECONSTRUCT_S)
    script.shot("reconstructing")
    script.wait("probe.job_is_over", _RECONSTRUCT_S)
    script.shot("result-in-the-scene")
    script.python("probe.check_job()")


def _result(script: Script) -> None:
    """Look through two photos, in the photos' colours and with the heat map, too."""
    script.scroll_to_end()
    script.scan(500, 1270)
    script.press("teeth.look_through(view='ANTERIOR')", "probe.looks_through('ANTERIOR')")
    script.do("sleep 3")
    script.shot("through-the-anterior-photo")
    script.python("probe.check_result()")
    script.press("teeth.look_through(view='ANTERIOR')", "probe.photo_colours_are_on", offset=PHOTO_COLOURS)
    script.do("sleep 3")
    script.shot("photo-colours")
    script.press("teeth.look_through(view='ANTERIOR')", "probe.heat_map_is_on", offset=HEAT_MAP)
    script.do("sleep 3")
    script.shot("uncertainty-heat-map")
    script.scroll_to_end()
    script.scan(400, 1270, RIGHT_HALF_X)
    occlusal = "MANDIBULAR_OCCLUSAL"
    script.press(f"teeth.look_through(view='{occlusal}')", f"probe.looks_through('{occlusal}')")
    script.do("sleep 3")
    script.shot("through-the-mandibular-photo")


def _undo(script: Script) -> None:
    """Take back what was clicked, then the whole reconstruction in one step, and redo it."""
    script.keys("ctrl+z", "probe.looks_through('ANTERIOR')")
    script.keys("ctrl+z", "probe.photo_colours_are_on")
    script.keys("ctrl+z", "lambda: not probe.photo_colours_are_on()")
    script.keys("ctrl+z", "lambda: not probe.scene_has_camera()")
    script.python("probe.check_teeth(28)")
    script.keys("ctrl+z", "probe.scene_is_empty")
    script.keys("ctrl+shift+z", "lambda: not probe.scene_is_empty()")
    script.python("probe.check_teeth(28)")


def prepare_wheels(box: Box, wheels: Path | None) -> None:
    """Lay a folder of wheels for the box's Python into its work folder.

    Raises:
        subprocess.CalledProcessError: the wheels cannot be had.
    """
    target = box.folder / "wheels"
    if wheels is not None:
        shutil.copytree(wheels, target, copy_function=os.link, dirs_exist_ok=True)
        return
    command = [
        sys.executable,
        "-m",
        "client.wheelhouse",
        str(target),
        "--python-version",
        box.python_version(),
    ]
    subprocess.run(command, cwd=ROOT / "backend", check=True)


def play(box: Box, shots: Path) -> subprocess.CompletedProcess[str]:
    """Play the series in the box; the screenshots land in ``shots``."""
    shots.mkdir(parents=True, exist_ok=True)
    for old in shots.glob("*.png"):
        old.unlink()
    shutil.copyfile(Path(__file__).parent / "screenshots" / "probe.py", box.folder / "probe.py")
    script = write_script(shots, box.series)
    arguments = ["--size", f"{SIZE[0]}x{SIZE[1]}", "--script", "/w/probe.py", "--keep-logs"]
    for action in script.actions:
        arguments += ["--do", action]
    played = box.run("gui", *arguments, timeout_s=_INSTALL_S + _RECONSTRUCT_S + 900)
    refuse_python_errors(played.stderr)
    return played


def refuse_python_errors(told: str) -> None:
    """Fail when a panel or an operator raised; Blender itself only prints that.

    Raises:
        RuntimeError: with the traceback.
    """
    logs = re.findall(r"logs: (\S+)", told)
    text = Path(logs[-1], "blender.log").read_text("utf-8", "replace") if logs else ""
    if "Traceback" in text:
        raise RuntimeError(text[text.index("Traceback") :][:3000])


def main() -> int:
    """Make the series as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--box", type=Path, required=True, help="the blender-box tool")
    parser.add_argument("--series", default="5.2")
    parser.add_argument("--output", type=Path, required=True, help="folder for the screenshots")
    parser.add_argument("--wheels", type=Path, help="folder of wheels for the box's Python; else downloaded")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    work = options.output.resolve() / "work"
    shutil.rmtree(work, ignore_errors=True)
    box = Box(options.box.resolve(), options.series, work / "w", work / "home")
    for folder in (box.folder, box.home):
        folder.mkdir(parents=True)
    prepare_wheels(box, options.wheels)
    box.build_extension()
    played = play(box, options.output.resolve())
    log.info("%s", played.stderr.strip()[-3000:])
    return played.returncode


if __name__ == "__main__":
    sys.exit(main())
