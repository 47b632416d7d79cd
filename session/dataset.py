"""The job of the Dataset panel: from settings to a request, and what stands in its way.

It has an engine process of its own, so that hours of rendering do not keep a
reconstruction waiting.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from ..properties import TEETH_PG_dataset
from .readiness import why_no_current_engine
from .view_state import state

#: The scripts that this extension brings along; the installed engine has none of its own.
_SCRIPTS = Path(__file__).resolve().parents[1] / "render_scripts"
#: Mesh files that the render scripts read.
MESH_SUFFIXES = (".obj", ".ply", ".stl", ".glb")


def dataset_is_open() -> bool:
    """True while a data set is queued, rendered or being cancelled."""
    return state.dataset is not None and not state.dataset.state.is_over


def why_not(settings: TEETH_PG_dataset) -> str:
    """Why no data set can be rendered now, with the remedy; empty when it can."""
    if engine := why_no_current_engine():
        return engine
    if dataset_is_open():
        return "A data set is being rendered: wait for it or cancel it"
    if not settings.meshes and not settings.synthetic:
        return "Nothing to render: choose meshes, or a number of synthetic patients"
    if not settings.output:
        return "No output folder: choose where the data set goes"
    if not kinds_of(settings):
        return "Meshes are rendered as normals or colours: choose at least one"
    return ""


def kinds_of(settings: TEETH_PG_dataset) -> list[str]:
    """What is rendered, by the names of the scripts."""
    names = [name for name, chosen in (("normal", settings.normals), ("color", settings.colors)) if chosen]
    return [*names, "photo"] if settings.synthetic and settings.photos else names


def build_request(settings: TEETH_PG_dataset) -> dict[str, Any]:
    """The JSON form of ``RenderRequest``."""
    return {
        "output": str(Path(bpy.path.abspath(settings.output)).absolute()),
        "meshes": [bpy.path.abspath(mesh.filepath) for mesh in settings.meshes],
        "synthetic": settings.synthetic,
        "kinds": kinds_of(settings),
        "look": {
            "image_size": settings.image_size,
            "samples": settings.samples or None,
            "photo_width": settings.photo_width,
            "seed": settings.seed,
        },
        "workers": settings.workers,
        "blender": bpy.app.binary_path or None,
        "scripts": str(_SCRIPTS),
    }
