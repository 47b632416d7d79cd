"""What a child process of ours inherits, and which Python can carry an engine."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .folders import EngineFolder
from .platform_support import platform_key
from .problems import ClientError, Problem

#: Variables that would make a child load something else than its own libraries.
_STRANGERS = ("PYTHON", "VIRTUAL_ENV", "CONDA", "__PYVENV_LAUNCHER__")
#: Settings of pip that say where to install; only where to find (index, proxy) is the user's.
_PIP_TARGETS = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV", "PIP_DRY_RUN")
_PIP_SOURCES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONSTRAINT", "PIP_REQUIREMENT")
OLDEST_PYTHON = (3, 10)
#: Isolated from the user's site-packages and settings, UTF-8 everywhere.
PYTHON_FLAGS = ("-I", "-X", "utf8", "-u")


def child_environment(folder: EngineFolder, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of everything that we start.

    Caches and temporary files go below the engine's folder; proxies, certificates and
    pip's index settings are passed on.
    """
    source = os.environ if base is None else base
    kept = {k: v for k, v in source.items() if not k.upper().startswith(_STRANGERS) and k not in _PIP_TARGETS}
    temporary = str(folder.cache / "tmp")
    ours = {
        "PYTHONUTF8": "1",
        "PYTHONNOUSERSITE": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "HF_HOME": str(folder.cache / "huggingface"),
        "HF_HUB_OFFLINE": "1",
        "TEETHSCAPE_MODELS": str(folder.models),
        "TORCH_HOME": str(folder.cache / "torch"),
        "XDG_CACHE_HOME": str(folder.cache),
        **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), temporary),
    }
    return {**kept, **ours}


def offline_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The same for pip without network: no index, no folder but the one it is given."""
    kept = {name: value for name, value in environment.items() if name not in _PIP_SOURCES}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}


@dataclass(frozen=True)
class Interpreter:
    """A Python that can carry an engine.

    Attributes:
        path: its program.
        version: such as (3, 11, 7).
        platform: such as ``linux-x86_64``.
        has_pip: whether it can make a virtual environment with pip in it.
    """

    path: Path
    version: tuple[int, int, int]
    platform: str
    has_pip: bool

    @property
    def series(self) -> str:
        """``3.11``."""
        return f"{self.version[0]}.{self.version[1]}"


_PROBE = """
import importlib.util, json, sys
found = all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))
print(json.dumps({"version": sys.version_info[:3], "has_pip": found}))
"""


@lru_cache(maxsize=8)
def probe_python(path: Path) -> Interpreter:
    """Ask a Python what it is.

    Raises:
        ClientError: it does not run.
    """
    if path == own_python():
        found = all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))
        return Interpreter(path, sys.version_info[:3], platform_key(), found)
    command = [str(path), "-I", "-X", "utf8", "-c", _PROBE]
    try:
        answer = subprocess.run(command, capture_output=True, check=True, timeout=30)
        found = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        message = f"The Python at {path} does not run ({error})."
        raise ClientError(Problem("python_unusable", message, "Choose another Python.", 4)) from error
    major, minor, micro = found["version"]
    return Interpreter(path, (major, minor, micro), platform_key(), bool(found["has_pip"]))


def python_problem(python: Interpreter) -> Problem | None:
    """Why a Python cannot carry the engine, or None."""
    if python.version[:2] < OLDEST_PYTHON:
        message = f"Python {python.series} is too old; the engine needs 3.10 or newer."
        return Problem("python_too_old", message, "Choose a newer Python.", 4)
    if not python.has_pip:
        message = f"The Python at {python.path} cannot make environments (venv or ensurepip is missing)."
        advice = f"On Debian and Ubuntu: sudo apt install python{python.series}-venv"
        return Problem("venv_missing", message, advice, 4)
    return None


def own_python() -> Path:
    """The Python that runs this, inside Blender the one that Blender brings along."""
    return Path(sys.executable)
