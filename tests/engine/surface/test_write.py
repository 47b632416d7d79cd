"""Where a mesh may be written, and what lies beside it afterwards."""

from __future__ import annotations

import errno
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from teethscape.dental.files import tooth_file, tooth_files
from teethscape.errors import BadInputError, UsageError
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
    report = {"output": str(path), "method": "grid", "triangles": len(_FACES)}
    write.write_surface(path, (mesh, colours), bodies, frame, report)
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


@pytest.mark.parametrize("name", ["meta", "transforms_train", "case"])
def test_a_report_replaces_no_file_but_a_report(tmp_path, name):
    other, path = tmp_path / f"{name}.json", tmp_path / f"{name}.ply"
    other.write_text('{"poses": []}')
    write.check_output(path)
    assert write.report_file(path) == tmp_path / f"{name}.surface.json"
    write.report_file(path).write_text("[]")
    with pytest.raises(UsageError) as refused:
        write.check_output(path)
    assert refused.value.code == "same_folder"
    assert str(write.report_file(path)) in refused.value.message
    assert other.read_text() == '{"poses": []}'
    write.report_file(path).write_text(json.dumps({"output": "", "method": "grid", "triangles": 4}))
    write.check_output(path)


def test_an_earlier_surface_may_be_replaced_and_a_file_of_the_input_may_not(tmp_path):
    views = tmp_path / "views"
    cloud = views / "dense" / "fused.ply"
    cloud.parent.mkdir(parents=True)
    cloud.write_text("points")
    with pytest.raises(UsageError, match="a file of its input"):
        write.check_output(tmp_path / "views" / ".." / "views" / "dense" / "fused.ply", (views, None))
    write.check_output(views / "dense" / "new.ply", (views,))
    write.check_output(cloud, (tmp_path / "others",))
    cloud.with_suffix(".json").write_text(json.dumps({"output": "", "method": "grid", "triangles": 4}))
    write.check_output(cloud, (views,))


def test_a_name_too_long_for_what_lies_beside_the_mesh_is_refused_before_any_work(tmp_path):
    with pytest.raises(BadInputError) as refused:
        write.check_output(tmp_path / "new" / f"{'x' * 240}.ply")
    assert refused.value.code == "output_not_writable"
    assert not list(tmp_path.iterdir())


def test_a_folder_that_may_not_be_written_to_is_refused_before_any_work(tmp_path, monkeypatch):
    def denied(path, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "touch", denied)
    with pytest.raises(BadInputError) as refused:
        write.check_output(tmp_path / "m.ply")
    assert refused.value.code == "output_not_writable"


@pytest.mark.parametrize("suffix", write.SUFFIXES)
def test_names_of_files_that_no_format_can_hold_are_written_plainly(tmp_path, suffix):
    path = tmp_path / f"a\nb\x01\udcff ü{suffix}"
    _written(path, [])
    told = path.read_bytes()
    if suffix == ".3mf":
        with zipfile.ZipFile(path) as archive:
            told = archive.read("3D/3dmodel.model")
    assert (suffix in {".ply", ".stl"}) or "a_b__ ü".encode() in told or b"a_b__ \\u00fc" in told
    assert b"a\nb" not in told
