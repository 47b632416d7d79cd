"""Building an engine, step by step. Runs in a thread of its own; never touches Blender.

An environment is built in place (virtual environments cannot be moved) and counts as
an engine only when `ready.json` is in it, which is written last.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import platform_support
from .environment import PYTHON_FLAGS, child_environment, offline_environment
from .files import write_json
from .folders import EngineFolder, free_bytes
from .install_plan import InstallPlan, Profile, Source, profile, source_files
from .pip_output import PipState, after, explain_failure
from .problems import ClientError, Problem
from .requirements import canonical
from .runner import ChildFailedError, StoppedError, Watch, run_child
from .wire import __version__, protocol

_GUARD = Path(__file__).parent / "guarded_run.py"
READY = "ready.json"
_SELFTEST_S = 180.0


class Step(protocol.Word):
    """What an installation is doing."""

    CHECK = "check"
    ENVIRONMENT = "environment"
    SOURCE = "source"
    PACKAGES = "packages"
    SELFTEST = "selftest"
    DONE = "done"

    @property
    def label(self) -> str:
        """The same in words."""
        return _LABELS[self]


_LABELS = {
    Step.CHECK: "Checking",
    Step.ENVIRONMENT: "Making the environment",
    Step.SOURCE: "Copying the engine",
    Step.PACKAGES: "Installing packages",
    Step.SELFTEST: "Testing the engine",
    Step.DONE: "Ready",
}


@dataclass(frozen=True)
class InstallProgress:
    """How far an installation is.

    Attributes:
        step: what it is doing.
        words: the same in words, with the package's name.
        done: packages in place.
        total: packages in all.
        fraction: finished part of everything, 0 to 1.
    """

    step: Step = Step.CHECK
    words: str = _LABELS[Step.CHECK]
    done: int = 0
    total: int = 0
    fraction: float = 0.0


@dataclass(frozen=True)
class Build:
    """One attempt: what to build, where, and who looks on.

    Attributes:
        plan: what to do.
        folder: the engine's folder.
        backend: the extension's ``backend`` folder.
        place: the folder of the new environment.
        watch: the way to stop it, and the log.
        report: called with each step forward.
    """

    plan: InstallPlan
    folder: EngineFolder
    backend: Path
    place: Path
    watch: Watch
    report: Callable[[InstallProgress], None]

    @property
    def venv(self) -> Path:
        """The virtual environment itself."""
        return self.place / "venv"

    @property
    def source(self) -> Path:
        """The copy of the engine's source that pip builds."""
        return self.place / "source"

    @property
    def python(self) -> Path:
        """The new environment's interpreter."""
        return platform_support.venv_python(self.venv)

    @property
    def profile(self) -> Profile:
        """The set of packages."""
        return profile(self.plan.request.profile)

    def tell(self, step: Step, part: float = 0.0, done: int = 0, words: str = "") -> None:
        """Report a step and the finished part of it."""
        seconds = self.profile.step_seconds
        before = sum(seconds[earlier] for earlier in list(Step)[: list(Step).index(step)])
        fraction = (before + part * seconds[step]) / sum(seconds.values())
        total = len(self.plan.packages)
        self.report(InstallProgress(step, words or step.label, done, total, fraction))


def build(work: Build) -> dict[str, Any]:
    """Build an environment and prove that it works.

    Returns:
        The content of its ``ready.json``.

    Raises:
        ClientError: something failed; nothing half-built counts as an engine.
        StoppedError: the user has cancelled.
    """
    work.tell(Step.CHECK)
    (work.folder.cache / "tmp").mkdir(parents=True, exist_ok=True)
    with _cleared_on_failure(work), _as_problems(work):
        _make_environment(work)
        _copy_source(work)
        _install_packages(work)
        content = {**_identity(work), "selftest": _test(work)}
        work.folder.remove(work.source)
        write_json(work.place / READY, content)
    return content


@contextmanager
def _cleared_on_failure(work: Build) -> Iterator[None]:
    try:
        yield
    except BaseException:
        if work.place.exists():
            work.folder.remove(work.place)
        raise


@contextmanager
def _as_problems(work: Build) -> Iterator[None]:
    """Turn what a failing child or disk says into a problem for the user."""
    offline = work.plan.request.source is Source.FOLDER
    try:
        yield
    except ChildFailedError as error:
        raise ClientError(explain_failure(error.tail, offline, free_bytes(work.folder.root))) from error
    except OSError as error:
        raise ClientError(explain_failure((str(error),), offline, free_bytes(work.folder.root))) from error


def _make_environment(work: Build) -> None:
    work.tell(Step.ENVIRONMENT)
    work.place.mkdir(parents=True)
    _run(work, work.plan.request.python.path, "venv", "--without-pip", str(work.venv))
    work.tell(Step.ENVIRONMENT, 0.1)
    # What venv would run by itself, but then it would keep the reason of a failure to itself.
    _run(work, work.python, "ensurepip", "--upgrade", "--default-pip")
    if work.watch.stop.is_set():
        raise StoppedError


def _copy_source(work: Build) -> None:
    """Copy what pip builds: it writes into the source, and the extension may be read-only."""
    work.tell(Step.SOURCE)
    for path in source_files(work.backend):
        target = work.source / path.relative_to(work.backend)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _install_packages(work: Build) -> None:
    request = work.plan.request
    arguments = ["install", "--no-cache-dir", "--no-color", "--only-binary", ":all:"]
    arguments += ["--no-warn-script-location", "--progress-bar", _bar(work.venv)]
    if request.source is Source.FOLDER:
        arguments += ["--no-index", "--find-links", str(request.wheels)]
    else:
        arguments += ["--constraint", str(_constraints(work)), "--retries", "5", "--timeout", "30"]
        if index := work.profile.indexes.get(request.python.platform):
            arguments += ["--extra-index-url", index]
    _run_pip(work, *arguments, f"{work.source}[{request.profile}]")


def _constraints(work: Build) -> Path:
    """The pins as a file; a folder of wheels is its own pin and needs none."""
    path = work.place / "constraints.txt"
    path.write_text("\n".join(work.plan.pinned) + "\n", "utf-8")
    return path


def _bar(venv: Path) -> str:
    """Progress in bytes, which pip can tell in a readable form since version 24.1."""
    packages = platform_support.site_packages(venv)
    found = next(iter(packages.glob("pip-*.dist-info")), None) if packages else None
    version = found.name.split("-")[1].split(".")[:2] if found else ["0", "0"]
    return "raw" if tuple(map(int, version)) >= (24, 1) else "off"


def _run_pip(work: Build, *arguments: str) -> None:
    """Run pip and report its progress: half for finding packages, half for placing them."""
    state = PipState()
    placed: set[str] = set()

    def line(text: str) -> None:
        nonlocal state
        state = after(state, text)
        work.watch.line(text)

    def tick() -> None:
        total = len(work.plan.packages)
        nonlocal state
        now = _installed(work) & set(work.plan.packages)
        for name in sorted(now - placed):
            state = replace(state, words=f"Installed {name}")
        placed.update(now)
        found = min(len(state.found & set(work.plan.packages)), total)
        looked = max(found - 1 + state.part, 0.0) if not state.installing else total
        work.tell(Step.PACKAGES, (looked + len(placed)) / (2 * total), len(placed), state.words)

    _run(work, work.python, "pip", *arguments, watch=replace(work.watch, line=line, tick=tick))


def _installed(work: Build) -> set[str]:
    """Packages that stand in the environment, while pip is still silent about them."""
    packages = platform_support.site_packages(work.venv)
    found = packages.glob("*.dist-info") if packages else ()
    return {canonical(path.name.split("-")[0]) for path in found}


def _run(work: Build, python: Path, module: str, *arguments: str, watch: Watch | None = None) -> None:
    """Run a module of a Python that ends with us."""
    environment = child_environment(work.folder)
    if work.plan.request.source is Source.FOLDER:
        environment = offline_environment(environment)
    command = (str(python), *PYTHON_FLAGS, str(_GUARD), module, *arguments)
    run_child(command, environment, work.folder.root, watch or work.watch)


def _test(work: Build) -> dict[str, Any]:
    """Let the new engine prove itself."""
    work.tell(Step.SELFTEST, done=len(work.plan.packages))
    return selftest(work.python, work.folder, work.watch)


def selftest(python: Path, folder: EngineFolder, watch: Watch) -> dict[str, Any]:
    """Run an engine's own test.

    Returns:
        What it reports: versions, device, each check.

    Raises:
        ClientError: it failed.
        StoppedError: the user has cancelled.
    """
    command = (str(python), *PYTHON_FLAGS, "-m", "teethscape.worker", "--selftest")
    try:
        tail = run_child(command, child_environment(folder), folder.root, watch, _SELFTEST_S)
    except ChildFailedError as error:
        tail = error.tail
    for line in reversed(tail):
        message = _message(line)
        if isinstance(message, protocol.Result):
            return message.summary
        if isinstance(message, protocol.Error):
            raise ClientError(Problem.of(message))
    advice = "Repair the engine or send the report."
    raise ClientError(
        Problem("selftest_failed", "The engine does not start.", advice, 4, True, "\n".join(tail))
    )


def _message(line: str) -> protocol.Message | None:
    try:
        return protocol.decode(line.encode())
    except protocol.ProtocolError:
        return None  # stderr shares the stream


def _identity(work: Build) -> dict[str, Any]:
    python = work.plan.request.python
    return {
        "key": work.plan.key,
        "version": __version__,
        "protocol": protocol.PROTOCOL_VERSION,
        "profile": work.plan.request.profile,
        "python": ".".join(map(str, python.version)),
        "platform": python.platform,
        "source": work.plan.request.source,
        "created": time.time(),
    }


def ready_content(place: Path) -> dict[str, Any] | None:
    """The content of an environment's ``ready.json``, or None when it is not an engine."""
    try:
        content = json.loads((place / READY).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    fits = isinstance(content, dict) and isinstance(content.get("created"), (int, float))
    return content if fits else None
