"""Cases on this machine: one thread per persistent Blender, all fed from one queue."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from teethscape.dataset.farm.blender_worker import BlenderWorker, WorkerLaunch, WorkerLostError
from teethscape.dataset.farm.cases import Case
from teethscape.dataset.farm.cores import stay_on_cores
from teethscape.dataset.farm.render_case import CaseRenderer, CaseReport, Effort
from teethscape.dataset.farm.request import Look
from teethscape.dataset.farm.scratch import Scratch
from teethscape.dataset.farm.store import Store
from teethscape.errors import CancelledError, MissingComponentError

_TICK_S = 0.2


@dataclass(frozen=True)
class FarmPlan:
    """What every worker is told.

    Attributes:
        launch: makes the launch of worker number k.
        look: what the pictures have in common.
        store: where files go.
        scratch: where half-done cases are.
        workers: how many Blenders.
        effort: retries and threads, at least one.
    """

    launch: Callable[[int], WorkerLaunch]
    look: Look
    store: Store
    scratch: Scratch
    workers: int
    effort: Effort


class LocalFarm:
    """Renders cases in parallel and hands their reports to the calling thread."""

    def __init__(self, plan: FarmPlan) -> None:
        self._plan = plan
        self._stop = threading.Event()
        self._cases: queue.SimpleQueue[Case] = queue.SimpleQueue()
        self._reports: queue.SimpleQueue[CaseReport | BaseException] = queue.SimpleQueue()

    def run(self, cases: Sequence[Case], check_cancelled: Callable[[], None]) -> Iterator[CaseReport]:
        """Render all cases; reports come as they are ready.

        Raises:
            CancelledError: ``check_cancelled`` raised it; all Blenders are gone then.
            MissingComponentError: Blender does not start.
        """
        for case in cases:
            self._cases.put(case)
        count = min(self._plan.workers, len(cases))
        threads = [threading.Thread(target=self._work, args=(k,), daemon=True) for k in range(count)]
        for thread in threads:
            thread.start()
        try:
            for _ in cases:
                yield self._next(check_cancelled)
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _next(self, check_cancelled: Callable[[], None]) -> CaseReport:
        while True:
            check_cancelled()
            try:
                report = self._reports.get(timeout=_TICK_S)
            except queue.Empty:
                continue
            if isinstance(report, BaseException):
                raise report
            return report

    def _work(self, number: int) -> None:
        """One worker's life; its own failure ends the run, a case's does not."""
        stay_on_cores(number, self._plan.effort.threads, self._plan.workers)
        worker = BlenderWorker(self._plan.launch(number), self._stop.is_set)
        renderer = CaseRenderer(worker, self._plan.look, self._plan.store, self._plan.effort)
        try:
            start_or_explain(worker)
            while not self._stop.is_set():
                case = self._cases.get_nowait()
                self._reports.put(renderer.render(case, self._plan.scratch.stage))
        except queue.Empty:
            worker.close()
        except CancelledError:
            return
        except BaseException as error:  # noqa: BLE001 - carried over into the calling thread
            self._reports.put(error)
        finally:
            worker.kill()


def start_or_explain(worker: BlenderWorker) -> None:
    """Start a Blender; one that cannot even start will not render anything.

    Raises:
        MissingComponentError: it ended or was silent.
    """
    try:
        worker.start()
    except (WorkerLostError, OSError) as error:
        tail = " ".join(error.tail[-3:]) if isinstance(error, WorkerLostError) else ""
        raise MissingComponentError(
            "blender_start",
            f"Blender does not start: {error} {tail}".strip(),
            "Run it by hand, or give --blender.",
        ) from error
