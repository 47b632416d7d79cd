"""Write teeth to mesh files, always in millimetres, with a note of what they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector

from ..backend.teethscape.dental.fdi import Jaw, jaw_of
from .case_data import CaseScale
from .collections import all_jaws_shown


class MeshFormat(str, Enum):
    """A mesh format that Blender itself writes; the value is the suffix."""

    STL = "stl"
    PLY = "ply"
    OBJ = "obj"


class Split(str, Enum):
    """How teeth are spread over files."""

    JAWS = "jaws"
    TEETH = "teeth"
    ONE = "one"


@dataclass(frozen=True)
class ExportedFile:
    """A written file and the size of what it holds, mm."""

    path: Path
    extent_mm: tuple[float, float, float]


@dataclass(frozen=True)
class ExportRequest:
    """What to write and where."""

    folder: Path
    mesh_format: MeshFormat
    split: Split
    scale: CaseScale


def export_teeth(teeth: Sequence[bpy.types.Object], request: ExportRequest) -> list[ExportedFile]:
    """Write tooth objects; each file gets a note of its unit, frame and scale.

    Args:
        teeth: objects to write; hidden (absent) ones must be left out before.
        request: what to write and where; the folder must exist.
    """
    written = []
    for name, group in _groups(teeth, request.split).items():
        path = request.folder / f"{name}.{request.mesh_format.value}"
        with _only_selected(group):
            _write(path, request.mesh_format)
        written.append(ExportedFile(path, _extent(group)))
        _write_note(written[-1], group, request.scale)
    return written


def _groups(teeth: Sequence[bpy.types.Object], split: Split) -> dict[str, list[bpy.types.Object]]:
    if split is Split.ONE:
        return {"teeth": list(teeth)} if teeth else {}
    if split is Split.TEETH:
        return {f"FDI_{tooth.teethscape.fdi}": [tooth] for tooth in teeth}
    jaws = {jaw.value: [tooth for tooth in teeth if jaw_of(tooth.teethscape.fdi) is jaw] for jaw in Jaw}
    return {name: group for name, group in jaws.items() if group}


@contextmanager
def _only_selected(group: Sequence[bpy.types.Object]) -> Iterator[None]:
    """Select just these objects for a while, hidden or not: the exporters know no other way."""
    before = list(bpy.context.selected_objects)
    hidden = [item for item in group if item.hide_get()]
    with all_jaws_shown(bpy.context.view_layer):
        _select(before, False)
        for item in hidden:
            item.hide_set(False)
        _select(group, True)
        try:
            yield
        finally:
            _select(group, False)
            for item in hidden:
                item.hide_set(True)
    _select(before, True)


def _select(items: Sequence[bpy.types.Object], selected: bool) -> None:
    for item in items:
        item.select_set(selected)


def _write(path: Path, mesh_format: MeshFormat) -> None:
    """One Blender unit is one millimetre, whatever the scene's units say."""
    common = {"filepath": str(path), "global_scale": 1.0, "forward_axis": "Y", "up_axis": "Z"}
    if mesh_format is MeshFormat.STL:
        bpy.ops.wm.stl_export(**common, export_selected_objects=True, use_scene_unit=False)
    elif mesh_format is MeshFormat.PLY:
        bpy.ops.wm.ply_export(**common, export_selected_objects=True, export_normals=True)
    else:
        bpy.ops.wm.obj_export(**common, export_selected_objects=True, export_materials=False)


def _extent(group: Sequence[bpy.types.Object]) -> tuple[float, float, float]:
    corners = np.array([item.matrix_world @ Vector(corner) for item in group for corner in item.bound_box])
    x, y, z = (float(value) for value in corners.max(axis=0) - corners.min(axis=0))
    return x, y, z


def _write_note(file: ExportedFile, group: Sequence[bpy.types.Object], scale: CaseScale) -> None:
    note = {
        "file": file.path.name,
        "unit": "mm",
        "frame": "right-handed, +X patient's left, +Y posterior, +Z cranial",
        "extent_mm": [round(value, 3) for value in file.extent_mm],
        "teeth_fdi": sorted(tooth.teethscape.fdi for tooth in group),
        "scale_source": scale.source,
        "scale_relative_sigma": scale.relative_sigma,
    }
    file.path.with_suffix(file.path.suffix + ".json").write_text(json.dumps(note, indent=1), "utf-8")
