"""Run a module of this Python and end with whoever started it.

    python guarded_run.py pip install ...

Started by the installer with a pipe as stdin: when the pipe closes because Blender is
gone, the whole process group goes too, so that no orphaned pip writes on. This file is
run by path in the engine's Python; it imports nothing of ours.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import threading
from pathlib import Path


def main() -> None:
    """Run the module named in the first argument with the others as its arguments."""
    pipe = os.dup(0)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)  # children must not inherit the pipe as their stdin
    threading.Thread(target=_watch, args=(pipe,), daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _watch(pipe: int) -> None:
    """Wait until the other end of the pipe is closed."""
    while os.read(pipe, 1024):
        pass
    if sys.platform == "win32":
        command = ["taskkill", "/T", "/F", "/PID", str(os.getpid())]
        subprocess.run(command, capture_output=True, check=False)
    else:
        os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()
