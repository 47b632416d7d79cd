"""Real Blender in a throw-away sandbox: thin calls of the blender-box."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))

from build_extension import files

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Box:
    """The box of one Blender series.

    Attributes:
        tool: the blender-box script.
        series: such as ``5.2``.
        folder: host folder that is ``/w`` inside.
        home: host folder that is the user's home inside, kept between runs.
    """

    tool: Path
    series: str
    folder: Path
    home: Path

    def run(self, action: str, *arguments: str, timeout_s: int = 600) -> subprocess.CompletedProcess[str]:
        """Run an action of the tool; arguments that follow ``--`` are Blender's."""
        command = [
            sys.executable,
            str(self.tool),
            action,
            "--series",
            self.series,
            "--timeout",
            str(timeout_s),
        ]
        command += ["--bind", f"{self.folder}:/w", "--home", str(self.home), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout_s + 60)

    def blender(self, *arguments: str, timeout_s: int = 600) -> subprocess.CompletedProcess[str]:
        """Run ``blender`` with just these arguments."""
        return self.run("cli", "--", *arguments, timeout_s=timeout_s)

    def build_extension(self) -> str:
        """Build, validate and install the zip of the working tree; return its path inside the box.

        Raises:
            RuntimeError: Blender refused one of the three.
        """
        copy_parts(self.folder / "source")
        zip_file = "/w/teethscape.zip"
        for arguments in (
            ("build", "--source-dir", "/w/source", "--output-filepath", zip_file),
            ("validate", zip_file),
            ("install-file", "--repo", "user_default", "--enable", zip_file),
        ):
            done = self.blender("--command", "extension", *arguments)
            if done.returncode:
                raise RuntimeError(f"extension {arguments[0]} failed:\n{done.stdout}{done.stderr}")
        return zip_file

    def python_version(self) -> str:
        """Series of the Python that this Blender runs on, such as ``3.13``."""
        shown = self.run("sh", "--", "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
        return shown.stdout.strip().splitlines()[-1]


def copy_parts(target: Path) -> None:
    """Copy what the zip is built from: the box must not write into the working tree."""
    shutil.rmtree(target, ignore_errors=True)
    for file in files():
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, target / file)
