"""What lies beside a mesh after it was written."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from teethscape.dental.files import tooth_file, tooth_files
from teethscape.mesh.solid import Solid
from teethscape.surface import write

from .scene import FRAME, SCALE, arch_mesh

_VERTICES, _FACES = arch_mesh(((0.0, 0.0),))


def _written(path, teeth):
    """A mesh of one crown with these teeth; without any the arch is not known."""
    bodies = {fdi: Solid(f"FDI_{fdi}", _VERTICES * SCALE, _FACES) for fdi in teeth}
    arch = SimpleNamespace(distances=lambda points: (np.full(len(points), teeth[0]), None))
    frame = replace(FRAME, arch=arch if teeth else None)
    mesh = SimpleNamespace(vertices=_VERTICES * SCALE, faces=_FACES)
    colours = np.zeros((len(_VERTICES), 3), np.uint8)
    write.write_surface(path, (mesh, colours), bodies, frame, {})
    return json.loads(path.with_suffix(".json").read_text("utf-8"))


@pytest.mark.parametrize("teeth", [[31], []], ids=["fewer", "none"])
def test_teeth_of_an_earlier_mesh_are_removed_and_nothing_else(tmp_path, teeth):
    path = tmp_path / "lower.ply"
    assert _written(path, [31, 38])["teeth"] == [31, 38]
    assert sorted(tooth_files(path)) == [31, 38]
    folder = tooth_file(path, 31).parent
    others = {"FDI_notes.ply", "FDI_31.stl", "FDI_38_mine.ply"}
    for name in others:
        (folder / name).write_text("the user's")
    other = tooth_file(tmp_path / "upper.ply", 11)
    other.parent.mkdir()
    other.write_text("of another mesh")
    assert _written(path, teeth).get("teeth", []) == teeth
    assert {file.name for file in folder.iterdir()} == others | {f"FDI_{fdi}.ply" for fdi in teeth}
    assert other.is_file()
