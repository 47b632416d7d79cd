"""Cases on a Ray cluster: one actor per Blender, results to a shared folder or a URL.

The driver keeps one case per actor in flight. An actor that dies, with its node or alone, is
replaced and its case begun again; the driver itself may die, for what is complete lies in the
store. Meshes travel with their case, so nodes need no common folder for them. Every node needs
the engine, Blender, and the render scripts; ``docs/dataset.md`` says how.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from teethscape.blender import find_blender, scripts_folder
from teethscape.dataset.farm.blender_worker import BlenderWorker, WorkerLaunch
from teethscape.dataset.farm.cases import Case
from teethscape.dataset.farm.layout import partner_of
from teethscape.dataset.farm.local_farm import start_or_explain
from teethscape.dataset.farm.render_case import CaseRenderer, CaseReport, Effort, Status
from teethscape.dataset.farm.request import RenderRequest
from teethscape.dataset.farm.scratch import Scratch
from teethscape.dataset.farm.store import open_store
from teethscape.errors import ExitCode, MissingComponentError, ResourceError, TeethscapeError

#: Processor cores that an actor asks for when the request leaves it open.
_CORES = 1
_TICK_S = 0.5
#: Actors that may die before they have rendered anything.
_STARTS = 10
LOCAL = "local"


@dataclass(frozen=True)
class SentCase:
    """A case on its way to another machine.

    Attributes:
        case: its mesh is a path on the driver's machine.
        files: name and content of the mesh, and of the other jaw's beside it, which a mesh that is not
            normalised needs; empty for synthetic cases.
    """

    case: Case
    files: Mapping[str, bytes]


def sent(case: Case) -> SentCase:
    """A case with the files that it is rendered from."""
    if case.mesh is None or case.jaw is None:
        return SentCase(case, {})
    other = partner_of(case.mesh, case.jaw)
    return SentCase(case, {path.name: path.read_bytes() for path in (case.mesh, other) if path is not None})


class CaseActor:
    """Renders cases on one node; Ray makes it an actor."""

    def __init__(self, request: RenderRequest, threads: int) -> None:
        self._request, self._threads = request, threads
        self._home = Path(tempfile.mkdtemp(prefix="teethscape-actor-"))

    def prepare(self) -> tuple[str, str, str] | None:
        """Start Blender; code, message and advice when this node cannot render."""
        try:
            self._worker = BlenderWorker(actor_launch(self._request, self._threads))
            start_or_explain(self._worker)
            store = open_store(self._request.output)
        except TeethscapeError as error:
            return error.code, error.message, error.advice
        self._scratch = Scratch(self._home)
        effort = Effort(self._request.retries, self._threads)
        self._renderer = CaseRenderer(self._worker, self._request.look, store, effort)
        return None

    def render(self, sent: SentCase) -> CaseReport:
        """Render one case and put it into the store.

        A user's error becomes a report, for an exception would lose its words on the way.
        """
        try:
            return self._renderer.render(self._received(sent), self._scratch.stage)
        except TeethscapeError as error:
            return CaseReport(sent.case.uid, Status.FAILED, int(error.exit_code), error.message)

    def close(self) -> None:
        """End Blender and delete the scratch folder."""
        self._worker.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def _received(self, sent: SentCase) -> Case:
        """The case with its mesh on this machine; folder and file keep their names, which make the uid."""
        if sent.case.mesh is None:
            return sent.case
        folder = self._home / "meshes" / sent.case.mesh.parent.name
        shutil.rmtree(folder, ignore_errors=True)  # of another patient whose folder is called so
        folder.mkdir(parents=True)
        for name, data in sent.files.items():
            (folder / name).write_bytes(data)
        return replace(sent.case, mesh=folder / sent.case.mesh.name)


def actor_launch(request: RenderRequest, threads: int) -> WorkerLaunch:
    """How an actor starts its Blender of so many threads, looked for on its own node."""
    blender, scripts = find_blender(request.blender), scripts_folder(request.scripts)
    command = tuple(blender.command(scripts / "render_worker.py"))
    return WorkerLaunch(command, stall_s=request.stall_s, threads=threads)


class RayFarm:
    """Hands cases to actors and takes their reports.

    Args:
        ray: the module.
        request: what every actor is told.
        actor_class: what actors are; tests give another Blender.
    """

    def __init__(self, ray: Any, request: RenderRequest, actor_class: type[CaseActor] = CaseActor) -> None:
        self._ray, self._request = ray, request
        self._threads = request.threads or _CORES
        self._remote = ray.remote(num_cpus=self._threads)(actor_class)
        self._idle: list[Any] = []
        self._starting: dict[Any, Any] = {}
        self._flying: dict[Any, tuple[Any, Case]] = {}
        self._tries: dict[str, int] = {}
        self._failed_starts = 0

    def run(self, cases: Sequence[Case], check_cancelled: Callable[[], None]) -> Iterator[CaseReport]:
        """Render all cases; reports come as they are ready.

        A case is given to an actor that has come up, never to one that still waits for a node:
        when a node is lost, the others do its work.

        Raises:
            CancelledError: ``check_cancelled`` raised it; all actors are gone then.
            MissingComponentError: a node has no Blender.
        """
        waiting = list(reversed(cases))
        for _ in range(min(self._count(), len(cases))):
            self._begin()
        try:
            while waiting or self._flying:
                check_cancelled()
                while waiting and self._idle:
                    self._send(waiting.pop(), self._idle.pop())
                references = [*self._flying, *self._starting]
                for reference in self._ray.wait(references, timeout=_TICK_S)[0]:
                    yield from self._landed(reference, waiting)
            self._close()
        finally:
            for actor in self._actors():
                with suppress(Exception):  # it may be gone already
                    self._ray.kill(actor)

    def _begin(self) -> None:
        actor = self._remote.remote(replace(self._request, meshes=()), self._threads)
        self._starting[actor.prepare.remote()] = actor

    def _send(self, case: Case, actor: Any) -> None:
        self._flying[actor.render.remote(sent(case))] = (actor, case)

    def _landed(self, reference: Any, waiting: list[Case]) -> Iterator[CaseReport]:
        """An actor has come up, has finished a case, or has died."""
        if reference in self._starting:
            actor = self._starting.pop(reference)
            if self._came_up(reference):
                self._idle.append(actor)
            return
        actor, case = self._flying.pop(reference)
        try:
            yield self._ray.get(reference)
            self._idle.append(actor)
        except self._ray.exceptions.RayActorError:
            self._begin()
            self._tries[case.uid] = tries = self._tries.get(case.uid, 0) + 1
            if tries <= self._request.retries:
                waiting.append(case)
            else:
                words = f"the process or machine that rendered it died {tries} times"
                yield CaseReport(
                    case.uid, Status.FAILED, int(ExitCode.OUT_OF_RESOURCES), words, attempts=tries
                )

    def _came_up(self, reference: Any) -> bool:
        """False when the actor died at its start and another was begun."""
        try:
            problem = self._ray.get(reference)
        except self._ray.exceptions.RayActorError as error:
            self._failed_starts += 1
            if self._failed_starts > _STARTS:
                raise ResourceError(
                    "ray_lost", f"Actors die at their start ({error}).", "Look at Ray's logs."
                ) from error
            self._begin()
            return False
        if problem is not None:
            raise MissingComponentError(*problem)
        return True

    def _count(self) -> int:
        """As many actors as were asked for, or as the cluster has cores for."""
        cores = int(self._ray.cluster_resources().get("CPU", 1))
        return max(1, self._request.workers or cores // self._threads)

    def _actors(self) -> list[Any]:
        return [*self._idle, *self._starting.values(), *(actor for actor, _ in self._flying.values())]

    def _close(self) -> None:
        """Let actors clean up, but do not wait for ever."""
        ends = [actor.close.remote() for actor in self._idle]
        with suppress(Exception):  # one that dies now has nothing left to do
            self._ray.wait(ends, num_returns=len(ends), timeout=15.0)


@contextmanager
def ray_farm(request: RenderRequest) -> Iterator[RayFarm]:
    """A farm on the cluster at ``request.ray``; a local one is started for ``local``.

    Raises:
        MissingComponentError: Ray is not installed, or the cluster does not answer.
    """
    try:
        import ray  # pyright: ignore[reportMissingImports] - optional
    except ImportError as error:
        raise MissingComponentError(
            "ray_missing",
            "Rendering on a cluster needs Ray.",
            "Run in the engine's environment: python -m pip install 'teethscape[farm]'",
        ) from error
    began = not ray.is_initialized()
    if began:
        _connect(ray, request.ray or LOCAL)
    try:
        yield RayFarm(ray, request)
    finally:
        if began:
            ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    options: dict[str, Any] = {"include_dashboard": False} if address == LOCAL else {"address": address}
    try:
        ray.init(log_to_driver=False, **options)
    except Exception as error:  # Ray has no class of its own for a node that does not come up in time
        how = "Try again when the computer is less busy" if address == LOCAL else "Start it: ray start --head"
        raise MissingComponentError(
            "ray_unreachable", f"The Ray cluster at {address} does not answer ({error}).", how
        ) from error
    deadline = time.monotonic() + 30.0
    while not ray.cluster_resources().get("CPU") and time.monotonic() < deadline:
        time.sleep(0.2)  # a head that has just started may not know its own node yet
