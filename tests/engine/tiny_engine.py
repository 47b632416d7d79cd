"""A tiny engine to install: our package's shape, a build backend of 20 lines, no libraries.

What is real: the installer, venv, pip, wheels in a folder, the self-test protocol. What
is small: the package that is installed, so that a test takes seconds.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

#: Builds a wheel from a source folder, as setuptools does for the real engine.
_BUILDER = '''
import os, zipfile
def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = "teethscape-9.9-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        for folder, _, files in os.walk("teethscape"):
            for file in files:
                wheel.write(os.path.join(folder, file))
        wheel.writestr("teethscape-9.9.dist-info/METADATA", METADATA)
        wheel.writestr("teethscape-9.9.dist-info/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr("teethscape-9.9.dist-info/RECORD", "")
    return name
METADATA = """Metadata-Version: 2.1
Name: teethscape
Version: 9.9
Provides-Extra: standard
Requires-Dist: tiny-tooth>=1; extra == "standard"
Provides-Extra: full
Requires-Dist: tiny-tooth>=1; extra == "full"
Requires-Dist: tiny-heavy>=1; extra == "full"
"""
'''
_PYPROJECT = """
[build-system]
requires = ["tiny-builder"]
build-backend = "tiny_builder"
[project]
name = "teethscape"
version = "9.9"
[project.optional-dependencies]
standard = ["tiny-tooth>=1"]
full = ["tiny-tooth>=1", "tiny-heavy>=1"]
"""
#: Greets, reports a result (or what the test writes instead), like the real self-test.
WORKER = """
import json, sys
import tiny_tooth
print(json.dumps({"v": 1, "t": "result", "job": "selftest", "summary": {"version": "9.9", "device": "cpu"}}))
"""
BROKEN_WORKER = """
import sys
sys.exit("ImportError: libGL.so.1: cannot open shared object file")
"""


def make_wheel(folder: Path, name: str, body: str, version: str = "1.0") -> Path:
    """A pure wheel with one module."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    information = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", body)
        wheel.writestr(
            f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{information}/RECORD", "")
    return path


def make_wheels(folder: Path) -> Path:
    """The folder of wheels that the tiny engine needs."""
    make_wheel(folder, "tiny_builder", _BUILDER)
    make_wheel(folder, "tiny_tooth", "WIDTH_MM = 8.6\n")
    make_wheel(folder, "tiny_heavy", "LAYERS = 96\n")
    return folder


def make_backend(folder: Path, worker: str = WORKER) -> Path:
    """The extension's ``backend`` folder, as far as the installer looks at it."""
    files = {"pyproject.toml": _PYPROJECT, "teethscape/__init__.py": "", "teethscape/worker.py": worker}
    files |= {f"requirements/standard-{s}.txt": "tiny-tooth==1.0\n" for s in ("linux", "macos", "windows")}
    files["requirements/full.txt"] = "tiny-heavy==1.0\n"
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder
