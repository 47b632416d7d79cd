"""``blender --command teeth …``: the engine's command line, and scenes from cases."""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import bpy

from .backend.client import ClientError, EngineLaunch
from .backend.teethscape.errors import ExitCode, TeethscapeError

log = logging.getLogger(__name__)

_NAME = "teeth"
_HELP = """usage: blender --command teeth COMMAND ...

  reconstruct PHOTOS --output CASE …   reconstruct teeth with the installed engine
  scene CASE --output FILE.blend [--render PICTURE.png]   build a case as a scene
  COMMAND --help                       what a command understands

All other commands (segment, measure, doctor, …) are the engine's own."""
#: The engine's command line takes its arguments after this.
_ENTRY = "import sys; from teethscape.cli import main; sys.exit(main(sys.argv[1:]))"
_handles: list[object] = []


def main(argv: list[str]) -> int:
    """Run a command.

    Args:
        argv: arguments after ``teeth``.

    Returns:
        The exit code (architecture, section 5).
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    if not argv or argv[0] in ("-h", "--help"):
        log.info(_HELP)
        return int(ExitCode.DONE if argv else ExitCode.USAGE)
    try:
        return _scene(argv[1:]) if argv[0] == "scene" else _engine(argv)
    except TeethscapeError as error:
        log.error("%s %s", error.message, error.advice)
        return int(error.exit_code)
    except ClientError as error:
        log.error("%s", error)
        return error.problem.exit_code
    except SystemExit as end:  # argparse ends this way; Blender would turn it into 0
        return int(end.code or 0)


def _scene(argv: list[str]) -> int:
    from .scene.headless import SceneRequest, make_scene

    parser = argparse.ArgumentParser(
        prog="blender --command teeth scene", description="Build a case as a scene"
    )
    parser.add_argument("case", type=Path, help="case folder that a reconstruction wrote")
    parser.add_argument("--output", type=Path, required=True, help=".blend file to write")
    parser.add_argument("--render", type=Path, help="picture (PNG) to render")
    parser.add_argument("--samples", type=int, default=12, help="Cycles samples of the picture (default 12)")
    arguments = parser.parse_args(argv)
    built = make_scene(SceneRequest(arguments.case, arguments.output, arguments.render, arguments.samples))
    log.info("%d teeth and %d photo cameras in %s", len(built.teeth), len(built.cameras), arguments.output)
    return int(ExitCode.DONE)


def _engine(argv: Sequence[str]) -> int:
    """Hand everything to the installed engine, whose exit code is ours."""
    from .session.runtime import runtime

    command = engine_command(runtime().installer.launch(), argv)
    try:
        return subprocess.run(
            command, env=dict(runtime().installer.launch().environment), check=False
        ).returncode
    except KeyboardInterrupt:  # the engine got the same signal and has ended its own way
        return int(ExitCode.CANCELLED)


def engine_command(launch: EngineLaunch, argv: Sequence[str]) -> list[str]:
    """The engine's command line in the environment that its worker runs in."""
    return [launch.command[0], "-I", "-X", "utf8", "-c", _ENTRY, *argv]


def register() -> None:
    """Make the command known to Blender."""
    _handles.append(bpy.utils.register_cli_command(_NAME, main))


def unregister() -> None:
    """Take the command back."""
    while _handles:
        bpy.utils.unregister_cli_command(_handles.pop())
