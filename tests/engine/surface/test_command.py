"""``teethscape surface``: a strip in, a closed mesh in our frame out."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from PIL import Image
from scipy.spatial import KDTree

from teethscape.cli import main
from teethscape.dental.files import write_with
from teethscape.dental.units import ScaleRecord, ScaleSource
from teethscape.mesh.ply import read_ply, write_ply
from teethscape.mesh.solid import FileNote, Solid
from teethscape.surface import make
from teethscape.surface.hull import mask_distances
from teethscape.surface.mesh.finish import is_two_manifold

from .scene import SCALE, arch_mesh


def _run(capsys, *arguments):
    code = main(["surface", *map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out or "{}")


@pytest.mark.slow
def test_a_strip_becomes_a_closed_coloured_mesh_in_millimetres(strip, tmp_path, capsys):
    out = tmp_path / "lower.ply"
    code, report = _run(capsys, strip, "--output", out, "--extent", 60)
    assert code == 0
    assert report == json.loads(out.with_suffix(".json").read_text("utf-8"))
    solid, extra = read_ply(out)
    assert is_two_manifold(solid.faces)
    assert {"red", "green", "blue"} <= set(extra)
    assert report["components"] >= 3  # at 64 px a crumb may stay
    assert report["triangles"] <= 150_000
    width = np.ptp(solid.vertices, axis=0)
    assert width[0] == pytest.approx(60 * (2 * 0.22 + 2 * 0.09), rel=0.06)
    assert solid.vertices[:, 1].mean() == pytest.approx(0, abs=40)
    left = [path.name for path in tmp_path.iterdir()]
    assert sorted(left) == ["lower.json", "lower.ply"]


@pytest.mark.slow
def test_the_report_says_how_far_each_mask_was_moved(strip, tmp_path, capsys, monkeypatch):
    read = make.read_views

    def with_a_small_mask(request):
        views = read(request)
        masks = views.foreground.copy()
        masks[2] = mask_distances(masks[2]) < -1
        return replace(views, foreground=masks)

    monkeypatch.setattr(make, "read_views", with_a_small_mask)
    code, report = _run(capsys, strip, "--output", tmp_path / "lower.ply", "--extent", 60)
    assert code == 0
    moved = {name: view["mask_moved_px"] for name, view in report["views"].items()}
    assert moved.pop("view 10") == pytest.approx(1, abs=0.4)
    assert set(moved.values()) == {0.0}
    assert report["mask_noise_px"] < 0.5


@pytest.fixture
def fitted(tmp_path):
    """The strip's arch as a case's crowns in our frame; the upper jaw only makes the pair's extent 60 mm."""
    teeth = {37: (-0.22, 0.0), 31: (0.0, 0.14), 47: (0.22, 0.0)}
    crowns = {fdi: arch_mesh((place,)) for fdi, place in teeth.items()}
    box = trimesh.creation.box((1.0, 1.0, 1.0))
    for fdi, (vertices, faces) in {**crowns, 11: (np.asarray(box.vertices), np.asarray(box.faces))}.items():
        ours = vertices * SCALE * (-1, -1, 1) + (5.0, -40.0, 2.0)
        solid = Solid(f"FDI_{fdi}", ours, faces.astype(np.int32))
        note = FileNote(ScaleRecord(ScaleSource.SCAN, 0.0))
        write_with(
            tmp_path / "case" / f"FDI_{fdi}.ply", lambda stream, s=solid, n=note: write_ply(stream, s, n)
        )
    return tmp_path / "case", {fdi: vertices * SCALE for fdi, (vertices, _) in crowns.items()}


@pytest.mark.slow
def test_a_case_gives_size_place_and_the_names_of_the_teeth(strip, tmp_path, fitted, capsys):
    case, crowns = fitted
    out = tmp_path / "lower.ply"
    code, report = _run(capsys, strip, "--output", out, "--case", case)
    assert code == 0
    assert report["unit_mm"] == pytest.approx(SCALE)
    assert report["teeth"] == sorted(crowns)
    _, extra = read_ply(out)
    assert set(extra["fdi"]) == set(crowns)
    for fdi, points in crowns.items():
        body, _ = read_ply(tmp_path / "lower-teeth" / f"FDI_{fdi}.ply")
        assert is_two_manifold(body.faces)
        top = points[points[:, 2] > 0.03 * SCALE] * (-1, -1, 1) + (5.0, -40.0, 2.0)
        assert KDTree(body.vertices).query(top)[0].mean() < 1.0  # mm; a pixel is 1.3 mm


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".stl", ".glb", ".3mf", ".obj"])
def test_other_formats_are_written(strip, tmp_path, capsys, suffix):
    out = tmp_path / f"mesh{suffix}"
    assert _run(capsys, strip, "--output", out)[0] == 0
    assert out.stat().st_size > 1000


def test_an_unknown_ending_is_refused_before_any_work(strip, tmp_path, capsys):
    code, answer = _run(capsys, strip, "--output", tmp_path / "mesh.fbx")
    assert (code, answer["error"]["code"]) == (2, "usage")


@pytest.mark.parametrize("method", ["grid", "gspull"])
def test_unsigned_distances_are_refused_before_any_work(strip, tmp_path, capsys, method):
    out = tmp_path / "m.ply"
    code, answer = _run(capsys, strip, "--output", out, "--method", method, "--distance", "unsigned")
    assert (code, answer["error"]["code"]) == (5, "distance_unsigned")
    assert not list(tmp_path.iterdir())


def test_neus_without_torch_says_what_to_install(strip, tmp_path, capsys, monkeypatch):
    for name in [n for n in sys.modules if n.startswith("teethscape.surface.neus")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    code, answer = _run(capsys, strip, "--output", tmp_path / "m.ply", "--method", "neus")
    assert (code, answer["error"]["code"]) == (4, "torch_missing")
    assert "pip install" in answer["error"]["advice"]


@pytest.mark.slow
def test_the_grid_never_imports_torch(strip, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert _run(capsys, strip, "--output", tmp_path / "m.ply")[0] == 0


@pytest.fixture
def short(monkeypatch):
    """NeuS with as many steps, rays and samples as a small arch needs."""
    pytest.importorskip("torch", reason="needs PyTorch")
    from teethscape.surface.neus import method
    from teethscape.surface.neus.presets import load_preset

    def fewer(name, with_normals):
        few = {"steps": 120, "first_rays": 160, "most_rays": 160, "samples_per_ray": 96, "occupancy": 32}
        return replace(load_preset(name, with_normals), **few)

    monkeypatch.setattr(method, "load_preset", fewer)


@pytest.mark.slow
@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("options", [[], ["--no-normals"]], ids=["normals", "colours"])
@pytest.mark.parametrize(("method", "budget"), [("neus", 600), ("gspull", 0.01)])
def test_torch_methods_make_whole_surfaces(strip, tmp_path, capsys, method, budget, options):
    """GS-Pull is stopped after its start, which is as good as the hull."""
    out = tmp_path / "lower.ply"
    small = ("--method", method, "--preset", "small", "--budget", budget, "--extent", 60)
    code, report = _run(capsys, strip, "--output", out, *small, *options)
    assert (code, report.get("error")) == (0, None)
    solid, _ = read_ply(out)
    assert is_two_manifold(solid.faces)
    assert np.ptp(solid.vertices, axis=0)[0] == pytest.approx(60 * (2 * 0.22 + 2 * 0.09), rel=0.1)
    assert min(view["covered"] for view in report["views"].values()) > 0.8
    assert all((view["angle_deg"] is None) == bool(options) for view in report["views"].values())


def test_a_folder_without_views_is_refused(tmp_path, capsys):
    code, answer = _run(capsys, tmp_path, "--output", tmp_path / "m.ply")
    assert (code, answer["error"]["code"]) == (3, "views_missing")


def test_numbers_of_views_must_be_numbers(strip, tmp_path, capsys):
    code, _ = _run(capsys, strip, "--output", tmp_path / "m.ply", "--leave-out", "a")
    assert code == 2


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--extent", 0), ("--extent", -3), ("--extent", "nan"), ("--budget", -1), ("--budget", "inf")),
        *(("--extent", 0.06), ("--extent", 6e4), ("--keep", ","), ("--keep", "8,,9")),
        *(("--keep", "15-8"), ("--keep", "²"), ("--leave-out", "0-99999999999")),
    ],
)
def test_impossible_numbers_are_refused(strip, tmp_path, capsys, option, value):
    code, answer = _run(capsys, strip, "--output", tmp_path / "m.ply", f"{option}={value}")
    assert (code, answer["error"]["code"]) == (2, "usage")


@pytest.mark.parametrize(("option", "value"), [("--leave-out", "1"), ("--keep", "0-7"), ("--keep", "15-16")])
def test_numbers_that_no_view_has_are_refused(strip, tmp_path, capsys, option, value):
    code, answer = _run(capsys, strip, "--output", tmp_path / "m.ply", option, value)
    assert (code, answer["error"]["code"]) == (3, "views_missing")
    assert "its views are 8, 9, 10, 11, 12, 13, 14, 15" in answer["error"]["message"]


@pytest.mark.parametrize(
    ("option", "value"),
    [("--preset", "teeth"), ("--hash-grid", "torch"), ("--disk", "disk"), ("--background", "white")],
)
def test_options_of_other_methods_are_told(tmp_path, capsys, monkeypatch, option, value):
    report = {"triangles": 4, "output": "m.ply", "seconds": 0.0}
    monkeypatch.setattr(make, "make_surface", lambda *_: report)
    command = ["surface", str(tmp_path), "--output", str(tmp_path / "m.ply"), "--method", "grid"]
    for more in ((), (option, value)):
        assert main([*command, *more]) == 0
        assert (option in capsys.readouterr().err) is bool(more)


def test_two_ways_to_cut_out_a_strip_are_refused(strip, tmp_path, capsys):
    code, answer = _run(capsys, strip, "--output", tmp_path / "m.ply", "--rembg", "--foreground", "plain")
    assert (code, answer["error"]["code"]) == (2, "usage")


def test_too_few_views_are_told_as_what_is_left(strip, tmp_path, capsys):
    left = ("--keep", "8", "--leave-out", "8")
    code, answer = _run(capsys, strip, "--output", tmp_path / "m.ply", *left)
    assert (code, answer["error"]["code"]) == (3, "views_missing")
    assert answer["error"]["message"].startswith("Of 8 views")


def test_an_output_below_a_file_is_refused(strip, tmp_path, capsys):
    (tmp_path / "afile").write_text("text")
    code, answer = _run(capsys, strip, "--output", tmp_path / "afile" / "m.ply")
    assert (code, answer["error"]["code"]) == (3, "output_not_folder")


def test_an_output_that_is_a_folder_is_refused_before_any_work(strip, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(make, "read_views", lambda request: pytest.fail("the views were read"))
    (tmp_path / "m.ply").mkdir()
    code, answer = _run(capsys, strip, "--output", tmp_path / "m.ply")
    assert (code, answer["error"]["code"]) == (3, "output_not_writable")
    assert "m.ply is a folder" in answer["error"]["message"]


def test_a_strip_of_colours_alone_is_told_how_to_be_read(strip, tmp_path, capsys):
    with Image.open(strip) as image:
        image.crop((0, 0, image.width // 2, image.height)).save(tmp_path / "lower.png")
    code, answer = _run(capsys, tmp_path / "lower.png", "--output", tmp_path / "m.ply", "--normal")
    assert (code, answer["error"]["code"]) == (3, "montage_form")
    assert "--no-normals" in answer["error"]["advice"]
