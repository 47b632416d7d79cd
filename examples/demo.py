"""Five photos to teeth, meshes, overlays, a Blender scene and a picture: the whole line.

    make demo                        the bundled synthetic sample
    make demo PHOTOS=folder          your own five photos

Run by the environment's Python; the scene is built by a Blender given with ``--blender``,
by the one on the PATH, or by the bpy wheel in an environment of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from teethscape.blender import find_blender
from teethscape.errors import MissingComponentError

ROOT = Path(__file__).resolve().parents[1]
SCENE_SCRIPT = ROOT / "render_scripts" / "case_scene.py"


def say(message: str) -> None:
    """Tell the user on stderr."""
    sys.stderr.write(f"{message}\n")


def run(command: list[str]) -> None:
    """Run a command and end with its exit code when it fails."""
    code = subprocess.run(command, check=False).returncode
    if code:
        raise SystemExit(code)


def reconstruct(photos: Path, case: Path) -> None:
    """Run the engine's own command line, as a user would."""
    command = [sys.executable, "-m", "teethscape", "reconstruct", str(photos), "--output", str(case)]
    run([*command, "--export", "stl"])


def scene_command(blender: str) -> list[str]:
    """Command that runs the scene's script in Blender, or in the bpy wheel when there is none."""
    try:
        found = find_blender(None if blender == "blender" else blender)
    except MissingComponentError as error:
        say(f"{error.message} {error.advice}")
        raise SystemExit(int(error.exit_code)) from error
    return found.command(SCENE_SCRIPT)


def main() -> None:
    """Reconstruct, build the scene, say where everything is."""
    parser = argparse.ArgumentParser(description="Teethscape's demo")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--output", type=Path, default=Path("out/demo"))
    parser.add_argument("--blender", default="blender")
    args = parser.parse_args()
    case = args.output / "case"
    if args.photos.resolve() == (ROOT / "examples" / "sample" / "photos").resolve():
        say("The bundled sample is synthetic: rendered by us, no patient.")
    say("Reconstructing ...")
    reconstruct(args.photos, case)
    say("Building the Blender scene and a picture ...")
    blend, picture = args.output / "teeth.blend", args.output / "teeth.png"
    run([*scene_command(args.blender), str(case), "--blend", str(blend), "--render", str(picture)])
    for what, where in (
        ("case folder", case),
        ("meshes per jaw and tooth", case / "meshes"),
        ("STL", case / "meshes" / "export"),
        ("photos with tooth outlines", case / "overlays"),
        ("Blender scene", blend),
        ("picture", picture),
    ):
        say(f"  {what:28s} {where}")


if __name__ == "__main__":
    main()
