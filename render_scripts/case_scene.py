"""Turn a case folder into a .blend file and a picture.

    blender --background --python render_scripts/case_scene.py -- CASE --blend out.blend --render out.png
    python render_scripts/case_scene.py CASE --blend out.blend      (with the bpy wheel)

Exit codes are those of every Teethscape command; a Blender that ends with an
error of Python returns 1, so give ``--python-exit-code 1`` before ``--python``.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from pathlib import Path

import bpy  # before anything that imports mathutils: the wheel wants it so

sys.path.insert(0, str(Path(__file__).resolve().parent))
from load_package import load_package

log = logging.getLogger("teethscape.case_scene")


def parse(argv: list[str]) -> argparse.Namespace:
    """Arguments after ``--`` under Blender, all of them under plain Python."""
    parser = argparse.ArgumentParser(
        prog="case_scene", description="Case folder into a .blend file and a picture"
    )
    parser.add_argument("case", type=Path, help="case folder that a reconstruction wrote")
    parser.add_argument("--blend", type=Path, help="file to save the scene to")
    parser.add_argument("--render", type=Path, help="picture (PNG) to render")
    parser.add_argument("--samples", type=int, default=12, help="Cycles samples of the picture (default 12)")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Make the scene; return the exit code."""
    arguments = parse(argv)
    package = load_package()
    part = {
        name: importlib.import_module(f"{package.__name__}.{name}")
        for name in ("properties", "scene.headless")
    }
    errors = importlib.import_module(f"{package.__name__}.backend.teethscape.errors")
    if not hasattr(bpy.types.Object, "teethscape"):  # else the installed extension has them
        part["properties"].register()
    headless = part["scene.headless"]
    request = headless.SceneRequest(arguments.case, arguments.blend, arguments.render, arguments.samples)
    try:
        built = headless.make_scene(request)
    except errors.TeethscapeError as error:
        log.error("%s %s", error.message, error.advice)
        return int(error.exit_code)
    log.info("%d teeth and %d photo cameras", len(built.teeth), len(built.cameras))
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    own = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    if code := main(own):
        sys.exit(code)
