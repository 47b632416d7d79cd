"""A case folder into a .blend file and a picture, without a window."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy

from .build import CaseScene, build_case
from .case_data import load_case
from .studio import add_studio, render_picture
from .units import use_millimetres


@dataclass(frozen=True)
class SceneRequest:
    """A case folder and the files to make of it; None leaves a file out."""

    case: Path
    blend: Path | None = None
    picture: Path | None = None
    samples: int = 12


def make_scene(request: SceneRequest) -> CaseScene:
    """Build a case in an empty file, then save and render it.

    The file is ours and new, so it is set to millimetres; a user's open scene
    never is without being asked.

    Raises:
        BadInputError: the folder is no finished case.
    """
    case = load_case(request.case.resolve())
    # Not read_factory_settings: that would disable the extension that runs this.
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    use_millimetres(scene)
    built = build_case(scene, case)
    bpy.context.view_layer.update()
    add_studio(scene, built.teeth.values())
    if request.blend is not None:
        request.blend.parent.mkdir(parents=True, exist_ok=True)
        bpy.ops.wm.save_as_mainfile(filepath=str(request.blend.resolve()), compress=True)
    if request.picture is not None:
        request.picture.parent.mkdir(parents=True, exist_ok=True)
        render_picture(scene, request.picture.resolve(), request.samples)
    return built
