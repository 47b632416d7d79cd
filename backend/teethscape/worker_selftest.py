"""Does this installation work? Asked once after installing and by the doctor."""

from __future__ import annotations

import importlib
import importlib.util
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from teethscape import protocol
from teethscape.errors import ExitCode
from teethscape.worker_channel import Channel
from teethscape.worker_system import greeting

#: Modules of the standard profile.
MODULES = ("numpy", "scipy.sparse.linalg", "PIL.Image", "cv2", "onnxruntime", "trimesh", "manifold3d")
_JOB = "selftest"


@dataclass(frozen=True)
class Check:
    """What one check found.

    Attributes:
        name: the check.
        passed: whether it went well.
        detail: what it saw, or the error.
        seconds: wall time.
    """

    name: str
    passed: bool
    detail: str
    seconds: float


def selftest() -> tuple[Check, ...]:
    """Load every library, read our data, write a picture, allocate memory."""
    libraries = [_checked(f"import {name}", lambda name=name: _import(name)) for name in MODULES]
    if not all(check.passed for check in libraries):
        return tuple(libraries)
    rest = [_checked(name, work) for name, work in _CHECKS.items()]
    if has_torch():
        rest.append(_checked("PyTorch", _torch))
    return (*libraries, *rest)


def has_torch() -> bool:
    """Whether the installation is one of the full profile."""
    return importlib.util.find_spec("torch") is not None


def compute_device() -> str:
    """What the engine computes on, with the name of the GPU or the kind of processor."""
    if has_torch():
        import torch

        if torch.cuda.is_available():
            return f"cuda ({torch.cuda.get_device_name()})"
    return f"cpu ({platform.processor() or platform.machine()})"


def run_selftest(channel: Channel) -> int:
    """Run all checks and report them as messages, ending in a result or an error.

    Returns:
        The exit code: done, or missing component.
    """
    hello = greeting()
    channel.send(hello)
    checks = selftest()
    failed = [check for check in checks if not check.passed]
    if failed:
        words = "; ".join(f"{check.name}: {check.detail}" for check in failed)
        exit_code = int(ExitCode.MISSING_COMPONENT)
        message, advice = "The engine does not work on this machine.", "Repair the engine or send the report."
        channel.send(protocol.Error("selftest_failed", message, advice, _JOB, exit_code, True, words))
        return exit_code
    summary: dict[str, Any] = {
        "version": hello.version,
        "python": hello.python,
        "platform": hello.platform,
        "device": compute_device(),
        "packages": hello.packages,
        "checks": [asdict(check) for check in checks],
    }
    channel.send(protocol.Result(_JOB, summary=summary, elapsed_s=sum(check.seconds for check in checks)))
    return int(ExitCode.DONE)


def _checked(name: str, work: Callable[[], str]) -> Check:
    start = time.monotonic()
    try:
        detail, passed = work(), True
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything; it is the finding
        detail, passed = f"{type(error).__name__}: {error}", False
    return Check(name, passed, detail, round(time.monotonic() - start, 3))


def _import(name: str) -> str:
    module = importlib.import_module(name)
    return str(getattr(module, "__version__", ""))


def _memory() -> str:
    import numpy as np

    block = np.ones(32 * 1024 * 1024)
    return f"{block.nbytes // 2**20} MiB, sum {block.sum():.0f}"


def _algebra() -> str:
    import numpy as np
    import scipy.sparse as sparse
    from scipy.sparse.linalg import spsolve

    matrix = sparse.diags([2.0, -1.0], [0, 1], shape=(50, 50), format="csc")  # pyright: ignore[reportArgumentType]
    wanted = np.arange(50.0)
    error = float(np.abs(spsolve(matrix, matrix @ wanted) - wanted).max())
    if error > 1e-9:
        raise ArithmeticError(f"a linear system is solved with error {error}")
    return f"error {error:.1e}"


def _picture() -> str:
    """Write and read a picture in a folder with a space and letters beyond ASCII."""
    import numpy as np
    from PIL import Image

    pixels = np.arange(12 * 16 * 3, dtype=np.uint8).reshape(12, 16, 3)
    with tempfile.TemporaryDirectory(prefix="Zähne мост ") as folder:
        path = Path(folder) / "größe 1.png"
        Image.fromarray(pixels).save(path)
        with Image.open(path) as picture:
            if not np.array_equal(np.asarray(picture), pixels):
                raise ValueError("a picture is read back differently")
    return "PNG in a path with accents"


def _prior() -> str:
    from teethscape.parametric.prior import load_prior

    return f"{len(load_prior().fdi)} teeth"


def _network() -> str:
    """Run the network on a small grey picture: the weights load and the runtime computes."""
    import numpy as np

    from teethscape.segmentation.network import SegmentationRuntime

    maps, _ = SegmentationRuntime().run(np.full((64, 96, 3), 128, dtype=np.uint8))
    if maps.tooth.shape != (64, 96) or not np.isfinite(maps.tooth).all():
        raise ValueError("the network does not compute what it should")
    return "computes"


def _torch() -> str:
    """Compute something small where the engine will compute."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    matrix = torch.eye(50, device=device) * 2 + torch.diag(torch.full((49,), -1.0, device=device), 1)
    wanted = torch.arange(50.0, device=device)
    error = float((torch.linalg.solve(matrix, matrix @ wanted) - wanted).abs().max())
    if error > 1e-3:
        raise ArithmeticError(f"a linear system is solved with error {error}")
    return f"{torch.__version__} on {device}"


_CHECKS: dict[str, Callable[[], str]] = {
    "memory": _memory,
    "linear algebra": _algebra,
    "pictures": _picture,
    "tooth prior": _prior,
    "segmentation network": _network,
}
