"""What the published normal script makes: Workbench's normal matcap through the scene's view transform.

These are not unit normals (``rendering.md``): AgX bends them, the viewport's default colour of 0.8
darkens them, and the matcap's frame follows the view ray. They exist for data that must match the
published weights. The settings not named here are Blender's own defaults, as there.
"""

from __future__ import annotations

from pathlib import Path

from teethscape.dataset.published_views import Array

from .stage import Stage, aim, render_png

_MATCAP = "check_normal+y.exr"


def prepare(stage: Stage) -> None:
    """Set up Workbench; the meshes lose their materials, so that all have the default colour."""
    for item in stage.meshes:
        item.data.materials.clear()
    stage.scene.render.engine = "BLENDER_WORKBENCH"
    shading = stage.scene.display.shading
    shading.light = "MATCAP"
    shading.studio_light = _MATCAP


def rendered(stage: Stage, pose: Array, scratch: Path) -> bytes:
    """A view's PNG file, seen from a (3, 4) pose."""
    aim(stage.scene.camera, pose)
    return render_png(stage.scene, scratch)
