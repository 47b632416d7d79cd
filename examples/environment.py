"""Make a virtual environment for the demo or for development: standard library only.

    python3 examples/environment.py .venv --profile standard|development|bpy

``standard`` is what users of the engine get. ``development`` adds the test tools.
``bpy`` is Blender as a Python module, in an environment of its own (it needs an older
numpy); missing system libraries are installed when root, otherwise the command is printed.
"""

from __future__ import annotations

import argparse
import ctypes.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "backend" / "requirements"
BPY = ("bpy==5.0.1", "numpy<2", "pytest==9.2.0", "pytest-timeout==2.4.0")
#: Version of Python that the bpy wheel is built for.
BPY_PYTHON = (3, 11)
#: Library that the wheel loads, and the Debian package that holds it. The software renderer that Workbench
#: and EEVEE need without a graphics card (libgl1-mesa-dri) comes along: libgl1 depends on it.
SYSTEM_LIBRARIES = {
    "GL": "libgl1",
    "EGL": "libegl1",
    "SM": "libsm6",
    "ICE": "libice6",
    "X11": "libx11-6",
    "Xi": "libxi6",
    "Xfixes": "libxfixes3",
    "Xrender": "libxrender1",
    "xkbcommon": "libxkbcommon0",
    "Xext": "libxext6",
}


def say(message: str) -> None:
    """Tell the user on stderr."""
    sys.stderr.write(f"{message}\n")


def run(*command: str | Path) -> None:
    """Run a command and end with its exit code when it fails."""
    code = subprocess.run([str(part) for part in command], check=False).returncode
    if code:
        say(f"Failed ({code}): {' '.join(str(part) for part in command)}")
        raise SystemExit(code)


def python_of(folder: Path) -> Path:
    """Interpreter of a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install(folder: Path, *packages: str | Path) -> None:
    """Install packages with pip, without its cache."""
    run(python_of(folder), "-m", "pip", "install", "--quiet", "--no-cache-dir", *packages)


def ensure_system_libraries() -> None:
    """Install the libraries that the bpy wheel needs on Linux, or print how."""
    if not sys.platform.startswith("linux"):
        return
    missing = [
        package for name, package in SYSTEM_LIBRARIES.items() if ctypes.util.find_library(name) is None
    ]
    if not missing:
        return
    command = ["apt-get", "install", "-y", "-qq", *missing]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        run("apt-get", "update", "-qq")
        run(*command)
        return
    say(f"Blender needs system libraries. Install them with:\n  sudo {' '.join(command)}")
    raise SystemExit(4)


def make_standard(folder: Path) -> None:
    """The engine with its standard profile, editable."""
    pins = REQUIREMENTS / {"darwin": "standard-macos.txt", "win32": "standard-windows.txt"}.get(
        sys.platform, "standard-linux.txt"
    )
    install(folder, "-r", REQUIREMENTS / "build.txt")
    install(folder, "-c", pins, "-e", f"{ROOT / 'backend'}[standard]")
    # As pip does for what it copies: else every command compiles anew where Python is told not to write.
    run(python_of(folder), "-m", "compileall", "-q", ROOT / "backend" / "teethscape")


def make_development(folder: Path) -> None:
    """Test tools on top of the standard profile."""
    install(folder, "-r", REQUIREMENTS / "dev.txt")


def make_bpy(folder: Path) -> None:
    """Blender as a Python module."""
    if sys.version_info[:2] != BPY_PYTHON:
        say(
            f"Blender as a module needs Python {'.'.join(map(str, BPY_PYTHON))}; give --blender PATH instead."
        )
        raise SystemExit(4)
    ensure_system_libraries()
    install(folder, *BPY)


PROFILES = {"standard": make_standard, "development": make_development, "bpy": make_bpy}


def main() -> None:
    """Make or complete the environment, then leave a marker that make looks at."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--profile", choices=sorted(PROFILES), default="standard")
    args = parser.parse_args()
    marker = args.folder / f".{args.profile}"
    if args.profile == "bpy" and marker.exists():
        return
    if not python_of(args.folder).exists():
        say(f"Creating the environment {args.folder} ...")
        run(sys.executable, "-m", "venv", args.folder)
    say(f"Installing the {args.profile} profile ...")
    PROFILES[args.profile](args.folder)
    marker.touch()


if __name__ == "__main__":
    main()
