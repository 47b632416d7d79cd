"""Mesh files that are no surface are refused, and the file is named."""

from __future__ import annotations

import json

import numpy as np
import pytest
import trimesh

from teethscape.cli import main
from teethscape.errors import BadInputError
from teethscape.mesh.load import load_mesh

_SQUARE = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
_FACES = np.array([[0, 1, 2], [0, 2, 3]])


def _written(path, vertices, faces=_FACES):
    trimesh.Trimesh(vertices, faces, process=False).export(path)
    return path


def _with(value):
    vertices = _SQUARE.copy()
    vertices[3, 0] = value
    return vertices


@pytest.mark.parametrize("ending", ["ply", "stl", "obj", "off", "glb"])
def test_a_square_is_read_as_it_is(tmp_path, ending):
    assert load_mesh(_written(tmp_path / f"m.{ending}", _SQUARE)).areas.sum() == pytest.approx(1)


@pytest.mark.parametrize("ending", ["ply", "stl", "glb"])
@pytest.mark.parametrize(
    ("vertices", "words"),
    [
        (_with(np.nan), "no numbers"),
        (_with(np.inf), "no numbers"),
        (_SQUARE[:, :1] * (1, 2, 3), "no triangle with an area"),
    ],
    ids=["nan", "inf", "line"],
)
def test_triangles_that_are_none_are_refused(tmp_path, ending, vertices, words):
    path = _written(tmp_path / f"m.{ending}", vertices)
    with pytest.raises(BadInputError) as refused:
        load_mesh(path)
    assert refused.value.code == "mesh_damaged"
    assert words in refused.value.message
    assert str(path) in refused.value.message


def test_vertices_that_no_triangle_has_do_not_matter(tmp_path):
    path = _written(tmp_path / "m.ply", _with(np.nan), _FACES[:1])
    assert load_mesh(path).areas.sum() == pytest.approx(0.5)


def test_crowns_that_are_nowhere_have_no_scores(tmp_path, capsys):
    for place, value in (("found", np.nan), ("wanted", 0.0)):
        (tmp_path / place).mkdir()
        _written(tmp_path / place / "11.ply", _with(value))
    code = main(["evaluate", str(tmp_path / "found"), str(tmp_path / "wanted"), "--json"])
    assert code == 3
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "mesh_damaged"


def test_a_format_that_needs_what_is_not_installed_is_no_broken_engine(tmp_path, monkeypatch):
    def missing(*_, **__):
        raise ModuleNotFoundError

    monkeypatch.setattr(trimesh, "load", missing)
    (tmp_path / "m.3mf").write_bytes(b"PK")
    with pytest.raises(BadInputError) as refused:
        load_mesh(tmp_path / "m.3mf")
    assert refused.value.code == "mesh_damaged"
    assert "PLY" in refused.value.advice
