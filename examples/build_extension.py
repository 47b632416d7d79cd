"""Build the extension's zip: standard library only, the same bytes from the same files.

    python3 examples/build_extension.py --output dist [--blender PATH]

The zip holds what ``blender --command extension build`` would put in; a Blender that is
found validates it. Install it with *Preferences › Get Extensions › Install from Disk*, or
``blender --command extension install-file --repo user_default --enable dist/teethscape-….zip``.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: What of the repository belongs to the extension; everything else is for developers.
PARTS = (
    "__init__.py",
    "blender_manifest.toml",
    "cli.py",
    "preferences.py",
    "properties.py",
    "LICENSE",
    "README.md",
    "backend",
    "examples/sample",
    "operators",
    "panels",
    "photos",
    "render_scripts",
    "scene",
    "session",
)
_LEFT_OUT = ("__pycache__", ".egg-info", ".pyc")
_LIMIT_BYTES = 30_000_000
#: Times in a zip begin here; a fixed one keeps equal contents equal.
_TIME = (1980, 1, 1, 0, 0, 0)


def files() -> Iterator[Path]:
    """Files of the extension, relative to the root, sorted."""
    for part in sorted(PARTS):
        path = ROOT / part
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in found:
            if file.is_file() and not any(mark in str(file.relative_to(ROOT)) for mark in _LEFT_OUT):
                yield file.relative_to(ROOT)


def version() -> str:
    """Version in the manifest."""
    text = (ROOT / "blender_manifest.toml").read_text("utf-8")
    found = re.search(r'^version = "([^"]+)"', text, re.MULTILINE)
    if found is None:
        raise SystemExit("blender_manifest.toml has no version")
    return found.group(1)


def build(output: Path) -> Path:
    """Write the zip and return its path."""
    output.mkdir(parents=True, exist_ok=True)
    target = output / f"teethscape-{version()}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files():
            entry = zipfile.ZipInfo(file.as_posix(), _TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, (ROOT / file).read_bytes())
    return target


def main() -> int:
    """Build, check the size, validate where there is a Blender."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=Path("dist"))
    parser.add_argument("--blender", default="blender")
    options = parser.parse_args()
    target = build(options.output)
    size = target.stat().st_size
    sys.stderr.write(f"{target}  {size / 1e6:.1f} MB\n")
    if size > _LIMIT_BYTES:
        sys.stderr.write(f"The zip is larger than {_LIMIT_BYTES / 1e6:.0f} MB.\n")
        return 1
    blender = shutil.which(options.blender)
    if blender is None:
        sys.stderr.write("No Blender was found to validate it with; give --blender PATH.\n")
        return 0
    return subprocess.run(
        [blender, "--command", "extension", "validate", str(target)], check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
