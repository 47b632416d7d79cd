"""The render scripts: exactness of normals, agreement with the published renders, cameras, processor time.

    python benchmarks/render.py                   all rows, about half an hour of processor time
    python benchmarks/render.py normals cameras   some rows; the others keep their last figures

Needs the shared folder, and the bpy wheel in ``.venv-bpy`` (``--blender-python``). Times are processor
seconds of whole processes, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bench_common import CACHE, LOG, RESULTS, ROOT, write_result
from ray_truth import cast, world_mesh
from render_runs import Blender, Run, decibels, mask_overlap, normal_errors, picture, poses_of

from teethscape.dataset import published_views as views
from teethscape.dental.fdi import Jaw

SHARED = Path(os.environ.get("TEETHSCAPE_SHARED", ROOT.parent / "shared"))
FIXTURES = SHARED / "fixtures" / "renders"
MESH = FIXTURES / "mesh" / "norm_upper.ply"
WORK = CACHE / "render"
Row = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """What the rows run with.

    Attributes:
        blender: the wheel.
        cases: cases of the speed rows in one process.
        processes: processes of the published way, whose mean stands for all.
        images: colour views per folder in the speed row; the published number is 16.
    """

    blender: Blender
    cases: int
    processes: int
    images: int


def _fresh(name: str) -> Path:
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def normals(setting: Setting) -> Row:
    """Exact and upstream normals of case-a's crowns against embree's rays, 16 views of each jaw."""
    reference = SHARED / "cases" / "case-a" / "reference"
    meshes = [reference / f"{jaw}.ply" for jaw in ("upper", "lower")]
    out = _fresh("normals")
    for encoding, floats in (("exact", ["--float"]), ("upstream", [])):
        arguments = ["--normal-encoding", encoding, *floats, "--target_dir", out / encoding]
        setting.blender.render("normal", *arguments, "--object_path", *meshes)
    scores: dict[str, list[dict[str, float]]] = {"exact": [], "upstream": []}
    for mesh, partner in (meshes, meshes[::-1]):
        folder = f"reference_{mesh.stem}_left"
        setting.blender.read_exr(out / "exact" / folder)
        world = world_mesh(mesh, partner)
        for view, pose in enumerate(poses_of(out / "exact" / folder, "meta_normal")):
            truth = cast(world, pose, 256)
            for encoding, found in scores.items():
                found.append(normal_errors(out / encoding / folder, view, truth))
    exact = scores["exact"]
    return {
        "views": len(exact),
        "png_mean_deg": _mean(exact, "png_deg"),
        "float_mean_deg": _mean(exact, "float_deg"),
        "mask_iou_min": round(min(row["mask_iou"] for row in exact), 5),
        "upstream_mean_deg": _mean(scores["upstream"], "png_deg"),
    }


def _mean(rows: list[dict[str, float]], key: str) -> float:
    return float(np.mean([row[key] for row in rows]).round(5))


def upstream(setting: Setting) -> Row:
    """The ``upstream`` encoding against the published script's pictures by Blender 4.3.2."""
    out = _fresh("upstream")
    setting.blender.render(
        "normal", "--normal-encoding", "upstream", "--target_dir", out, "--object_path", MESH
    )
    levels = []
    for view in range(16):
        theirs = picture(FIXTURES / "normal-4.3.2" / "case0_norm_upper_left" / f"{view:03d}_normal.png")
        ours = picture(out / "mesh_norm_upper_left" / f"{view:03d}_normal.png")
        inside = theirs[..., 3] > 127
        levels.append(np.abs(ours - theirs)[inside][:, :3].mean())
    return {
        "views": 16,
        "mean_levels": round(float(np.mean(levels)), 3),
        "worst_view_levels": round(max(levels), 3),
    }


def cameras(_: Setting) -> Row:
    """Largest deviation of K and poses from the published render and the published pickles."""
    render = json.loads(
        (FIXTURES / "color-bpy-5.0.1" / "case0_norm_upper_left" / "meta.json").read_text("utf-8")
    )
    pickles = json.loads((SHARED / "specs" / "meta_info.json").read_text("utf-8"))
    worst = _camera_error(views.target_cameras(Jaw.UPPER, 512), render["K"], render["RT"])
    for jaw in Jaw:
        meta = pickles[jaw.value]
        ours = views.target_cameras(jaw, 256)
        worst = max(worst, _camera_error(ours, meta["K"], meta["poses_w2c_opencv"]))
    azimuths, elevations = np.array(
        [views.CONDITION_VIEWS[n] for n in ("left", "front", "right", "down", "up")]
    ).T
    ours = views.cameras(azimuths, elevations, np.full(5, views.DISTANCE), 256)
    worst = max(worst, _camera_error(ours, pickles["cond"]["K"], pickles["cond"]["poses_w2c_opencv"]))
    return {"worst": worst}


def _camera_error(ours: views.Cameras, intrinsics: list, poses: list) -> float:
    return float(max(np.abs(ours.intrinsics - intrinsics).max(), np.abs(ours.poses - poses).max()))


def colour(setting: Setting) -> Row:
    """Colour targets against the published script's pictures by bpy 5.0.1: 128 samples, and our default."""
    row: Row = {"views": 16}
    for name, samples in (("published_128", ["--samples", 128]), ("default", [])):
        out = _fresh(f"colour-{name}")
        run = setting.blender.render(
            "color", "--only", "target", *samples, "--target_dir", out, "--object_path", MESH
        )
        scores = [
            (decibels(theirs, ours), mask_overlap(theirs, ours))
            for theirs, ours in _pairs(
                FIXTURES / "color-bpy-5.0.1" / "case0_norm_upper_left", out / "mesh_norm_upper_left"
            )
        ]
        row[name] = {
            "mean_db": round(float(np.mean([db for db, _ in scores])), 2),
            "worst_view_db": round(min(db for db, _ in scores), 2),
            "mask_iou_min": round(min(iou for _, iou in scores), 5),
            "cpu_s": round(run.cpu_s, 1),
        }
    return row


def _pairs(one: Path, other: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    names = sorted(path.name for path in other.glob("[0-9][0-9][0-9].png"))
    return [(picture(one / name), picture(other / name)) for name in names]


def _cases(folder: Path, count: int) -> list[Path]:
    """The same mesh under ``count`` names: what is timed must not depend on its shape."""
    paths = []
    for case in range(count):
        path = folder / f"case{case:03d}" / "norm_upper.ply"
        path.parent.mkdir(parents=True)
        shutil.copyfile(MESH, path)
        paths.append(path)
    return paths


def _speed(published: list[Run], ours: Run, cases: int) -> Row:
    old, new = float(np.mean([run.cpu_s for run in published])), ours.cpu_s / cases
    return {
        "published_processes": len(published),
        "published_cpu_s_per_case": round(old, 2),
        "cases": cases,
        "cpu_s_per_case": round(new, 3),
        "times_faster": round(old / new, 1),
        "load_1min": round(os.getloadavg()[0], 1),
    }


def normal_speed(setting: Setting) -> Row:
    """Exact normals of many cases in one process; upstream normals in a process per case. 16 views each."""
    out = _fresh("normal-speed")
    paths = _cases(out, setting.cases)
    published = [
        setting.blender.render(
            "normal", "--normal-encoding", "upstream", "--target_dir", out / "upstream", "--object_path", path
        )
        for path in paths[: setting.processes]
    ]
    ours = setting.blender.render("normal", "--target_dir", out / "exact", "--object_path", *paths)
    return _speed(published, ours, setting.cases)


def colour_speed(setting: Setting) -> Row:
    """Input and target views by default in one process; with 128 samples in a process per case.

    The pictures of both are compared too. Both leave out what the object does not cover, so the
    published script, which does not, is slower than what stands for it here.
    """
    out = _fresh("colour-speed")
    paths = _cases(out, setting.processes)

    def render(name: str, objects: list[Path], *more: object) -> Run:
        folders = ["--target_dir", out / name / "target", "--input_dir", out / name / "input"]
        return setting.blender.render(
            "color", *folders, "--num_images", setting.images, *more, "--object_path", *objects
        )

    published = [render("published", [path], "--samples", 128) for path in paths]
    ours = render("ours", paths)
    scores: dict[str, list[float]] = {"target": [], "input": []}
    for kind, found in scores.items():
        for folder in sorted((out / "ours" / kind).iterdir()):
            found += [decibels(*pair) for pair in _pairs(out / "published" / kind / folder.name, folder)]
    row = _speed(published, ours, len(paths))
    row["views_per_case"] = 5 * setting.images
    for kind, found in scores.items():
        row[f"{kind}_mean_db"], row[f"{kind}_worst_view_db"] = (
            round(float(np.mean(found)), 2),
            round(min(found), 2),
        )
    return row


ROWS: dict[str, Callable[[Setting], Row]] = {
    "cameras": cameras,
    "normals": normals,
    "upstream": upstream,
    "normal_speed": normal_speed,
    "colour": colour,
    "colour_speed": colour_speed,
}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS], help="default: all")
    parser.add_argument("--cases", type=int, default=50, help="normal cases in one process")
    parser.add_argument("--processes", type=int, default=3, help="processes of the published way")
    parser.add_argument("--images", type=int, default=1, help="colour views per folder in the speed row")
    parser.add_argument("--blender-python", type=Path, default=ROOT / ".venv-bpy" / "bin" / "python")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    setting = Setting(Blender(args.blender_python), args.cases, args.processes, args.images)
    last = RESULTS / "render.json"
    summary = json.loads(last.read_text("utf-8"))["summary"] if args.rows and last.exists() else {}
    for name in args.rows or ROWS:
        summary[name] = ROWS[name](setting)
        LOG.info("%s %s", name, summary[name])
    write_result("render", summary, [])


if __name__ == "__main__":
    main()
