"""Normals against exact ray casts, formats, normalising, resuming, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import bpy
import convex
import normal_render
import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "render_scripts" / "normal_render.py"
SIZE = 96


def render(target: Path, *arguments: object) -> int:
    command = [
        "--target_dir", target, "--image_size", SIZE, "--num_images", 6, "--threads", 1, "--object_path",
    ]  # fmt: skip
    return normal_render.main([str(part) for part in (*command, *arguments)])


def pixels(path: Path) -> np.ndarray:
    """(h, w, 4) of a picture as Blender reads it: 0-1 for PNG, the very floats for EXR."""
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    flat = np.empty(4 * image.size[0] * image.size[1], np.float32)
    image.pixels.foreach_get(flat)
    out = flat.reshape(image.size[1], image.size[0], 4)[::-1].astype(np.float64)
    bpy.data.images.remove(image)
    return out


def angles_deg(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    found = found / np.linalg.norm(found, axis=1, keepdims=True)
    return np.degrees(2 * np.arcsin(np.linalg.norm(found - truth, axis=1) / 2))


@pytest.fixture(scope="module")
def body() -> convex.Body:
    return convex.ellipsoid()


@pytest.fixture(scope="module")
def rendered(body: convex.Body, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the first of the four equal copies."""
    root = tmp_path_factory.mktemp("normals")
    mesh = convex.write_obj(body, root / "case" / "norm_upper.obj")
    assert render(root / "out", mesh, "--float") == 0
    return root / "out" / "case_norm_upper_left"


def test_the_body_of_the_truth_is_convex(body):
    normals = body.normals()
    offsets = (body.vertices[body.faces[:, 0]] * normals).sum(axis=1)
    assert offsets.min() > 0.1
    assert (body.vertices @ normals.T - offsets).max() < 1e-9
    assert np.ptp(body.vertices, axis=0) == pytest.approx([1.0, 0.44, 0.72])


def test_normals_and_masks_are_those_of_ray_casts(body, rendered):
    meta = json.loads((rendered / "meta_normal.json").read_text("utf-8"))
    coarse, fine, common, either = [], [], 0, 0
    for view, pose in enumerate(meta["poses"]):
        truth, hit = convex.cast(body.in_world(), np.array(pose), np.array(meta["K"]), SIZE)
        png, exr = (pixels(rendered / f"{view:03d}_normal{end}") for end in (".png", ".exr"))
        mask = png[..., 3] > 0.5
        both = mask & hit
        assert set(np.unique(png[..., 3])) == {0.0, 1.0}
        np.testing.assert_array_equal(exr[..., 3], png[..., 3])
        coarse.append(angles_deg(png[both][:, :3] * 2 - 1, truth[both]))
        fine.append(angles_deg(exr[both][:, :3], truth[both]))
        common, either = common + both.sum(), either + (mask | hit).sum()
    assert np.concatenate(coarse).mean() <= 0.3
    assert np.concatenate(fine).mean() <= 0.05
    assert common / either >= 0.999


def test_float_normals_have_unit_length_and_nothing_around_them(rendered):
    exr = pixels(rendered / "003_normal.exr")
    hit = exr[..., 3] == 1
    np.testing.assert_allclose(np.linalg.norm(exr[hit][:, :3], axis=1), 1, atol=1e-6)
    assert not exr[~hit].any()
    assert (exr[hit][:, 2] > 0).all()  # to the viewer


def test_the_four_folders_are_equal(rendered):
    names = sorted(path.name for path in rendered.iterdir())
    assert len(names) == 2 * 6 + 2
    for view in ("front", "right", "down"):
        other = rendered.with_name(f"case_norm_upper_{view}")
        assert all((other / name).read_bytes() == (rendered / name).read_bytes() for name in names)


def test_every_format_gives_the_same_pictures(body, rendered, tmp_path):
    stl = convex.write_stl(body, tmp_path / "case" / "stl_upper.stl")
    ply = convex.write_ply(body, tmp_path / "case" / "ply_upper.ply")
    assert (
        render(tmp_path / "out", stl, ply, convex.write_glb(body, tmp_path / "case" / "glb_upper.glb")) == 0
    )
    expected = [(rendered / f"{view:03d}_normal.png").read_bytes() for view in range(6)]
    for name in ("stl", "ply", "glb"):
        folder = tmp_path / "out" / f"case_{name}_upper_left"
        assert [(folder / f"{view:03d}_normal.png").read_bytes() for view in range(6)] == expected, name


def test_smooth_shading_is_smooth_and_flat_is_not(body, rendered, tmp_path):
    mesh = convex.write_obj(body, tmp_path / "case" / "norm_upper.obj")
    assert render(tmp_path / "out", mesh, "--shading", "smooth") == 0
    flat = pixels(rendered / "004_normal.png")
    smooth = pixels(tmp_path / "out" / "case_norm_upper_left" / "004_normal.png")
    np.testing.assert_array_equal(flat[..., 3], smooth[..., 3])
    row = flat[SIZE // 2, :, 3] > 0.5
    assert len(np.unique(flat[SIZE // 2][row][:, 0])) < 0.7 * len(np.unique(smooth[SIZE // 2][row][:, 0]))


def test_jaws_in_millimetres_are_normalised_together(body, tmp_path):
    upper = convex.Body(body.vertices * 60 + [3, 14, 5], body.faces)
    lower = convex.Body(body.vertices * 60 + [3, -14, 5], body.faces)
    mesh = convex.write_stl(upper, tmp_path / "case" / "x_upper.stl")
    assert render(tmp_path / "out", mesh) == 5  # refused: the other jaw is not there
    assert not (tmp_path / "out").exists()
    convex.write_stl(lower, tmp_path / "case" / "x_lower.stl")
    assert render(tmp_path / "out", mesh, "--normalise", "refuse") == 5
    assert render(tmp_path / "out", mesh) == 0
    folder = tmp_path / "out" / "case_x_upper_left"
    meta = json.loads((folder / "meta_normal.json").read_text("utf-8"))
    assert meta["placement"]["source"] == "pair"
    assert meta["placement"]["scale"] == pytest.approx(1 / 60, rel=1e-5)
    assert meta["placement"]["centre"] == pytest.approx([3, 0, 5], abs=1e-4)
    moved = convex.Body(body.vertices + np.array([0, 14 / 60, 0]), body.faces).in_world()
    _, hit = convex.cast(moved, np.array(meta["poses"][5]), np.array(meta["K"]), SIZE)
    mask = pixels(folder / "005_normal.png")[..., 3] > 0.5
    assert (mask & hit).sum() / (mask | hit).sum() >= 0.999


def test_a_jaw_alone_is_normalised_on_demand_and_left_alone_on_demand(body, tmp_path):
    mesh = convex.write_stl(
        convex.Body(body.vertices * 2 + 0.1, body.faces), tmp_path / "case" / "x_upper.stl"
    )
    for choice, scale in (("alone", 0.5), ("never", 1.0)):
        assert render(tmp_path / choice, mesh, "--normalise", choice) == 0
        meta = json.loads((tmp_path / choice / "case_x_upper_left" / "meta_normal.json").read_text("utf-8"))
        assert meta["placement"]["scale"] == pytest.approx(scale, rel=1e-6)


def test_an_interrupted_run_goes_on_and_ends_with_the_same_files(rendered, body, tmp_path):
    mesh = convex.write_obj(body, tmp_path / "case" / "norm_upper.obj")
    assert render(tmp_path / "out", mesh, "--float") == 0
    folder = tmp_path / "out" / "case_norm_upper_left"
    expected = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert expected == {path.name: path.read_bytes() for path in rendered.iterdir()}
    (folder / "004_normal.png").unlink()
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert render(tmp_path / "out", mesh, "--float", "--resume") == 0
    assert expected == {path.name: path.read_bytes() for path in folder.iterdir()}
    kept = {
        path.name: path.stat().st_mtime_ns for path in folder.iterdir() if not path.name.startswith("004")
    }
    assert kept == {name: time for name, time in times.items() if name in kept}


def test_other_settings_need_overwrite(body, tmp_path):
    mesh = convex.write_obj(body, tmp_path / "case" / "norm_upper.obj")
    assert render(tmp_path / "out", mesh, "--num_images", 2) == 0
    assert render(tmp_path / "out", mesh, "--num_images", 2, "--image_size", 64) == 3
    assert render(tmp_path / "out", mesh, "--num_images", 2, "--image_size", 64, "--overwrite") == 0
    assert pixels(tmp_path / "out" / "case_norm_upper_left" / "001_normal.png").shape[0] == 64


def test_one_bad_object_does_not_stop_the_others_and_its_code_is_returned(body, tmp_path, caplog):
    case = tmp_path / "case"
    good = convex.write_obj(body, case / "norm_upper.obj")
    for name in (
        "broken_upper.ply",
        "broken_upper.glb",
        "broken_upper.stl",
        "empty_upper.obj",
        "a_upper.fbx",
    ):
        bad = case / name
        bad.write_bytes(b"" if name.startswith("empty") else b"ply\nglTF nonsense")
        assert render(tmp_path / "out", bad, good, "--num_images", 1, "--overwrite") == 3, name
        assert str(bad) in caplog.text
        assert not list((tmp_path / "out").glob(f"case_{bad.stem}*"))
    assert (tmp_path / "out" / "case_norm_upper_left" / "000_normal.png").exists()
    assert "Traceback" not in caplog.text


def test_wrong_usage_and_missing_files_and_devices_have_their_codes(body, tmp_path, caplog):
    good = convex.write_obj(body, tmp_path / "case" / "norm_upper.obj")
    assert render(tmp_path / "out", good, "--nonsense") == 2
    assert render(tmp_path / "out", good, "--image_size", "0") == 2
    assert render(tmp_path / "out", good, "--float", "--normal-encoding", "upstream") == 2
    assert render(tmp_path / "out", tmp_path / "absent_upper.obj") == 3
    assert "absent_upper.obj" in caplog.text
    absent = "METAL" if sys.platform != "darwin" else "CUDA"
    assert render(tmp_path / "out", good, "--device", absent) == 4
    assert not (tmp_path / "out").exists()


def test_as_a_program_it_ends_with_its_code(body, tmp_path):
    bad = tmp_path / "case" / "norm_upper.ply"
    bad.parent.mkdir()
    bad.write_bytes(b"nonsense")
    command = [sys.executable, str(SCRIPT), "--object_path", str(bad), "--target_dir", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert str(bad) in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_upstream_encoding_is_that_of_the_published_render(tmp_path):
    shared = Path(os.environ.get("TEETHSCAPE_SHARED", SCRIPT.parents[2] / "shared"))
    fixtures = shared / "fixtures" / "renders"
    if not fixtures.is_dir():
        pytest.skip(f"needs the shared folder (TEETHSCAPE_SHARED): {shared} is absent")
    command = ["--object_path", str(fixtures / "mesh" / "norm_upper.ply"), "--target_dir", str(tmp_path)]
    assert normal_render.main([*command, "--normal-encoding", "upstream", "--num_images", "2"]) == 0
    for view in range(2):
        name = f"{view:03d}_normal.png"
        ours = pixels(tmp_path / "mesh_norm_upper_left" / name)
        theirs = pixels(fixtures / "normal-4.3.2" / "case0_norm_upper_left" / name)
        inside = theirs[..., 3] > 0.5
        assert 255 * np.abs(ours - theirs)[inside][:, :3].mean() <= 2.0
