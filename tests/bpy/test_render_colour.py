"""Colour pictures against the published render, their cameras and files, and the seed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import color_render
import convex
import numpy as np
import pytest
from test_render_normals import pixels

from teethscape.dataset import portable_pickle
from teethscape.dataset.published_views import input_cameras, target_cameras
from teethscape.dental.fdi import Jaw

SMALL = ("--image_size", "48", "--num_images", "2", "--samples", "2", "--threads", "1")


def render(mesh: Path, root: Path, *arguments: str) -> int:
    folders = ["--target_dir", str(root / "target"), "--input_dir", str(root / "input")]
    return color_render.main(["--object_path", str(mesh), *folders, *SMALL, *arguments])


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A painted lower jaw and its small pictures."""
    root = tmp_path_factory.mktemp("colour")
    mesh = convex.write_ply(convex.ellipsoid(level=2), root / "case" / "norm_lower.ply", (40, 200, 90))
    assert render(mesh, root) == 0
    return root


def test_targets_are_those_of_the_published_render(tmp_path):
    shared = Path(os.environ.get("TEETHSCAPE_SHARED", Path(__file__).resolve().parents[3] / "shared"))
    fixtures = shared / "fixtures" / "renders"
    if not fixtures.is_dir():
        pytest.skip(f"needs the shared folder (TEETHSCAPE_SHARED): {shared} is absent")
    mesh = str(fixtures / "mesh" / "norm_upper.ply")
    command = ["--object_path", mesh, "--target_dir", str(tmp_path), "--only", "target", "--num_images", "1"]
    assert color_render.main(command) == 0
    ours = pixels(tmp_path / "mesh_norm_upper_left" / "000.png")
    theirs = pixels(fixtures / "color-bpy-5.0.1" / "case0_norm_upper_left" / "000.png")
    inside, mask = theirs[..., 3] > 0.5, ours[..., 3] > 0.5
    assert (inside & mask).sum() / (inside | mask).sum() >= 0.999
    assert -10 * np.log10(((ours - theirs)[inside][:, :3] ** 2).mean()) >= 38.0


def test_the_layout_is_the_published_one(case):
    views = ("left", "front", "right", "up")
    for root in ("target", "input"):
        names = sorted(path.name for path in (case / root).iterdir())
        assert names == sorted(f"case_norm_lower_{view}" for view in views)
        for name in names:
            files = sorted(path.name for path in (case / root / name).iterdir())
            assert files == ["000.png", "001.png", "meta.json", "meta.pkl"]
    folders = [case / "target" / f"case_norm_lower_{view}" for view in views]
    assert len({(folder / "001.png").read_bytes() for folder in folders}) == 1
    assert len({(case / "input" / folder.name / "001.png").read_bytes() for folder in folders}) == 4


def test_metadata_tell_the_cameras(case):
    uid = "case_norm_lower"
    targets = portable_pickle.load(case / "target" / f"{uid}_up" / "meta.pkl")
    expected = target_cameras(Jaw.LOWER, 48, 2).published_list()
    scattered = portable_pickle.load(case / "input" / f"{uid}_up" / "meta.pkl")
    drawn = input_cameras("up", 48, 2, 0, uid).published_list()
    for found, wanted in zip([*targets, *scattered], [*expected, *drawn], strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)
    record = json.loads((case / "input" / f"{uid}_up" / "meta.json").read_text("utf-8"))
    np.testing.assert_allclose(record["poses"], scattered[4], atol=1e-12)
    assert (record["samples"], record["seed"], record["kind"]) == (2, 0, "input up")


def test_the_cameras_are_where_the_metadata_say(case):
    record = json.loads((case / "input" / "case_norm_lower_left" / "meta.json").read_text("utf-8"))
    body = convex.ellipsoid(level=2).in_world()
    for view, pose in enumerate(record["poses"]):
        _, hit = convex.cast(body, np.array(pose), np.array(record["K"]), 48)
        mask = pixels(case / "input" / "case_norm_lower_left" / f"{view:03d}.png")[..., 3] > 0.5
        assert (mask & hit).sum() / (mask | hit).sum() >= 0.995


def test_the_mesh_has_its_own_colour(case, tmp_path):
    painted = pixels(case / "target" / "case_norm_lower_left" / "000.png")
    red, green, blue = painted[painted[..., 3] > 0.5][:, :3].mean(axis=0)
    assert green > 1.2 * max(red, blue)
    plain = convex.write_ply(convex.ellipsoid(level=2), tmp_path / "case" / "norm_lower.ply")
    assert render(plain, tmp_path, "--only", "target") == 0
    orange = pixels(tmp_path / "target" / "case_norm_lower_left" / "000.png")
    red, green, blue = orange[orange[..., 3] > 0.5][:, :3].mean(axis=0)
    assert red > green > blue


def test_the_same_seed_gives_the_same_files_and_another_others(case, tmp_path):
    mesh = case / "case" / "norm_lower.ply"
    name = "case_norm_lower_front"
    assert render(mesh, tmp_path / "same", "--only", "input") == 0
    assert render(mesh, tmp_path / "other", "--only", "input", "--seed", "5") == 0
    first, same, other = (
        {path.name: path.read_bytes() for path in (root / "input" / name).iterdir()}
        for root in (case, tmp_path / "same", tmp_path / "other")
    )
    assert first == same
    assert not any(first[name] == other[name] for name in first)


def test_a_finished_case_is_left_alone_and_other_settings_are_refused(case):
    mesh = case / "case" / "norm_lower.ply"
    times = {path: path.stat().st_mtime_ns for path in case.rglob("*.*")}
    assert render(mesh, case) == 0
    assert render(mesh, case, "--seed", "1") == 3
    assert times == {path: path.stat().st_mtime_ns for path in case.rglob("*.*")}


def test_folders_that_would_mix_are_refused(case, tmp_path):
    mesh = str(case / "case" / "norm_lower.ply")
    one = ["--object_path", mesh, "--target_dir", str(tmp_path)]
    assert color_render.main([*one, "--input_dir", str(tmp_path)]) == 2
    assert color_render.main(one) == 2  # input views have no folder


def test_without_a_denoiser_it_says_so_and_renders_on(case, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(color_render, "can_denoise", lambda: False)
    monkeypatch.setattr("rendering.colour.can_denoise", lambda: False)
    assert (
        color_render.parse(["--object_path", "a", "--target_dir", "b", "--only", "target"]).quality.samples
        == 128
    )
    assert render(case / "case" / "norm_lower.ply", tmp_path, "--only", "target", "--num_images", "1") == 0
    assert "without OpenImageDenoise" in caplog.text
    record = json.loads((tmp_path / "target" / "case_norm_lower_left" / "meta.json").read_text("utf-8"))
    assert record["denoise"] is False


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")
def test_ctrl_c_ends_it_with_its_code_and_whole_files(case, tmp_path):
    script = Path(color_render.__file__)
    mesh = str(case / "case" / "norm_lower.ply")
    command = [sys.executable, str(script), "--object_path", mesh, "--target_dir", str(tmp_path / "target")]
    with subprocess.Popen([*command, "--only", "target", "--image_size", "32", "--samples", "1"]) as process:
        folder = tmp_path / "target" / "case_norm_lower_left"
        until = time.monotonic() + 60
        while not (folder / "000.png").exists() and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    pictures = sorted(folder.glob("*.png"))
    assert 1 <= len(pictures) < 16
    assert all(path.read_bytes().endswith(b"IEND\xaeB`\x82") for path in pictures)
    assert not list(folder.glob(".*"))
