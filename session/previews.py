"""The unfinished surfaces that a running job writes are shown in its scene."""

from __future__ import annotations

import logging

from ..backend.client import JobView
from ..backend.teethscape.errors import BadInputError
from ..scene.ply import read_ply
from ..scene.preview import clear_previews, show_preview
from .runtime import target_scene
from .view_state import state

log = logging.getLogger(__name__)

_ENDING = ".preview.ply"


def refresh_previews(job: JobView | None) -> bool:
    """Show what is new since the last look, and take everything away when no job makes surfaces.

    Returns:
        Whether the scene has changed.
    """
    if job is None or job.state.is_over or job.stage != "wrap":
        return drop_previews()
    changed = False
    for path in sorted((job.case / "meshes" / "surface").glob(f"*{_ENDING}")):
        try:
            written = path.stat().st_mtime_ns
            if state.previews.get(path) == written:
                continue
            show_preview(target_scene(), path.name.removesuffix(_ENDING), read_ply(path))
        except (OSError, BadInputError) as error:  # the finished surface may have replaced it this moment
            log.debug("no preview: %s", error)
            continue
        state.previews[path] = written
        changed = True
    return changed


def drop_previews() -> bool:
    """Take every preview out of the open file, those too that were saved with it.

    Returns:
        Whether there were any.
    """
    state.previews.clear()
    return clear_previews()
