"""The render scripts in real Blender: exactness, likeness to published renders, exit codes, the worker."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bpy"))

# The first test also waits for the box, which may have to be built.
pytestmark = [pytest.mark.blender, pytest.mark.slow, pytest.mark.timeout(2400)]

SCRIPTS = "/w/source/render_scripts"
SIZE = 96


def run(box, script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A script as the documentation calls it: no ``--python-exit-code``, so that its own code counts."""
    words = ["--background", "--python", f"{SCRIPTS}/{script}.py", "--", *map(str, arguments)]
    return box.blender(*words)


def picture(path: Path) -> np.ndarray:
    """(h, w, 4) RGBA, 0-255."""
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., [2, 1, 0, 3]].astype(float)


@pytest.fixture(scope="module")
def published(render_box, shared) -> Path:
    """Folder of the published renders; their mesh is in the box as ``/w/case0/norm_upper.ply``."""
    fixtures = shared / "fixtures" / "renders"
    (render_box.folder / "case0").mkdir(exist_ok=True)
    shutil.copyfile(fixtures / "mesh" / "norm_upper.ply", render_box.folder / "case0" / "norm_upper.ply")
    return fixtures


@pytest.mark.parametrize("suffix", ["obj", "stl", "ply", "glb"])
def test_exact_normals_are_those_of_ray_casts(render_box, suffix):
    import convex

    body = convex.ellipsoid()
    mesh = getattr(convex, f"write_{suffix}")(body, render_box.folder / suffix / f"norm_upper.{suffix}")
    done = run(
        render_box, "normal_render", "--object_path", f"/w/{suffix}/{mesh.name}", "--target_dir", "/w/out",
        "--image_size", SIZE, "--num_images", 6,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    folder = render_box.folder / "out" / f"{suffix}_norm_upper_left"
    meta = json.loads((folder / "meta_normal.json").read_text("utf-8"))
    angles = []
    for view, pose in enumerate(meta["poses"]):
        truth, hit = convex.cast(body.in_world(), np.array(pose), np.array(meta["K"]), SIZE)
        png = picture(folder / f"{view:03d}_normal.png")
        mask = png[..., 3] > 127
        assert (mask & hit).sum() / (mask | hit).sum() >= 0.999
        found = png[mask & hit][:, :3] / 127.5 - 1
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        angles.append(2 * np.arcsin(np.linalg.norm(found - truth[mask & hit], axis=1) / 2))
    assert np.degrees(np.concatenate(angles)).mean() <= 0.3


def test_upstream_normals_are_those_of_the_published_render(render_box, published):
    done = run(
        render_box, "normal_render", "--object_path", "/w/case0/norm_upper.ply",
        "--target_dir", "/w/upstream", "--normal-encoding", "upstream", "--num_images", 2,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for view in range(2):
        name = f"{view:03d}_normal.png"
        ours = picture(render_box.folder / "upstream" / "case0_norm_upper_left" / name)
        theirs = picture(published / "normal-4.3.2" / "case0_norm_upper_left" / name)
        inside = theirs[..., 3] > 127
        assert np.abs(ours - theirs)[inside][:, :3].mean() <= 2.0


def test_colour_targets_are_near_the_published_render(render_box, published):
    done = run(
        render_box, "color_render", "--object_path", "/w/case0/norm_upper.ply", "--target_dir", "/w/colour",
        "--only", "target", "--num_images", 1,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    folder = render_box.folder / "colour" / "case0_norm_upper_left"
    ours = picture(folder / "000.png")
    theirs = picture(published / "color-bpy-5.0.1" / "case0_norm_upper_left" / "000.png")
    inside = (theirs[..., 3] > 127) & (ours[..., 3] > 127)
    assert 10 * np.log10(255**2 / ((ours - theirs)[inside][:, :3] ** 2).mean()) >= 33.0
    denoised = json.loads((folder / "meta.json").read_text("utf-8"))["denoise"]
    assert denoised != ("without OpenImageDenoise" in done.stdout + done.stderr)


def test_colours_of_a_glb_are_those_of_the_same_stl(render_box):
    import convex

    body, pictures = convex.ellipsoid(level=2), []
    for suffix, write in (("glb", convex.write_glb), ("stl", convex.write_stl)):
        write(body, render_box.folder / "both" / f"{suffix}_upper.{suffix}")
        done = run(
            render_box, "color_render", "--object_path", f"/w/both/{suffix}_upper.{suffix}",
            "--only", "target", "--target_dir", "/w/both/out", "--image_size", SIZE, "--num_images", 1,
            "--samples", 4,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        pictures.append(picture(render_box.folder / f"both/out/both_{suffix}_upper_left" / "000.png"))
    glb, stl = pictures
    assert np.array_equal(glb[..., 3] > 127, stl[..., 3] > 127)
    inside = glb[..., 3] > 127
    assert inside.mean() > 0.05
    # Other faces, so other noise; the light is the same.
    assert np.abs(glb[inside][:, :3].mean(axis=0) - stl[inside][:, :3].mean(axis=0)).max() < 2.0


def test_errors_end_blender_with_their_codes(render_box):
    bad = render_box.folder / "bad" / "norm_upper.ply"
    bad.parent.mkdir(exist_ok=True)
    bad.write_text("nonsense", encoding="utf-8")
    done = run(
        render_box, "normal_render", "--object_path", "/w/bad/norm_upper.ply", "--target_dir", "/w/out"
    )
    assert done.returncode == 3
    assert "/w/bad/norm_upper.ply" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert run(render_box, "color_render", "--nonsense").returncode == 2


def test_the_worker_answers_on_its_own_line(render_box):
    import convex

    convex.write_obj(convex.ellipsoid(level=1), render_box.folder / "w" / "norm_lower.obj")
    argv = ["--object_path", "/w/w/norm_lower.obj", "--target_dir", "/w/worker", "--num_images", "1"]
    jobs = [
        {"id": name, "script": "normal", "argv": [*argv, *more]} for name, more in (("a", []), ("b", ["-x"]))
    ]
    (render_box.folder / "jobs").write_text("\n".join(map(json.dumps, jobs)) + "\n", encoding="utf-8")
    command = f"blender --background --python {SCRIPTS}/render_worker.py < /w/jobs 2> /w/chatter"
    done = render_box.run("sh", "--", "sh", "-c", command)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("@teethscape ")]
    ready, *answers = [json.loads(line.split(" ", 1)[1]) for line in lines]
    assert ready["status"] == "ready"
    assert ready["blender"].startswith(render_box.series)
    assert [(a["id"], a["status"], a["code"]) for a in answers] == [("a", "done", 0), ("b", "failed", 2)]
