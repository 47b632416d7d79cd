"""Build the extension's zip; standard library only.

    make extension                   dist/teethscape-VERSION.zip

With Blender at hand ``blender --command extension build`` makes and ``validate`` checks
it. Without one the same files are packed by the manifest's own exclusion patterns.
"""

from __future__ import annotations

import argparse
import fnmatch
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MANIFEST = ROOT / "blender_manifest.toml"
#: The platform's agreed limit for a zip without wheels.
MAX_BYTES = 30_000_000


def say(message: str) -> None:
    """Tell the user on stderr."""
    sys.stderr.write(f"{message}\n")


def version() -> str:
    """The extension's version."""
    found = re.search(r'^version = "([^"]+)"', MANIFEST.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise SystemExit("blender_manifest.toml names no version.")
    return found.group(1)


def patterns() -> list[str]:
    """Exclusion patterns of the manifest (Python 3.10 has no TOML reader)."""
    found = re.search(r"paths_exclude_pattern = \[(.*?)\]", MANIFEST.read_text(encoding="utf-8"), re.DOTALL)
    return re.findall(r'"([^"]+)"', found.group(1)) if found else []


def excluded(path: Path, rules: list[str]) -> bool:
    """Whether a relative file path matches a pattern, as Blender reads them.

    A leading slash ties a pattern to the root; a trailing one means folders.
    """
    folders = [str(parent) for parent in path.parents if str(parent) != "."]
    for rule in rules:
        names = folders if rule.endswith("/") else [path.as_posix()]
        plain = rule.strip("/")
        for name in names:
            whole = fnmatch.fnmatchcase(name, plain) and ("/" not in name or "/" in plain)
            if whole or (not rule.startswith("/") and fnmatch.fnmatchcase(Path(name).name, plain)):
                return True
    return False


def files() -> Iterator[Path]:
    """Relative paths of everything that goes into the zip."""
    rules = patterns()
    for path in sorted(ROOT.rglob("*")):
        relative = path.relative_to(ROOT)
        if path.is_file() and not excluded(relative, rules):
            yield relative


def build_with_blender(blender: str, target: Path) -> None:
    """Let Blender build and validate."""
    command = [blender, "--command", "extension"]
    subprocess.run(
        [*command, "build", "--source-dir", str(ROOT), "--output-filepath", str(target)], check=True
    )
    subprocess.run([*command, "validate", str(target)], check=True)


def build_plain(target: Path) -> None:
    """Pack the files without Blender."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for relative in files():
            archive.write(ROOT / relative, relative.as_posix())


def main() -> None:
    """Build, check the size, say where the zip is."""
    parser = argparse.ArgumentParser(description="Build the extension's zip")
    parser.add_argument("--output", type=Path, default=Path("dist"))
    parser.add_argument("--blender", default="blender")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    target = args.output.resolve() / f"teethscape-{version()}.zip"
    blender = shutil.which(args.blender)
    if blender:
        build_with_blender(blender, target)
    else:
        build_plain(target)
    size = target.stat().st_size
    if size > MAX_BYTES:
        raise SystemExit(f"{target} is {size / 1e6:.1f} MB; the limit is {MAX_BYTES / 1e6:.0f} MB.")
    say(f"{target} ({size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
