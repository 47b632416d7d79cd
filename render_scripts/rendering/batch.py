"""Many objects in one process: one that fails is told and does not stop the others."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import Any

import bpy

from teethscape import __version__
from teethscape.errors import BadInputError, CancelledError, TeethscapeError

from .objects import DentalObject, Placement, describe
from .options import Options

log = logging.getLogger("teethscape.render")


def each_object(options: Options, render: Callable[[DentalObject], str]) -> int:
    """Render every object; return 0 or the exit code of the first that failed.

    ``render`` returns what it did, in words.
    """
    code = 0
    for item in describe(options.objects, options.jaw):
        try:
            done = render(item)
        except CancelledError:
            raise
        except TeethscapeError as error:
            log.error("%s: %s %s", item.uid, error.message, error.advice)
            code = code or int(error.exit_code)
        else:
            log.info("%s: %s", item.uid, done)
    return code


def facts(item: DentalObject, options: Options) -> dict[str, Any]:
    """What every folder's metadata says: enough to know whether a picture is still true.

    Raises:
        BadInputError: the mesh cannot be read.
    """
    try:
        digest = hashlib.sha256(item.path.read_bytes()).hexdigest()
    except OSError as error:
        raise BadInputError(
            "file_missing", f"{item.path} cannot be read ({error.strerror}).", "Check the path."
        ) from error
    return {
        "made_by": f"teethscape {__version__}",
        "blender": bpy.app.version_string,
        "uid": item.uid,
        "jaw": item.jaw.value,
        "mesh": {"file": item.path.name, "sha256": digest},
        "normalise": options.normalise.value,
        "shading": options.shading.value,
        "device": options.device.value,
        "image_size": options.size,
    }


def told(placement: Placement) -> str:
    """A placement in words."""
    if placement.source == "as given":
        return "normalised already"
    return f"normalised ({placement.source}, scale {placement.scale:.6g})"
