"""Mesh files hold the same surface, and each says its unit, frame and scale."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import trimesh

from teethscape.dental.request import ExportFormat
from teethscape.dental.units import ScaleRecord, ScaleSource
from teethscape.errors import BadInputError
from teethscape.mesh.export import export
from teethscape.mesh.ply import read_ply, write_ply
from teethscape.mesh.solid import FileNote, Solid, joined

NOTE = FileNote(ScaleRecord(ScaleSource.ESTIMATED, 0.045), subject="test")


def _solid(name: str, shift: float) -> Solid:
    sphere = trimesh.creation.icosphere(subdivisions=2, radius=4.0)
    return Solid(name, sphere.vertices + np.array([shift, 1.0, -2.0]), np.asarray(sphere.faces, np.int32))


def _teeth() -> dict[int, Solid]:
    return {fdi: _solid(f"FDI_{fdi}", 9.0 * k) for k, fdi in enumerate((11, 21, 31, 41))}


def test_ply_round_trip_with_own_properties(tmp_path):
    solid = _solid("FDI_11", 3.0)
    sigma = np.linspace(0.1, 0.9, len(solid.vertices))
    inferred = np.arange(len(solid.vertices)) % 3 == 0
    path = tmp_path / "FDI_11.ply"
    with path.open("wb") as stream:
        write_ply(stream, solid, NOTE, {"sigma_mm": sigma, "inferred": inferred})
    read, extra = read_ply(path)
    assert np.allclose(read.vertices, solid.vertices, atol=1e-5)
    assert np.array_equal(read.faces, solid.faces)
    assert np.allclose(extra["sigma_mm"], sigma, atol=1e-6)
    assert np.array_equal(extra["inferred"], inferred)
    assert extra["inferred"].dtype == np.uint8
    loaded = trimesh.load(path, process=False)
    assert loaded.is_watertight
    assert np.allclose(loaded.vertices, solid.vertices, atol=1e-5)
    assert np.allclose(loaded.metadata["_ply_raw"]["vertex"]["data"]["sigma_mm"].ravel(), sigma, atol=1e-6)
    head = path.read_bytes().split(b"end_header")[0].decode()
    for line in ("comment unit mm", "comment scale_source estimated", "comment scale_relative_sigma 0.045"):
        assert line in head
    assert "+X patient left" in head


@pytest.mark.parametrize("cut", [20, 400, -5])
def test_cut_ply_is_refused(tmp_path, cut):
    stream = io.BytesIO()
    write_ply(stream, _solid("FDI_11", 0), NOTE)
    path = tmp_path / "FDI_11.ply"
    path.write_bytes(stream.getvalue()[:cut])
    with pytest.raises(BadInputError) as caught:
        read_ply(path)
    assert caught.value.code == "mesh_damaged"


def test_joined_keeps_order_and_surface():
    teeth = list(_teeth().values())
    whole = joined(teeth, "upper")
    assert len(whole.vertices) == sum(len(t.vertices) for t in teeth)
    mesh = trimesh.Trimesh(whole.vertices, whole.faces, process=False)
    assert mesh.is_watertight
    assert mesh.body_count == 4


@pytest.mark.parametrize("kind", [ExportFormat.OBJ, ExportFormat.GLB])
def test_export_reads_back_in_millimetres(tmp_path, kind):
    (path,) = export(tmp_path, _teeth(), NOTE, kind)
    scene = trimesh.load(path, process=False, **({"split_object": True} if kind is ExportFormat.OBJ else {}))
    whole = scene.to_mesh() if isinstance(scene, trimesh.Scene) else scene
    expected = joined(list(_teeth().values()), "x")
    assert np.allclose(whole.bounds, [expected.vertices.min(0), expected.vertices.max(0)], atol=1e-4)
    assert whole.volume == pytest.approx(trimesh.Trimesh(expected.vertices, expected.faces).volume, rel=1e-4)
    data = path.read_bytes()
    assert b"FDI_31" in data
    assert b"mm" in data[:2500] or kind is ExportFormat.GLB


def test_glb_is_well_formed_and_states_its_unit(tmp_path):
    (path,) = export(tmp_path, _teeth(), NOTE, ExportFormat.GLB)
    data = path.read_bytes()
    assert data[:4] == b"glTF"
    assert int.from_bytes(data[8:12], "little") == len(data)
    length = int.from_bytes(data[12:16], "little")
    content = json.loads(data[20 : 20 + length])
    assert content["asset"]["extras"]["unit"] == "mm"
    assert [node["name"] for node in content["nodes"]][:4] == ["FDI_11", "FDI_21", "FDI_31", "FDI_41"]
    assert all(view["byteOffset"] % 4 == 0 for view in content["bufferViews"])


def test_colours_go_into_the_formats_that_know_them(tmp_path):
    colours = np.tile(np.array([[188, 128, 255]], np.uint8), (len(_teeth()[11].vertices), 1))
    teeth = {number: replace(solid, colours=colours) for number, solid in _teeth().items()}
    (path,) = export(tmp_path, teeth, NOTE, ExportFormat.OBJ)
    assert any(line.endswith(" 0.737 0.502 1.000") for line in path.read_text().splitlines())
    (path,) = export(tmp_path, teeth, NOTE, ExportFormat.GLB)
    scene = trimesh.load(path, process=False)
    assert isinstance(scene, trimesh.Scene)
    found = scene.geometry["FDI_21"]
    assert np.allclose(found.vertices, teeth[21].vertices, atol=1e-4)
    linear = found.visual.vertex_colors[0, :3] / 255  # glTF's colours are scene-linear
    assert np.allclose(linear, (0.503, 0.216, 1.0), atol=0.01)
    with (tmp_path / "jaw.ply").open("wb") as stream:
        write_ply(stream, joined(list(teeth.values()), "jaw"), NOTE)
    assert trimesh.load(tmp_path / "jaw.ply", process=False).visual.vertex_colors[7, 1] == 128


def test_3mf_names_units_and_surface(tmp_path):
    from xml.etree import ElementTree

    (path,) = export(tmp_path, _teeth(), NOTE, ExportFormat.THREE_MF)
    with zipfile.ZipFile(path) as archive:
        model = ElementTree.fromstring(archive.read("3D/3dmodel.model"))  # noqa: S314 - our own file
    space = "{http://schemas.microsoft.com/3dmanufacturing/core/2015/02}"
    assert model.get("unit") == "millimeter"
    objects = list(model.iter(f"{space}object"))
    assert [o.get("name") for o in objects] == ["FDI_11", "FDI_21", "FDI_31", "FDI_41"]
    assert {m.get("name") for m in model.iter(f"{space}metadata")} >= {
        "Application",
        "ts:unit",
        "ts:scale_source",
    }
    vertices = np.array([[float(v.get(a)) for a in "xyz"] for v in objects[1].iter(f"{space}vertex")])
    assert np.allclose(vertices, _teeth()[21].vertices, atol=1e-4)
    export(tmp_path / "again", _teeth(), NOTE, ExportFormat.THREE_MF)
    assert (tmp_path / "again" / "teeth.3mf").read_bytes() == path.read_bytes()


def test_stl_files_and_sidecar(tmp_path):
    files = export(tmp_path, _teeth(), NOTE, ExportFormat.STL)
    names = {path.relative_to(tmp_path).as_posix() for path in files}
    assert {"upper.stl", "lower.stl", "upper.stl.json", "lower.stl.json", "teeth/FDI_11.stl"} <= names
    mesh = trimesh.load(tmp_path / "upper.stl")
    assert mesh.is_watertight
    assert mesh.extents == pytest.approx([17, 8, 8], rel=0.02)
    header = (tmp_path / "upper.stl").read_bytes()[:80]
    assert not header.startswith(b"solid")
    assert b"unit=mm" in header
    assert b"estimated" in header
    note = json.loads((tmp_path / "upper.stl.json").read_text())
    assert note["unit"] == "mm"
    assert [o["name"] for o in note["objects"]] == ["FDI_11", "FDI_21"]
