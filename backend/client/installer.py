"""The installer as Blender sees it: plan, install, cancel, look at a snapshot."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from . import platform_support
from .environment import PYTHON_FLAGS, Interpreter, child_environment, own_python, probe_python
from .files import append_line, rotate
from .folders import EngineFolder
from .inbox import Inbox
from .install_plan import FULL, STANDARD, InstallPlan, InstallRequest, Source, environment_key, make_plan
from .install_steps import Build, InstallProgress, Step, build, ready_content, selftest
from .locks import locked
from .problems import ClientError, Problem
from .process import EngineLaunch
from .runner import StoppedError, Watch
from .wire import protocol

log = logging.getLogger(__name__)

#: Snapshots are posted at most so often, seconds.
_REPORT_S = 0.1


class EngineStatus(protocol.Word):
    """What is installed."""

    ABSENT = "absent"
    WORKING = "working"
    READY = "ready"
    OUTDATED = "outdated"
    BROKEN = "broken"


@dataclass(frozen=True)
class InstallerView:
    """A snapshot for panels.

    Attributes:
        status: what is installed, or that something is being done about it.
        progress: how far the running installation is.
        elapsed_s: since it began, seconds.
        problem: why the last attempt failed; None after success or cancelling.
        cancelled: the last attempt was cancelled.
        engine: what the engine said in its self-test: ``version``, ``device``, ``packages``.
        usage: bytes on disk by part; empty until measured.
    """

    status: EngineStatus
    progress: InstallProgress = field(default_factory=InstallProgress)
    elapsed_s: float = 0.0
    problem: Problem | None = None
    cancelled: bool = False
    engine: Mapping[str, Any] = field(default_factory=dict)
    usage: Mapping[str, int] = field(default_factory=dict)


class Installer:
    """Builds, tests and removes engines; works in a thread, reports through the inbox.

    Args:
        folder: the engine's folder.
        backend: the extension's ``backend`` folder.
        inbox: the queue that the caller drains; shared with the client.
        python: the interpreter that carries the engine; Blender's own by default.
        profile: the set of packages that is wanted; an engine with more of them serves too.
    """

    def __init__(
        self,
        folder: EngineFolder,
        backend: Path,
        inbox: Inbox | None = None,
        python: Path | None = None,
        profile: str = STANDARD,
    ) -> None:
        self.folder = folder
        self.inbox = inbox or Inbox()
        self._backend = backend
        self._python = python or own_python()
        self._profile = profile
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._since = 0.0
        self._view = InstallerView(EngineStatus.ABSENT)
        self.refresh()

    @property
    def active(self) -> bool:
        """True while a timer must drain."""
        return self._thread is not None

    @property
    def view(self) -> InstallerView:
        """The current snapshot; costs nothing."""
        elapsed = time.monotonic() - self._since if self.active else self._view.elapsed_s
        return replace(self._view, elapsed_s=elapsed)

    @property
    def interpreter(self) -> Interpreter:
        """The Python that carries the engine.

        Raises:
            ClientError: it does not run.
        """
        return probe_python(self._python)

    def refresh(self) -> InstallerView:
        """Look at the disk again; call it when the extension starts, never while drawing."""
        if not self.active:
            self.__dict__.pop("_keys", None)
            status, engine = self._status()
            self._view = replace(self._view, status=status, engine=engine)
        return self.view

    def plan(
        self, source: Source = Source.NETWORK, wheels: Path | None = None, online_allowed: bool = False
    ) -> InstallPlan:
        """What `install` would do; changes nothing.

        Raises:
            ClientError: the Python that should carry the engine does not run.
        """
        request = InstallRequest(self.interpreter, source, wheels, online_allowed, self._profile)
        return make_plan(request, self.folder, self._backend, self._keys[0])

    def install(self, plan: InstallPlan) -> None:
        """Begin to install (or repair, or update); the engine in use stays until the new one has passed.

        Raises:
            ClientError: the plan has a problem, or something is being done already.
        """
        if plan.problem is not None:
            raise ClientError(plan.problem)
        self._begin(lambda watch: self._install(plan, watch))

    def test(self) -> None:
        """Begin the installed engine's self-test.

        Raises:
            ClientError: there is none, or something is being done already.
        """
        place = self._usable()
        python = platform_support.venv_python(place / "venv")
        self._begin(lambda watch: selftest(python, self.folder, watch))

    def measure(self) -> None:
        """Begin to measure the disk usage; the numbers arrive in the view.

        Raises:
            ClientError: something is being done already.
        """
        self._begin(lambda _: None)

    def remove(self) -> None:
        """Begin to remove everything that was installed; the engine must not run.

        Raises:
            ClientError: something is being done already.
        """
        self._begin(lambda _: self._remove())

    def cancel(self) -> None:
        """Stop what is being done; nothing half-built stays."""
        self._stop.set()

    def drain(self, budget_ms: float = 5.0) -> bool:
        """Handle what has arrived; True when panels should be drawn again."""
        return self.inbox.drain(budget_ms) > 0

    def wait(
        self, on_change: Callable[[InstallerView], None] | None = None, timeout_s: float | None = None
    ) -> InstallerView:
        """Wait for the end of what was begun; for background mode."""
        last: InstallProgress | None = None

        def over() -> bool:
            nonlocal last
            if on_change is not None and self._view.progress != last:
                last = self._view.progress
                on_change(self.view)
            return not self.active

        self.inbox.wait_until(over, timeout_s)
        return self.view

    def shutdown(self, timeout_s: float = 10.0) -> None:
        """Stop and wait; for the end of the extension."""
        self.cancel()
        self.inbox.wait_until(lambda: not self.active, timeout_s)

    def launch(self) -> EngineLaunch:
        """How to start the installed engine; given to `EngineClient`.

        Raises:
            ClientError: there is none, with what to do.
        """
        python = platform_support.venv_python(self._usable() / "venv")
        (self.folder.cache / "tmp").mkdir(parents=True, exist_ok=True)
        command = (str(python), *PYTHON_FLAGS, "-m", "teethscape.worker", "--logs", str(self.folder.logs))
        log_file = self.folder.logs / "worker.log"
        return EngineLaunch(command, child_environment(self.folder), self.folder.root, log_file)

    # -- in the main thread --------------------------------------------------------

    def _begin(self, work: Callable[[Watch], object]) -> None:
        if self.active:
            problem = Problem(
                "engine_locked", "The engine is being installed.", "Wait until it has finished.", 6, True
            )
            raise ClientError(problem)
        self._stop.clear()
        self._since = time.monotonic()
        fresh = InstallProgress()
        self._view = replace(
            self._view, status=EngineStatus.WORKING, progress=fresh, problem=None, cancelled=False
        )
        self._thread = threading.Thread(target=self._work, args=(work,), daemon=True)
        self._thread.start()

    def _on_progress(self, progress: InstallProgress) -> None:
        self._view = replace(self._view, progress=progress)

    def _on_end(self, end: InstallerView) -> None:
        self._view = replace(end, elapsed_s=time.monotonic() - self._since)
        self._thread = None

    # -- in the thread ---------------------------------------------------------------

    def _work(self, work: Callable[[Watch], object]) -> None:
        """Do something and post how it ended; the only place where its failures arrive."""
        problem: Problem | None = None
        cancelled = False
        try:
            work(Watch(self._stop, self._log))
        except StoppedError:
            cancelled = True
        except ClientError as error:
            problem = error.problem
        except Exception as error:
            log.exception("the installer failed")
            problem = Problem("internal", f"The installer failed ({error}).", "Send the report.", 6, True)
        status, engine = self._status()
        usage = self.folder.usage()
        view = InstallerView(
            status, self._view.progress, problem=problem, cancelled=cancelled, engine=engine, usage=usage
        )
        self.inbox.post(self._on_end, view)

    def _install(self, plan: InstallPlan, watch: Watch) -> None:
        self.folder.prepare()
        with locked(self.folder.install_lock):
            self._sweep(keep_ready=True)
            report = self._reporter()
            build(Build(plan, self.folder, self._backend, self._free_place(plan.key), watch, report))
            self._sweep(keep_ready=False)
            count = len(plan.packages)
            report(InstallProgress(Step.DONE, Step.DONE.label, count, count, 1.0))

    def _remove(self) -> None:
        if not self.folder.root.exists():
            return
        with locked(self.folder.install_lock):
            strangers = self.folder.remove_all()
        if strangers:
            message = f"Left in place, because Teethscape did not make it: {', '.join(strangers)}."
            raise ClientError(Problem("not_ours", message, "Delete it by hand if you are sure.", 6))

    def _sweep(self, keep_ready: bool) -> None:
        """Remove what earlier attempts left; of finished engines keep the newest and one before."""
        places = sorted(self._engines(), key=lambda place: (ready_content(place) or {})["created"])
        kept = set(places if keep_ready else places[-2:])
        for place in self.folder.envs.iterdir():
            if place not in kept:
                try:
                    self.folder.remove(place)
                except OSError:  # in use on Windows: the next installation gets it
                    log.warning("%s cannot be removed now", place, exc_info=True)

    def _free_place(self, key: str) -> Path:
        numbers = (number for number in range(1, 10_000))
        return next(p for n in numbers if not (p := self.folder.envs / f"{key}-{n}").exists())

    def _reporter(self) -> Callable[[InstallProgress], None]:
        """Hands progress on, but not more often than anyone can read, and never backwards."""
        last_time, last = 0.0, InstallProgress()

        def report(progress: InstallProgress) -> None:
            nonlocal last_time, last
            now = time.monotonic()
            if progress.step is not last.step or now - last_time > _REPORT_S:
                last_time = now
                last = replace(progress, fraction=max(progress.fraction, last.fraction))
                self.inbox.post(self._on_progress, last)

        return report

    def _log(self, line: str) -> None:
        path = self.folder.logs / "install.log"
        rotate(path)
        append_line(path, {"time": round(time.time(), 3), "line": line})

    # -- in either -------------------------------------------------------------------

    def _engines(self) -> list[Path]:
        if not self.folder.envs.is_dir():
            return []
        return [place for place in self.folder.envs.iterdir() if ready_content(place) is not None]

    @cached_property
    def _keys(self) -> tuple[str, ...]:
        """Identities of the engines that fit, the wanted one first, until the next `refresh`."""
        names = dict.fromkeys((self._profile, FULL))  # the full profile holds every other
        return tuple(environment_key(self._backend, self.interpreter, name) for name in names)

    def _usable(self) -> Path:
        """The engine to start: the one of this code if there is one, else the newest that understands us."""
        best: tuple[bool, float, Path] | None = None
        for place in self._engines():
            content = ready_content(place) or {}
            runs = platform_support.venv_python(place / "venv").exists()
            if runs and content.get("protocol") == protocol.PROTOCOL_VERSION:
                rank = (content["key"] in self._keys, content["created"], place)
                best = rank if best is None else max(best, rank)
        if best is None:
            raise ClientError(
                Problem("engine_missing", "The engine is not installed.", "Install it in Setup.", 4)
            )
        return best[2]

    def _status(self) -> tuple[EngineStatus, Mapping[str, Any]]:
        try:
            place = self._usable()
        except ClientError as error:
            log.debug("no engine: %s", error)
            return (EngineStatus.BROKEN if self._engines() else EngineStatus.ABSENT), {}
        content = ready_content(place) or {}
        fits = content["key"] in self._keys
        return (EngineStatus.READY if fits else EngineStatus.OUTDATED), content["selftest"]
