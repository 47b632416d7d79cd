"""What the worker asks of the operating system: memory, priority, versions."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

from teethscape import __version__, protocol

#: Libraries whose versions matter for a report.
PACKAGES = (
    "numpy", "scipy", "pillow", "opencv-python-headless", "onnxruntime", "trimesh", "manifold3d", "torch",
)  # fmt: skip
_MACHINES = {"amd64": "x86_64", "aarch64": "arm64"}


def greeting() -> protocol.Hello:
    """Who this engine is."""
    machine = platform.machine().lower()
    system = platform.system().lower().replace("darwin", "macos")
    return protocol.Hello(
        version=__version__,
        pid=os.getpid(),
        python=platform.python_version(),
        platform=f"{system}-{_MACHINES.get(machine, machine)}",
        device="cpu",
        packages=package_versions(),
    )


def package_versions() -> dict[str, str]:
    """Versions of those of `PACKAGES` that are installed."""
    versions: dict[str, str] = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def lower_priority() -> None:
    """Leave Blender the first say on the processor (on Windows the client does it)."""
    if sys.platform != "win32":
        os.nice(5)


def rss_bytes() -> int:
    """Resident memory of this process in bytes; 0 when the system does not tell.

    On macOS it is the peak so far, the only figure that needs no extra library.
    """
    if sys.platform == "win32":
        return _working_set()
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class _MemoryCounters(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS of the Windows API."""

    _fields_ = [
        ("size", ctypes.c_uint32),
        ("page_faults", ctypes.c_uint32),
        *((name, ctypes.c_size_t) for name in ("peak_working_set", "working_set")),
        *((f"rest_{number}", ctypes.c_size_t) for number in range(6)),
    ]


def _working_set() -> int:
    if sys.platform != "win32":
        return 0
    counters = _MemoryCounters(size=ctypes.sizeof(_MemoryCounters))
    kernel = ctypes.windll.kernel32
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    process = ctypes.c_void_p(kernel.GetCurrentProcess())
    done = kernel.K32GetProcessMemoryInfo(process, ctypes.byref(counters), counters.size)
    return int(counters.working_set) if done else 0
