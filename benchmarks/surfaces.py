r"""Surfaces from views of known shapes: distance, triangles, soundness, processor time.

    python benchmarks/surfaces.py --methods grid --patients case-a 1 2 3
    python benchmarks/surfaces.py --methods neus:small --patients case-a --budget 600
    python benchmarks/surfaces.py --methods neus:teeth neus:upstream gspull:teeth --device cuda
    python benchmarks/surfaces.py --methods neus:small neus:upstream --samples-per-ray 256 --budget 60 \
        --by-cpu

Eight views (8-15) of 256 px, colours and exact normals, by our render scripts. The error is the distance
of samples of the surface that the views show to the nearest triangle of the mesh. ``--spoil`` makes the
views worse. ``--by-cpu`` counts the budget in processor seconds, so that methods can be compared on a machine
that other work shares; set OMP_NUM_THREADS=1. ``--like small`` gives another preset of NeuS the sizes of
``small``, so that only losses, rates, start and schedule differ. Rows that are not asked for keep their last
figures and their command. Case-a is two shapes; a synthetic patient gives one jaw, odd numbers the lower one.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import surface_shapes as shapes
from bench_common import CACHE, LOG, RESULTS, ROOT, Clock, command_line, write_result
from numpy.typing import NDArray
from render_runs import Blender
from scipy.spatial import KDTree
from surface_spoils import SPOILS

from teethscape.cli_progress import ConsoleProgress
from teethscape.dental.request import Device
from teethscape.dental.wishes import Preset, SurfaceMethod
from teethscape.errors import TeethscapeError
from teethscape.mesh.ply import read_ply
from teethscape.surface import make
from teethscape.surface.frame import Frame, frame_of
from teethscape.surface.mesh.finish import is_two_manifold, manifold
from teethscape.surface.read import any as reading
from teethscape.surface.request import SurfaceRequest

SHARED = Path(os.environ.get("TEETHSCAPE_SHARED", ROOT.parent / "shared"))
Array = NDArray[np.float64]
_NEAREST = 12
#: What ``--like`` takes of another preset; lengths of the schedule are shortened with the steps.
_SIZES = (
    "steps", "samples_per_ray", "first_rays", "most_rays", "levels", "log2_table", "base", "finest",
    "occupancy", "smooth_points", "pitch", "nodes",
)  # fmt: skip


def triangle_distances(points: Array, vertices: Array, faces: NDArray[np.integer]) -> Array:
    """(n,) distance of points to the nearest of the triangles whose middles are nearest."""
    corners = vertices[faces]
    candidates = KDTree(corners.mean(axis=1)).query(points, k=min(_NEAREST, len(faces)))[1]
    best = np.full(len(points), np.inf)
    for column in candidates.reshape(len(points), -1).T:
        best = np.minimum(best, _to_triangles(points, corners[column]))
    return best


def _to_triangles(points: Array, corners: Array) -> Array:
    """(n,) distance of each point to its own triangle (n, 3, 3)."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    normal = np.cross(b - a, c - a)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    inside = np.ones(len(points), bool)
    edges = np.full(len(points), np.inf)
    for one, two in ((a, b), (b, c), (c, a)):
        way = two - one
        inside &= (np.cross(way, points - one) * normal).sum(axis=1) >= 0
        share = ((points - one) * way).sum(axis=1) / np.maximum((way**2).sum(axis=1), 1e-12)
        nearest = one + np.clip(share, 0, 1)[:, None] * way
        edges = np.minimum(edges, np.linalg.norm(points - nearest, axis=1))
    return np.where(inside, np.abs(((points - a) * normal).sum(axis=1)), edges)


@dataclass(frozen=True)
class Setting:
    """What the rows run with.

    Attributes:
        method: name and preset.
        budget_s: of training, or None.
        device: where.
        samples: of the truth.
        spoil: how the views are made worse, or empty.
        start: ``hull``, or ``arch``: crowns that are a little off, as of a fit.
        rays: samples along a ray of NeuS, when not the preset's.
        like: preset of NeuS whose sizes are taken, or empty.
        processor_time: whether the budget counts processor seconds.
    """

    method: str
    budget_s: float | None
    device: Device
    samples: int
    spoil: str
    start: str = "hull"
    rays: int | None = None
    like: str = ""
    processor_time: bool = False

    @property
    def file(self) -> str:
        """What tells its meshes from those of other settings."""
        parts = (self.method.replace(":", "-"), self.spoil, "" if self.start == "hull" else self.start)
        return "-".join(part for part in parts if part)


@contextmanager
def _as_set(setting: Setting) -> Iterator[None]:
    """While a surface is made: views spoilt, samples along rays and the clock as a setting says."""
    read = reading.read_views
    with ExitStack() as stack:
        if setting.spoil:
            spoilt = lambda asked: SPOILS[setting.spoil](read(asked))  # noqa: E731 - a replacement, used once
            stack.enter_context(patch.object(make, "read_views", spoilt))
        if setting.processor_time:
            clock = SimpleNamespace(monotonic=time.process_time)
            stack.enter_context(patch("teethscape.surface.session.time", clock))
        if setting.rays is not None or setting.like:
            stack.enter_context(patch("teethscape.surface.neus.method.load_preset", _resized_preset(setting)))
        yield


def _resized_preset(setting: Setting) -> Callable[[str, bool], Any]:
    """What loads presets of NeuS with a setting's sizes."""
    from teethscape.surface.neus.presets import load_preset  # only where torch is

    like = load_preset(setting.like, True) if setting.like else None
    sizes: dict[str, Any] = {} if like is None else {name: getattr(like, name) for name in _SIZES}
    if setting.rays is not None:
        sizes |= {"samples_per_ray": setting.rays, "pitch": 1.0, "nodes": 0}

    def load(name: str, with_normals: bool) -> Any:
        preset = load_preset(name, with_normals)
        if like is None:
            return replace(preset, **sizes)
        shorter = like.steps / preset.steps
        return replace(
            preset, **sizes, start_level=like.levels if not preset.level_every else preset.start_level,
            warm_up=round(preset.warm_up * shorter), anneal=round(preset.anneal * shorter),
        )  # fmt: skip

    return load


def row(shape: shapes.Shape, setting: Setting) -> dict[str, Any]:
    """One shape by one method."""
    name, _, preset = setting.method.partition(":")
    out = CACHE / "surfaces" / "meshes" / f"{shape.name}-{setting.file}.ply"
    request = SurfaceRequest(
        views=shape.views("normal"), output=out, method=SurfaceMethod(name), preset=Preset(preset or "teeth"),
        keep=tuple(range(8, 16)), extent_mm=shape.extent_mm, budget_s=setting.budget_s, device=setting.device,
    )  # fmt: skip
    # A run that was refused or broken off leaves one, and would be continued.
    out.with_suffix(".checkpoint").unlink(missing_ok=True)
    clock = Clock.start()
    base: dict[str, Any] = {
        "shape": shape.name, "method": setting.method, "spoil": setting.spoil, "start": setting.start,
        "budget_s": setting.budget_s, "samples_per_ray": setting.rays, "like": setting.like,
        "processor_time": setting.processor_time, "command": command_line(),
    }  # fmt: skip
    try:
        with _as_set(setting):
            report = make.make_surface(request, ConsoleProgress(), _frame(shape, setting, request))
    except TeethscapeError as refusal:
        return {**base, "refused": refusal.code, **clock.read()}
    times = clock.read()
    left = {"components": report["components"], "left_out": report["views_left_out"]}
    return {**base, **_scores(shape, request, setting.samples), **left, **times}


def _frame(shape: shapes.Shape, setting: Setting, request: SurfaceRequest) -> Frame | None:
    """The frame with an arch to start from, when that is asked for (synthetic patients alone)."""
    if setting.start == "hull":
        return None
    frame = frame_of(reading.read_views(request), shape.extent_mm, None)
    seed = int(shape.folder.name.removeprefix("arch-"))
    return replace(frame, arch=shapes.fitted_arch(shape, seed))


def _scores(shape: shapes.Shape, request: SurfaceRequest, samples: int) -> dict[str, Any]:
    """The mesh of a request against the truth."""
    solid, _ = read_ply(request.output)
    frame = frame_of(reading.read_views(request), shape.extent_mm, None)
    placed = frame.to_views(solid.vertices)
    away = triangle_distances(shapes.seen_samples(shape, samples), placed, solid.faces)
    return {
        "mean_mm": round(float(away.mean()), 4),
        "hausdorff95_mm": round(float(np.percentile(away, 95)), 4),
        "triangles": len(solid.faces),
        "two_manifold": is_two_manifold(solid.faces) and manifold(solid.vertices, solid.faces) is not None,
    }


def chosen_shapes(patients: list[str]) -> list[shapes.Shape]:
    """Shapes of the named patients."""
    out: list[shapes.Shape] = []
    for name in patients:
        pair = shapes.case_a(SHARED) if name == "case-a" else shapes.synthetic(int(name))
        out += pair if name == "case-a" else [pair[int(name) % 2]]
    return out


def _setting_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """What a row replaces: the same shape by the same method in the same way."""
    return row["shape"], _method_of(row), *_way_of(row)


def _way_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """What rows of methods must have in common to be compared."""
    clock, rays = row.get("processor_time", False), row.get("samples_per_ray")
    return row["spoil"], row.get("start", "hull"), row["budget_s"], clock, rays


def _method_of(row: dict[str, Any]) -> str:
    """Method, preset and whose sizes it took."""
    return row["method"] + (f" at the size of {row['like']}" if row.get("like") else "")


def _better(row: dict[str, Any], rows: list[dict[str, Any]]) -> list[str]:
    """Methods with the smaller error on the same shape in the same way; a refusal is worse than any error."""
    shape, error = row["shape"], row.get("mean_mm", np.inf)
    return [
        _method_of(other)
        for other in rows
        if other["shape"] == shape and _way_of(other) == _way_of(row) and other.get("mean_mm", np.inf) < error
    ]


def _name_of(row: dict[str, Any]) -> str:
    """The line of the summary that a row belongs to."""
    start = " from an arch" if row.get("start", "hull") == "arch" else ""
    unit = "CPU-s" if row.get("processor_time") else "s"
    budget = "" if row["budget_s"] is None else f" {row['budget_s']:.0f} {unit}"
    rays = f" {row['samples_per_ray']} samples a ray" if row.get("samples_per_ray") else ""
    return f"{_method_of(row)}{budget}{rays}{start} {row['spoil']}".strip()


def summary_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means per method and spoil."""
    out: dict[str, Any] = {}
    for key in sorted({_name_of(r) for r in rows}):
        own = [r for r in rows if _name_of(r) == key]
        done = [r for r in own if "mean_mm" in r]
        better = [method for r in own for method in _better(r, rows)]
        out[key] = {
            "shapes": sorted(r["shape"] for r in own),
            "refused": len(own) - len(done),
            **{
                name: round(float(np.mean([r[name] for r in done])), 4)
                for name in ("mean_mm", "hausdorff95_mm", "cpu_s", "triangles")
                if done
            },
            "worst_mean_mm": max((r["mean_mm"] for r in done), default=None),
            "all_two_manifold": bool(done) and all(r["two_manifold"] for r in done),
            "shapes_where_better": {method: better.count(method) for method in sorted(set(better))},
        }
    return out


def main() -> None:
    """Measure and write ``results/surfaces.json``."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["grid"], help="method, or method:preset")
    parser.add_argument("--patients", nargs="+", default=["case-a", *map(str, range(1, 11))])
    parser.add_argument("--spoil", nargs="+", default=[""], choices=["", *SPOILS])
    parser.add_argument("--budget", type=float, help="seconds of training")
    parser.add_argument("--device", default="auto", choices=[d.value for d in Device])
    parser.add_argument("--start", default="hull", choices=["hull", "arch"], help="of training")
    parser.add_argument(
        "--samples-per-ray", type=int, help="of NeuS; meshes are then cut at a pixel's footprint"
    )
    parser.add_argument("--like", default="", choices=["", "small", "teeth"], help="whose sizes NeuS takes")
    parser.add_argument("--by-cpu", action="store_true", help="the budget is in processor seconds")
    parser.add_argument("--samples", type=int, default=200_000, help="of the truth")
    parser.add_argument("--blender-python", type=Path, default=ROOT / ".venv-bpy" / "bin" / "python")
    options = parser.parse_args()
    path = RESULTS / "surfaces.json"
    rows = json.loads(path.read_text("utf-8"))["rows"] if path.is_file() else []
    for shape in chosen_shapes(options.patients):
        if not (shape.views("normal") / "meta_normal.json").is_file():
            shapes.render(shape, Blender(options.blender_python))
        for method in options.methods:
            for spoil in options.spoil:
                setting = Setting(
                    method, options.budget, Device(options.device), options.samples, spoil, options.start,
                    options.samples_per_ray, options.like, options.by_cpu,
                )  # fmt: skip
                found = row(shape, setting)
                LOG.info("%s", found)
                rows = [r for r in rows if _setting_of(r) != _setting_of(found)] + [found]
                commands = dict.fromkeys(r["command"] for r in rows)
                write_result("surfaces", summary_of(rows), rows, " && ".join(commands))


if __name__ == "__main__":
    main()
