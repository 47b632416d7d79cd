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
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from box import ROOT, Box

log = logging.getLogger("series")

#: The window, and where the sidebar and its tab lie in it, px.
SIZE = (1600, 1400)
SIDEBAR_X = 1160
#: X calls the wheel a button; so many notches lead to the sidebar's end.
_WHEEL_DOWN, _NOTCHES = 5, 18
TABS = {"4.3": (1309, 248), "5.2": (1299, 322)}
#: Two controls that are no operators, from the button below each.
SOURCE_FOLDER, WHEELS_FIELD = (58, -48), (0, -57)
#: The heat map's switch, from the button of the anterior photo.
HEAT_MAP = (0, 137)
_STEP_PX = 13
_INSTALL_S, _RECONSTRUCT_S = 900, 1500


@dataclass
class Script:
    """Actions for the box, in order."""

    shots: Path
    series: str
    actions: list[str] = field(default_factory=list)
    count: int = 0

    def do(self, *actions: str) -> None:
        """Add actions as they are."""
        self.actions += actions

    def python(self, code: str) -> None:
        """Run code that may use the probe."""
        self.do(f"py import probe\n{code}")

    def shot(self, name: str) -> None:
        """Take the next numbered screenshot, the mouse out of the way."""
        self.count += 1
        # A panel that has grown settles when the mouse passes over the sidebar.
        self.do(
            f"move {SIDEBAR_X} 1250",
            "sleep 1",
            f"move {SIDEBAR_X - 2} 1254",
            "sleep 0.5",
            "move 640 1180",
            "sleep 1",
        )
        self.do(f"shot {self.shots / f'{self.count:02d}-{name}.png'}")

    def scan(self, rows: range) -> None:
        """Feel for the operator buttons in the middle of the sidebar."""
        self.python("probe.forget()")
        for y in rows:
            self.do(f"move {SIDEBAR_X} {y}", "sleep 0.05", "key ctrl+c")
            self.python(f"probe.note({SIDEBAR_X}, {y})")

    def click(self, button: str, offset: tuple[int, int] = (0, 0)) -> None:
        """Click the button of the last scan that calls ``button``, or what lies beside it."""
        mark = f"aim-{len(self.actions)}"
        self.python(f"probe.aim({button!r}, {mark!r}, {offset})")
        self.do(f"clickfile /w/marks/{mark}", "sleep 0.5")

    def wait(self, condition: str, limit_s: int) -> None:
        """Wait until the probe sees something."""
        mark = f"seen-{len(self.actions)}"
        self.python(f"probe.when({condition}, {mark!r})")
        self.do(f"waitfile /w/marks/{mark} {limit_s}")


def rows(top: int, bottom: int) -> range:
    """Rows of a scan, px."""
    return range(top, bottom, _STEP_PX)


def write_script(shots: Path, series: str) -> Script:
    """The whole series."""
    script = Script(shots, series)
    _setup(script)
    _photos(script)
    _reconstruct(script)
    _result(script)
    return script


def _setup(script: Script) -> None:
    """Choose the folder of wheels and install the engine from it."""
    tab = TABS[script.series]
    script.wait("probe.sidebar_is_open", 120)
    # Twice: a window that is still being drawn may miss the first click.
    script.do("sleep 2", *[f"click {tab[0]} {tab[1]}", "sleep 2"] * 2)
    script.wait("probe.tab_is_active", 60)
    script.shot("extension-installed")
    script.scan(rows(150, 330))
    script.click("screen.userpref_show", SOURCE_FOLDER)
    script.wait("probe.preference_is('source', 'FOLDER')", 60)
    script.do("sleep 1")
    script.scan(rows(150, 330))
    script.click("teeth.install_engine", WHEELS_FIELD)
    script.do("key ctrl+a", "type /w/wheels", "key Return", "sleep 0.5")
    script.wait("probe.preference_is('wheels', '/w/wheels')", 60)
    script.shot("setup-from-a-folder-of-wheels")
    script.click("teeth.install_engine")
    script.wait("probe.installing(0.3)", _INSTALL_S)
    script.shot("installing-the-engine")
    script.wait("probe.engine_is_ready", _INSTALL_S)
    script.shot("engine-ready")


def _photos(script: Script) -> None:
    """Load the bundled sample."""
    script.scan(rows(180, 420))
    script.click("teeth.load_sample")
    script.wait("probe.photos_are_loaded", 60)
    script.shot("five-photos")


def _reconstruct(script: Script) -> None:
    """Press the button and watch."""
    script.scan(rows(780, 1080))
    script.click("teeth.reconstruct")
    script.wait("probe.job_at(0.25)", _RECONSTRUCT_S)
    script.shot("reconstructing")
    script.wait("probe.job_is_over", _RECONSTRUCT_S)
    script.shot("result-in-the-scene")
    script.python("probe.check_job()")


def _result(script: Script) -> None:
    """Scroll to the end of the sidebar and look through a photo."""
    script.do(*[f"click {SIDEBAR_X} 700 {_WHEEL_DOWN}"] * _NOTCHES, "sleep 1")
    script.scan(rows(500, 1270))
    script.click("teeth.look_through(view='ANTERIOR')")
    script.wait("probe.looks_through_photo", 60)
    script.do("sleep 3")
    script.shot("through-the-anterior-photo")
    script.python("probe.check_result()")
    script.click("teeth.look_through(view='ANTERIOR')", HEAT_MAP)
    script.wait("probe.heat_map_is_on", 60)
    script.do("sleep 3")
    script.shot("uncertainty-heat-map")


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
