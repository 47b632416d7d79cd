"""All differences between operating systems that the client has to know."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

WINDOWS = os.name == "nt"
_SYSTEMS = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}
_MACHINES = {"amd64": "x86_64", "aarch64": "arm64"}


def system_name() -> str:
    """``linux``, ``macos`` or ``windows``."""
    return _SYSTEMS.get(platform.system(), platform.system().lower())


def platform_key() -> str:
    """System and machine, such as ``linux-x86_64`` or ``macos-arm64``."""
    machine = platform.machine().lower()
    return f"{system_name()}-{_MACHINES.get(machine, machine)}"


def venv_python(environment: Path) -> Path:
    """The interpreter of a virtual environment."""
    return environment / ("Scripts/python.exe" if WINDOWS else "bin/python")


def site_packages(environment: Path) -> Path | None:
    """The package folder of a virtual environment, or None while there is none."""
    pattern = "Lib/site-packages" if WINDOWS else "lib/python3*/site-packages"
    return next(iter(sorted(environment.glob(pattern))), None)


def spawn_options() -> dict[str, Any]:
    """Options of ``Popen`` that give a child its own group, no window, and less priority.

    Nothing runs between fork and exec (that is unsafe in a threaded host), so on
    Linux and macOS the child lowers its priority itself.
    """
    if sys.platform == "win32":
        flags = (
            subprocess.CREATE_NO_WINDOW
            | subprocess.CREATE_NEW_PROCESS_GROUP
            | subprocess.BELOW_NORMAL_PRIORITY_CLASS
        )
        return {"creationflags": flags}
    return {"start_new_session": True}


def terminate_tree(process: subprocess.Popen[Any]) -> None:
    """Ask a child and its own children to end."""
    if sys.platform == "win32":
        process.send_signal(signal.CTRL_BREAK_EVENT)
    else:
        _signal_group(process.pid, signal.SIGTERM)


def kill_tree(process: subprocess.Popen[Any]) -> None:
    """End a child and its own children at once."""
    if sys.platform == "win32":
        command = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
        subprocess.run(command, capture_output=True, check=False, creationflags=subprocess.CREATE_NO_WINDOW)
    else:
        _signal_group(process.pid, signal.SIGKILL)


def _signal_group(pid: int, number: int) -> None:
    """Signal the group that `spawn_options` made; its id is the child's own."""
    if sys.platform != "win32":
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            return


def process_start(pid: int) -> str | None:
    """A mark that tells a process from a later one with the same id.

    Returns:
        The start time in the system's own unit, or None when no such process
        lives (a zombie does not).
    """
    if WINDOWS:
        return _start_on_windows(pid)
    if Path("/proc/self/stat").exists():
        return _start_on_linux(pid)
    return _start_by_ps(pid)


def _start_on_linux(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    values = stat.rpartition(")")[2].split()  # the name before it may hold spaces
    return None if values[0] in "ZX" else values[19]


def _start_by_ps(pid: int) -> str | None:
    command = ["/bin/ps", "-o", "state=,lstart=", "-p", str(pid)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    state, _, start = shown.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else start.strip()


def _start_on_windows(pid: int) -> str | None:
    if sys.platform != "win32":
        return None
    kernel = ctypes.windll.kernel32
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(kernel.OpenProcess(0x1000, False, pid))  # PROCESS_QUERY_LIMITED_INFORMATION
    if not handle:
        return None
    try:
        times = [ctypes.c_uint64() for _ in range(4)]  # creation, exit, kernel, user
        done = kernel.GetProcessTimes(handle, *(ctypes.byref(time) for time in times))
        return str(times[0].value) if done and not times[1].value else None
    finally:
        kernel.CloseHandle(handle)
