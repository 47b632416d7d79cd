"""Where Blender comes from outside Blender, and how a script is run in it.

Order (architecture, section 3): the one that was asked for, ``blender`` on the PATH,
the bpy wheel in an environment of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from teethscape.errors import MissingComponentError

#: The checkout, when the engine runs from one; the extension's folder has the same layout.
_ROOT = Path(__file__).resolve().parents[2]
#: Overrides where the environment of the bpy wheel is.
WHEEL_VARIABLE = "TEETHSCAPE_BPY"
#: Overrides where the render scripts are: the extension sets it, for it brings its own.
SCRIPTS_VARIABLE = "TEETHSCAPE_SCRIPTS"
_ADVICE = (
    "Install Blender, or make the wheel's environment: python3.11 -m venv bpy; "
    "bpy/bin/pip install bpy==5.0.1 'numpy<2'; then give --blender bpy/bin/python"
)


@dataclass(frozen=True)
class Blender:
    """A program that runs scripts with ``bpy``.

    Attributes:
        program: Blender itself, or a Python that has the bpy wheel.
        is_wheel: True for the latter.
    """

    program: Path
    is_wheel: bool

    def command(self, script: Path, arguments: Sequence[str] = ()) -> list[str]:
        """The command that runs a script; a Python error gives exit code 1."""
        if self.is_wheel:
            return [str(self.program), str(script), *arguments]
        head = [str(self.program), "--background", "--factory-startup", "--python-exit-code", "1"]
        return [*head, "--python", str(script), "--", *arguments]


def find_blender(wanted: str | None = None) -> Blender:
    """The Blender to use.

    Args:
        wanted: path or name that the user gave: a Blender, or a Python with the bpy wheel.

    Raises:
        MissingComponentError: there is none.
    """
    if wanted:
        found = shutil.which(wanted)
        if found is None:
            raise MissingComponentError("blender_missing", f"There is no Blender at {wanted}.", _ADVICE)
        return Blender(Path(found), Path(found).name.lower().startswith("python"))
    found = shutil.which("blender")
    return Blender(Path(found), False) if found else Blender(_wheel_python(), True)


def _wheel_python() -> Path:
    """The Python of the wheel's environment, made when this is a checkout."""
    folder = Path(os.environ.get(WHEEL_VARIABLE) or _ROOT / ".venv-bpy")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    maker = _ROOT / "examples" / "environment.py"
    unfinished = not python.exists() or (folder == _ROOT / ".venv-bpy" and not (folder / ".bpy").exists())
    if unfinished and maker.is_file():  # it leaves the mark when everything is installed
        base = getattr(sys, "_base_executable", sys.executable)
        subprocess.run([base, str(maker), str(folder), "--profile", "bpy"], check=False)
    if not python.exists():
        raise MissingComponentError("blender_missing", "No Blender was found on this machine.", _ADVICE)
    return python


def scripts_folder(wanted: Path | None = None) -> Path:
    """The folder of the render scripts.

    Raises:
        MissingComponentError: it is not beside the engine, and nobody said where it is.
    """
    folder = Path(wanted or os.environ.get(SCRIPTS_VARIABLE) or _ROOT / "render_scripts")
    if not (folder / "render_worker.py").is_file():
        raise MissingComponentError(
            "scripts_missing",
            f"There are no render scripts in {folder}.",
            f"Give their folder with --scripts or {SCRIPTS_VARIABLE}; a checkout has it as render_scripts.",
        )
    return folder
