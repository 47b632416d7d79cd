"""What an installation would do, decided before anything is touched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from .environment import Interpreter, python_problem
from .folders import EngineFolder, free_bytes
from .platform_support import WINDOWS
from .problems import Problem
from .requirements import Target, names, pins
from .wire import protocol

_PROFILES = Path(__file__).parent / "data" / "profiles.json"
#: Free space asked for, as a multiple of what the finished engine takes.
_HEADROOM = 1.3
STANDARD, FULL = "standard", "full"
_LONG_PATH = 120


class Source(protocol.Word):
    """Where the packages come from."""

    NETWORK = "network"
    FOLDER = "folder"


@dataclass(frozen=True)
class Profile:
    """A set of packages and what it takes.

    Attributes:
        name: the extra of the engine's package.
        installed_bytes: measured size of the finished environment.
        step_seconds: measured time of each step, for the progress bar.
        indexes: by platform, a further package index with builds for its GPUs.
    """

    name: str
    installed_bytes: int
    step_seconds: dict[str, float]
    indexes: Mapping[str, str] = field(default_factory=dict)


@cache
def profile(name: str = STANDARD) -> Profile:
    """A profile by its name."""
    content = json.loads(_PROFILES.read_text("utf-8"))[name]
    return Profile(name, content["installed_bytes"], content["step_seconds"], content["indexes"])


@dataclass(frozen=True)
class InstallRequest:
    """What the user chose.

    Attributes:
        python: the interpreter that carries the engine.
        source: network or folder.
        wheels: the folder of wheels, for ``Source.FOLDER``.
        online_allowed: Blender's "Allow Online Access".
        profile: name of the set of packages.
    """

    python: Interpreter
    source: Source = Source.NETWORK
    wheels: Path | None = None
    online_allowed: bool = False
    profile: str = STANDARD


@dataclass(frozen=True)
class InstallPlan:
    """What would happen, for the user to agree to.

    Attributes:
        request: what the user chose.
        key: identity of the engine that would be built; a new one for new code,
            new pins, another Python or another machine.
        pinned: the packages as lines of a pinned set.
        need_bytes: free space that is asked for.
        free_bytes: free space that there is.
        notices: what the user should know beforehand.
        problem: why it cannot be done, or None.
    """

    request: InstallRequest
    key: str
    pinned: tuple[str, ...]
    need_bytes: int
    free_bytes: int
    notices: tuple[str, ...] = ()
    problem: Problem | None = None

    @property
    def packages(self) -> tuple[str, ...]:
        """Names of all packages, ours at the end."""
        return (*names(self.pinned), "teethscape")


def make_plan(request: InstallRequest, folder: EngineFolder, backend: Path, key: str) -> InstallPlan:
    """Decide what to build and find out whether it can be done; changes nothing.

    Args:
        request: what the user chose.
        folder: the engine's folder.
        backend: the extension's ``backend`` folder.
        key: its `environment_key`.
    """
    pinned = pins(backend / "requirements", target_of(request.python), request.profile)
    need = int(profile(request.profile).installed_bytes * _HEADROOM)
    free = free_bytes(folder.root)
    problem = python_problem(request.python) or _source_problem(request) or _space_problem(need, free)
    return InstallPlan(request, key, pinned, need, free, _notices(folder), problem)


def target_of(python: Interpreter) -> Target:
    """Where an interpreter's packages run."""
    system, _, machine = python.platform.partition("-")
    return Target(system, machine, python.series)


def environment_key(backend: Path, python: Interpreter, profile_name: str = STANDARD) -> str:
    """Identity of an engine: its code, its pins, its Python, its machine and its profile."""
    added = "" if profile_name == STANDARD else f" {profile_name}"
    digest = hashlib.sha256(f"{python.platform} {python.series}{added}".encode())
    for path in source_files(backend):
        digest.update(path.relative_to(backend).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def source_files(backend: Path) -> tuple[Path, ...]:
    """The engine's own package, its data and its pins; nothing of the client."""
    files = [backend / "pyproject.toml"]
    for part in ("requirements", "teethscape"):
        files += (path for path in (backend / part).rglob("*") if path.is_file())
    return tuple(sorted(p for p in files if "__pycache__" not in p.parts and p.suffix != ".pyc"))


def _source_problem(request: InstallRequest) -> Problem | None:
    if request.source is Source.NETWORK:
        if request.online_allowed:
            return None
        advice = "Allow it in Preferences, System, Network, or install from a folder of wheels."
        return Problem("online_access_off", "Online access is switched off in Blender.", advice, 4)
    wheels = request.wheels
    if wheels is None or not wheels.is_dir():
        return Problem(
            "wheels_missing", f"There is no folder of wheels at {wheels}.", "Choose another folder.", 3
        )
    if not any(wheels.glob("*.whl")):
        return Problem("wheels_missing", f"There are no wheels in {wheels}.", "Choose another folder.", 3)
    return None


def _space_problem(need: int, free: int) -> Problem | None:
    if free >= need:
        return None
    message = f"The engine needs {need / 1e9:.1f} GB of free space, there are {free / 1e9:.1f} GB."
    return Problem("disk_full", message, "Free some space or choose another folder.", 6, True)


def _notices(folder: EngineFolder) -> tuple[str, ...]:
    if WINDOWS and len(str(folder.root)) > _LONG_PATH:
        return ("The folder's path is long; Windows may refuse some files. A shorter one is safer.",)
    return ()
