"""Collect the wheels of a profile for a machine without network.

    cd backend
    python -m client.wheelhouse DEST --python-version 3.13 [--platform linux-x86_64] [--profile full]

Any Python with pip can collect for any other Python and system. The folder holds the
build backend too; the installer's *Install from folder* takes it as it is.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .install_plan import FULL, STANDARD, profile
from .platform_support import platform_key
from .requirements import Target, build_pins, pins

log = logging.getLogger(__name__)

_REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements"
#: Platform tags that pip is asked for, newest first.
_TAGS = {
    "linux-x86_64": [f"manylinux_2_{n}_x86_64" for n in (28, 27, 24, 17)] + ["manylinux2014_x86_64"],
    "linux-arm64": [f"manylinux_2_{n}_aarch64" for n in (28, 27, 24, 17)] + ["manylinux2014_aarch64"],
    "windows-x86_64": ["win_amd64"],
    "macos-arm64": [f"macosx_{n}_0_{m}" for n in (14, 13, 12, 11) for m in ("arm64", "universal2")]
    + [f"macosx_10_{n}_universal2" for n in (13, 9)],
    "macos-x86_64": [f"macosx_{n}_0_{m}" for n in (14, 13, 12, 11) for m in ("x86_64", "universal2")]
    + [f"macosx_10_{n}_{m}" for n in (15, 14, 13, 12, 9) for m in ("x86_64", "universal2")],
}


def collect_wheels(
    destination: Path, python_version: str, platform: str | None = None, name: str = STANDARD
) -> tuple[Path, ...]:
    """Download all wheels of a profile and of what builds our own package.

    Args:
        destination: folder that is made if need be.
        python_version: series that the engine will run on, such as ``3.13``.
        platform: such as ``linux-x86_64``; this machine's by default.
        name: the profile.

    Returns:
        The wheels in the folder.

    Raises:
        KeyError: an unknown platform.
        subprocess.CalledProcessError: pip could not get one of them.
    """
    platform = platform or platform_key()
    system, _, machine = platform.partition("-")
    target = Target(system, machine, python_version)
    lines = (*pins(_REQUIREMENTS, target, name), *build_pins(_REQUIREMENTS, target))
    command = [sys.executable, "-I", "-X", "utf8", "-m", "pip", "download", "--no-cache-dir"]
    if name == STANDARD:  # its set is complete; others leave what their packages need to pip
        command += ["--no-deps"]
    if index := profile(name).indexes.get(platform):
        command += ["--extra-index-url", index]
    command += ["--only-binary", ":all:", "--python-version", python_version, "--dest", str(destination)]
    for tag in _TAGS[platform]:
        command += ["--platform", tag]
    destination.mkdir(parents=True, exist_ok=True)
    subprocess.run([*command, *lines], check=True, stdout=sys.stderr)
    return tuple(sorted(destination.glob("*.whl")))


def main(arguments: Sequence[str] | None = None) -> int:
    """Collect wheels as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m client.wheelhouse", description=collect_wheels.__doc__)
    parser.add_argument("destination", type=Path)
    parser.add_argument("--python-version", default=f"{sys.version_info[0]}.{sys.version_info[1]}")
    parser.add_argument("--platform", choices=sorted(_TAGS), default=platform_key())
    parser.add_argument("--profile", choices=(STANDARD, FULL), default=STANDARD)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        wheels = collect_wheels(
            options.destination, options.python_version, options.platform, options.profile
        )
    except subprocess.CalledProcessError as error:
        log.error("pip could not get all wheels (exit code %d)", error.returncode)
        return 6
    size = sum(wheel.stat().st_size for wheel in wheels)
    log.info("%d wheels, %.0f MB in %s", len(wheels), size / 1e6, options.destination)
    return 0


if __name__ == "__main__":
    sys.exit(main())
