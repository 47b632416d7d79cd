"""Blender's side of the engine: install it, start it, give it jobs. Stdlib only.

One inbox carries everything. In the user interface a timer drains it for a few
milliseconds; in background mode, where timers do not run, `EngineClient.wait` does.

    folder = EngineFolder(Path(engine_root))
    inbox = Inbox()
    installer = Installer(folder, extension_backend, inbox)
    client = EngineClient(installer.launch, JobStore(folder.jobs), inbox)

    job = client.submit({"photos": str(photos), "output": str(case), "jaws": "both"})

    def timer() -> float | None:                      # user interface
        if client.drain(5.0):
            view = client.job(job)                    # stage, overall, message, elapsed_s
            redraw(view.state, view.stage, view.overall, view.problem)
        return 0.1 if client.active else None

    view = client.wait(job, on_change=show)           # background mode, same queue
    sys.exit(view.exit_code)

    client.cancel(job)        # message, then terminate, then kill; ends as `cancelled`
    client.unfinished()       # after a crash of either side: `resume(id)` or `discard(id)`
    client.shutdown()         # on unregister

Installing is a job in a thread of its own that reports through the same inbox:

    plan = installer.plan(Source.FOLDER, wheels)      # or Source.NETWORK, online_allowed=...
    if plan.problem is None:                          # else show message and advice
        installer.install(plan)                       # repair and update are the same call
    installer.view        # status, progress (step, words, done, total, fraction), problem, usage
    installer.active      # keep the timer running; `cancel()`, `test()`, `measure()`, `remove()`
    installer.wait(show)  # background mode
"""

from __future__ import annotations

from .engine import EngineClient, EngineState
from .folders import EngineFolder
from .inbox import Inbox
from .install_plan import InstallPlan, Source
from .install_steps import InstallProgress, Step
from .installer import EngineStatus, Installer, InstallerView
from .jobs import JobState, JobStore, JobView, JobWarning
from .problems import ClientError, Problem
from .process import EngineLaunch
from .session import Patience

__all__ = [
    "ClientError",
    "EngineClient",
    "EngineFolder",
    "EngineLaunch",
    "EngineState",
    "EngineStatus",
    "Inbox",
    "InstallPlan",
    "InstallProgress",
    "Installer",
    "InstallerView",
    "JobState",
    "JobStore",
    "JobView",
    "JobWarning",
    "Patience",
    "Problem",
    "Source",
    "Step",
]
