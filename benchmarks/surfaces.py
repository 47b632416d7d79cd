"""Surfaces from views of known shapes: distance, triangles, soundness, processor time.

    python benchmarks/surfaces.py --methods grid --patients case-a 1 2 3
    python benchmarks/surfaces.py --methods neus:small --patients case-a --budget 600
    python benchmarks/surfaces.py --methods neus:teeth neus:upstream gspull:teeth --device cuda

Eight views (8-15) of 256 px, colours and exact normals, by our render scripts. The error is the distance
of samples of the surface that the views show to the nearest triangle of the mesh. ``--spoil`` makes the
views worse. Rows that are not asked for keep their last figures and their command. Case-a is two shapes; a
synthetic patient gives one jaw, odd numbers the lower one.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import surface_shapes as shapes
from bench_common import CACHE, LOG, RESULTS, ROOT, Clock, command_line, write_result
from numpy.typing import NDArray
from render_runs import Blender
from scipy import ndimage
from scipy.spatial import KDTree

from teethscape.cli_progress import ConsoleProgress
from teethscape.dental.request import Device
from teethscape.dental.wishes import Preset, SurfaceMethod
from teethscape.errors import TeethscapeError
from teethscape.mesh.ply import read_ply
from teethscape.surface import make
from teethscape.surface.frame import Frame, frame_of
from teethscape.surface.hull import mask_distances
from teethscape.surface.mesh.finish import is_two_manifold, manifold
from teethscape.surface.read import any as reading
from teethscape.surface.request import SurfaceRequest
from teethscape.surface.views import Views

SHARED = Path(os.environ.get("TEETHSCAPE_SHARED", ROOT.parent / "shared"))
Array = NDArray[np.float64]
_NEAREST = 12
#: Smoothness of the noise that moves ragged borders, px.
_RAGGED_PX = 6.0


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


def noisy_normals(views: Views) -> Views:
    """Normals off by 10 degrees, each pixel its own way."""
    rng = np.random.default_rng(0)
    assert views.normals is not None  # noqa: S101 - our renders have them
    off = rng.standard_normal(views.normals.shape) * np.tan(np.radians(10)) / np.sqrt(2)
    normals = views.normals + off * (np.abs(views.normals).sum(axis=-1, keepdims=True) > 0)
    length = np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-6)
    return replace(views, normals=(normals / length).astype(np.float32))


def resized_masks(views: Views) -> Views:
    """Every mask larger or smaller all around by one or two pixels."""
    return _resized(views, (-2, -1, 1, 2))


def _resized(views: Views, changes: tuple[int, ...]) -> Views:
    """Every mask larger (or smaller: negative) all around by so many pixels, in turn."""
    masks = []
    for k, mask in enumerate(views.foreground):
        change = changes[k % len(changes)]
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(change) + 1,) * 2)
        masks.append((cv2.dilate if change > 0 else cv2.erode)(mask, kernel))
    return _with_masks(views, masks)


def ragged_masks(views: Views) -> Views:
    """Every mask's border moved by up to two pixels, here inward and there outward."""
    rng, masks = np.random.default_rng(0), []
    for mask in views.foreground:
        wave = ndimage.gaussian_filter(rng.standard_normal(mask.shape), _RAGGED_PX)
        masks.append(mask_distances(mask) < np.clip(wave / wave.std(), -2, 2))
    return _with_masks(views, masks)


def speckled_masks(views: Views) -> Views:
    """Three in ten of the pixels within two pixels of every mask's border turned over."""
    rng, masks = np.random.default_rng(0), []
    for mask in views.foreground:
        turned = (np.abs(mask_distances(mask)) < 2) & (rng.random(mask.shape) < 0.3)
        masks.append(turned != (mask > 0.5))
    return _with_masks(views, masks)


def _with_masks(views: Views, masks: list[NDArray]) -> Views:
    """Other masks; the normals end where they do, and are the nearest known ones in what a mask gained.

    So the normals do not betray the true border.
    """
    assert views.normals is not None  # noqa: S101 - our renders have them
    normals = []
    for before, mask, normal in zip(views.foreground, masks, views.normals, strict=True):
        row, column = ndimage.distance_transform_edt(
            before < 0.5, return_distances=False, return_indices=True
        )
        normals.append(normal[row, column] * (mask > 0.5)[..., None])
    return replace(views, foreground=np.stack(masks).astype(np.float32), normals=np.stack(normals))


def one_missing(views: Views) -> Views:
    """Without the third view."""
    return views.subset([k for k in range(len(views)) if k != 2])


def one_wrong(views: Views) -> Views:
    """The sixth view shows another direction than its camera says."""
    masks, normals = views.foreground.copy(), views.normals
    assert normals is not None  # noqa: S101 - our renders have them
    normals = normals.copy()
    masks[5], normals[5] = masks[5][:, ::-1], normals[5][:, ::-1]
    return replace(views, foreground=masks, normals=normals)


SPOILS: dict[str, Callable[[Views], Views]] = {
    "normals": noisy_normals,
    "masks": resized_masks,
    "larger": lambda views: _resized(views, (2,)),
    "smaller": lambda views: _resized(views, (-2,)),
    "ragged": ragged_masks,
    "speckled": speckled_masks,
    "missing": one_missing,
    "wrong": one_wrong,
}


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
    """

    method: str
    budget_s: float | None
    device: Device
    samples: int
    spoil: str
    start: str = "hull"


def row(shape: shapes.Shape, setting: Setting) -> dict[str, Any]:
    """One shape by one method."""
    name, _, preset = setting.method.partition(":")
    out = (
        CACHE / "surfaces" / "meshes" / f"{shape.name}-{setting.method.replace(':', '-')}{setting.spoil}.ply"
    )
    request = SurfaceRequest(
        views=shape.views("normal"), output=out, method=SurfaceMethod(name), preset=Preset(preset or "teeth"),
        keep=tuple(range(8, 16)), extent_mm=shape.extent_mm, budget_s=setting.budget_s, device=setting.device,
    )  # fmt: skip
    clock = Clock.start()
    base: dict[str, Any] = {
        "shape": shape.name, "method": setting.method, "spoil": setting.spoil, "start": setting.start,
        "budget_s": setting.budget_s, "command": command_line(),
    }  # fmt: skip
    read = reading.read_views
    try:
        if setting.spoil:
            make.read_views = lambda asked: SPOILS[setting.spoil](read(asked))
        report = make.make_surface(request, ConsoleProgress(), _frame(shape, setting, request))
    except TeethscapeError as refusal:
        return {**base, "refused": refusal.code, **clock.read()}
    finally:
        make.read_views = read
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
        "two_manifold": bool(
            is_two_manifold(solid.faces) and manifold(solid.vertices, solid.faces) is not None
        ),
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
    return row["shape"], row["method"], row["spoil"], row.get("start", "hull"), row["budget_s"]


def _name_of(row: dict[str, Any]) -> str:
    """The line of the summary that a row belongs to."""
    start = " from an arch" if row.get("start", "hull") == "arch" else ""
    budget = "" if row["budget_s"] is None else f" {row['budget_s']:.0f} s"
    return f"{row['method']}{budget}{start} {row['spoil']}".strip()


def summary_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means per method and spoil."""
    out: dict[str, Any] = {}
    for key in sorted({_name_of(r) for r in rows}):
        own = [r for r in rows if _name_of(r) == key]
        done = [r for r in own if "mean_mm" in r]
        out[key] = {
            "shapes": sorted(r["shape"] for r in own),
            "refused": len(own) - len(done),
            **{
                name: round(float(np.mean([r[name] for r in done])), 4)
                for name in ("mean_mm", "hausdorff95_mm", "cpu_s", "triangles")
                if done
            },
            "worst_mean_mm": max((r["mean_mm"] for r in done), default=None),
            "all_two_manifold": all(r["two_manifold"] for r in done),
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
    parser.add_argument("--samples", type=int, default=200_000)
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
                    method, options.budget, Device(options.device), options.samples, spoil, options.start
                )
                found = row(shape, setting)
                LOG.info("%s", found)
                rows = [r for r in rows if _setting_of(r) != _setting_of(found)] + [found]
                commands = dict.fromkeys(r["command"] for r in rows)
                write_result("surfaces", summary_of(rows), rows, " && ".join(commands))


if __name__ == "__main__":
    main()
