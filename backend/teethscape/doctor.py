"""What is installed, what is missing, and the command that helps."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any

from teethscape.abilities import Ability, engines, surface_methods
from teethscape.doctor_card import examine_card
from teethscape.errors import TeethscapeError

_OLDEST_PYTHON = (3, 10)
_NEEDED = ("numpy", "scipy", "pillow", "opencv-python-headless", "onnxruntime", "trimesh", "manifold3d")
#: Import name of optional parts, the package that brings them, and what they are for.
_OPTIONAL = (
    ("pillow_heif", "pillow-heif", "HEIC photos"),
    ("torch", "torch", "training, the teethdreamer engine"),
    ("transformers", "transformers", "clicks with SAM, the teethdreamer engine"),
    ("diffusers", "diffusers", "the teethdreamer engine"),
    ("safetensors", "safetensors", "the teethdreamer engine"),
    ("accelerate", "accelerate", "training the teethdreamer engine"),
    ("xformers", "xformers", "another attention on NVIDIA cards"),
    ("rembg", "rembg", "foreground of generated views"),
)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what.
        ok: true when it is as it should be.
        needed: false for optional parts.
        detail: version, place or reason.
        advice: the command or step that helps; empty when all is well.
    """

    name: str
    ok: bool
    needed: bool
    detail: str
    advice: str = ""


def examine() -> list[Check]:
    """Look at everything that the engine needs."""
    checks = [_python()]
    checks += [_package(name) for name in _NEEDED]
    checks += [_part("tooth prior", _load_prior), _part("segmentation network", _load_segmenter)]
    checks += [_optional(*part) for part in _OPTIONAL]
    checks += [_ability("engine", one) for one in engines()]
    checks += [_ability("surface method", one) for one in surface_methods()]
    return [*checks, *_card(), _disk()]


def to_json(checks: list[Check]) -> dict[str, Any]:
    """Plain JSON values, with the verdict."""
    return {
        "ok": all(check.ok for check in checks if check.needed),
        "platform": platform.platform(),
        "executable": sys.executable,
        "checks": [asdict(check) for check in checks],
    }


def _python() -> Check:
    ok = sys.version_info >= _OLDEST_PYTHON
    return Check("Python", ok, True, platform.python_version(), "" if ok else "Install Python 3.10 or newer.")


def _package(name: str) -> Check:
    try:
        return Check(name, True, True, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Check(name, False, True, "not installed", f"python -m pip install {name}")


def _part(name: str, load: Callable[[], str]) -> Check:
    try:
        return Check(name, True, True, load())
    except TeethscapeError as error:
        return Check(name, False, True, error.message, error.advice)
    except ImportError as error:
        return Check(name, False, True, str(error), "python -m pip install --upgrade teethscape[standard]")


def _load_prior() -> str:
    from teethscape.parametric.prior import load_prior

    prior = load_prior()
    return f"{len(prior.fdi)} teeth"


def _load_segmenter() -> str:
    from teethscape.segmentation.segmenter import Segmenter

    Segmenter.load()
    return "loads"


def _optional(module: str, package: str, purpose: str) -> Check:
    if util.find_spec(module) is not None:
        return Check(f"{package} ({purpose})", True, False, metadata.version(package))
    return Check(f"{package} ({purpose})", False, False, "not installed", f"python -m pip install {package}")


def _ability(kind: str, one: Ability) -> Check:
    return Check(f"{kind} {one.name}", not one.missing, False, one.missing or "can be used", one.advice)


def _card() -> list[Check]:
    """Device, attention, free memory and expected time; nothing without PyTorch."""
    try:
        report = examine_card()
    except (ImportError, OSError, RuntimeError) as error:  # a broken torch or driver
        return [Check("graphics processor", False, False, str(error)[:200], "Install PyTorch again.")]
    return [] if report is None else [Check("graphics for teethdreamer", True, False, report.words())]


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    return Check("free disk space here", free > 0.5, False, f"{free:.1f} GB")
