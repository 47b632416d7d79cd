"""The engine client of this Blender, made when something first needs it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import bpy

from ..backend.client import EngineClient, Inbox, JobStore, JobView
from ..backend.client.folders import EngineFolder
from ..backend.client.installer import EngineStatus, Installer, InstallerView
from ..preferences import chosen_profile, chosen_python, engine_root

#: How long measuring the disk usage may keep another task waiting, seconds.
_MEASURE_S = 5.0
_BACKEND = Path(__file__).resolve().parents[1] / "backend"


class Task(Enum):
    """What the installer was asked to do last."""

    NOTHING = "nothing"
    INSTALL = "install"
    MEASURE = "measure"
    REMOVE = "remove"


@dataclass
class Runtime:
    """What lives as long as the extension is enabled.

    Attributes:
        inbox: the queue that timer and background mode drain.
        installer: makes, checks and removes the engine.
        client: runs reconstructions.
        farm: renders data sets, in an engine process of its own.
        reader: checks photos and segments X-rays, in an engine process of its own.
        clicks: draws masks by clicks, in an engine process of its own that keeps photos prepared.
        loader: lists, downloads and imports weights, in an engine process of its own.
        task: what the installer was asked to do last.
        job: id of the job that the panel shows.
        dataset_job: id of the rendering that the Dataset panel shows.
        xray_job: id of the job that the X-Ray panel shows.
        check_job: id of the last check of the photos.
        weights_job: id of the job that the Weights panel shows.
        asking_job: id of the last question about engines and surface methods.
        scene_uid: the scene that gets the job's result; a number that outlives undo and another name,
            for pointers die with every undo.
        scene_name: its name, by which it is found when its file is opened again.
        file: that file; empty while it was never saved.
    """

    inbox: Inbox
    installer: Installer
    client: EngineClient
    farm: EngineClient
    reader: EngineClient
    clicks: EngineClient
    loader: EngineClient
    task: Task = Task.NOTHING
    job: str | None = None
    dataset_job: str | None = None
    xray_job: str | None = None
    check_job: str | None = None
    weights_job: str | None = None
    asking_job: str | None = None
    scene_uid: int = 0
    scene_name: str = ""
    file: str = ""

    def aim_at(self, scene: bpy.types.Scene) -> None:
        """Let a scene get the job's result."""
        self.scene_uid, self.scene_name, self.file = scene.session_uid, scene.name, bpy.data.filepath

    @property
    def job_view(self) -> JobView | None:
        """A snapshot of the job that the panel shows."""
        return None if self.job is None else self.client.job(self.job)

    @property
    def dataset_view(self) -> JobView | None:
        """A snapshot of the rendering that the Dataset panel shows."""
        return None if self.dataset_job is None else self.farm.job(self.dataset_job)

    @property
    def xray_view(self) -> JobView | None:
        """A snapshot of the job that the X-Ray panel shows."""
        return None if self.xray_job is None else self.reader.job(self.xray_job)

    @property
    def check_view(self) -> JobView | None:
        """A snapshot of the last check of the photos."""
        return None if self.check_job is None else self.reader.job(self.check_job)

    @property
    def weights_view(self) -> JobView | None:
        """A snapshot of the job that the Weights panel shows."""
        return None if self.weights_job is None else self.loader.job(self.weights_job)

    @property
    def asking_view(self) -> JobView | None:
        """A snapshot of the last question about engines and surface methods."""
        return None if self.asking_job is None else self.loader.job(self.asking_job)

    @property
    def engines(self) -> tuple[EngineClient, ...]:
        """Every engine process that may run."""
        return self.client, self.farm, self.reader, self.clicks, self.loader

    @property
    def busy(self) -> bool:
        """True while something must be drained."""
        return any(engine.active for engine in self.engines) or self.installer.active

    def measure(self) -> None:
        """Measure the disk usage of an engine in the background."""
        if self.installer.view.status is not EngineStatus.ABSENT and not self.installer.active:
            self.installer.measure()
            self.task = Task.MEASURE

    def settle(self) -> None:
        """Wait for a measurement, which takes a moment, before something else begins."""
        if self.task is Task.MEASURE:
            self.inbox.wait_until(lambda: not self.installer.active, _MEASURE_S)

    def engine_view(self, before: InstallerView | None) -> InstallerView:
        """A snapshot for the Setup panel; measuring does not count as work."""
        view = self.installer.view
        quiet = self.task is Task.MEASURE and view.status is EngineStatus.WORKING
        return before if quiet and before is not None else view


_runtime: Runtime | None = None


def runtime() -> Runtime:
    """The one runtime; never called while drawing or polling."""
    global _runtime  # one engine per Blender, like the process itself
    if _runtime is None:
        folder = EngineFolder(engine_root())
        inbox = Inbox()
        installer = Installer(folder, _BACKEND, inbox, chosen_python(), chosen_profile())
        client = EngineClient(installer.launch, JobStore(folder.jobs), inbox)
        farm = EngineClient(installer.launch, JobStore(folder.jobs / "dataset"), inbox)
        reader = EngineClient(installer.launch, JobStore(folder.jobs / "xray"), inbox)
        clicks = EngineClient(installer.launch, JobStore(folder.jobs / "clicks"), inbox)
        loader = EngineClient(installer.launch, JobStore(folder.jobs / "weights"), inbox)
        _runtime = Runtime(inbox, installer, client, farm, reader, clicks, loader)
    return _runtime


def has_runtime() -> bool:
    """True when something has needed the engine since the extension was enabled."""
    return _runtime is not None


def end_runtime() -> None:
    """End the engine and forget the runtime; open jobs stay resumable."""
    global _runtime
    if _runtime is not None:
        for engine in _runtime.engines:
            engine.shutdown(timeout_s=3.0)
        _runtime.installer.shutdown(timeout_s=3.0)
        _runtime = None


def target_scene() -> bpy.types.Scene | None:
    """The scene that gets the job's result, or the current one when it is gone.

    None where another file is open than the one that asked for it: it may be another patient's.
    """
    if _runtime is None:
        return bpy.context.scene
    same = (scene for scene in bpy.data.scenes if scene.session_uid == _runtime.scene_uid)
    if (found := next(same, None)) is not None or bpy.data.filepath != _runtime.file:
        return found
    return bpy.data.scenes.get(_runtime.scene_name) or bpy.context.scene
