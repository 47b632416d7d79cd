"""Known shapes for the surface methods: meshes of jaws, views of them by our scripts, what the views show.

Case-a's crowns and synthetic arches, each pair of jaws normalised together; one shape is one jaw. Vertex
colours have soft spots, so that the colour views show something that does not follow the normals.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench_common import CACHE
from numpy.typing import NDArray
from render_runs import Blender

from teethscape.dataset.patient_case import make_patient
from teethscape.dataset.published_views import FILE_TO_WORLD, target_cameras
from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.dental.files import write_json, write_with
from teethscape.dental.units import ScaleRecord, ScaleSource
from teethscape.mesh.load import load_teeth
from teethscape.mesh.ply import read_ply, write_ply
from teethscape.mesh.scores import sample
from teethscape.mesh.solid import FileNote, Solid, joined
from teethscape.parametric.camera import Camera
from teethscape.parametric.prior import load_prior
from teethscape.parametric.raster import TriangleSoup, render_ids
from teethscape.surface.mesh.teeth import KnownArch

Array = NDArray[np.float64]
WORK = CACHE / "surfaces"
#: Our world (x left, y posterior, z cranial) to a mesh file's frame (x left, y up, z to the front).
_WORLD_TO_FILE = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
_NOTE = FileNote(
    ScaleRecord(ScaleSource.SCAN, 0.0), "normalised for rendering: the pair's largest extent is 1"
)
#: How far a stand-in for a fit is off: place, mm per axis, and size.
_FIT_MM, _FIT_SIZE = 0.3, 0.02
_VIEWS = tuple(range(8, 16))
_SPOTS, _SPOT_MM = 60, 2.5
#: Side of the depth pictures that tell what the views show, px, and how far behind them a point may lie, mm.
_DEPTH_SIZE, _HIDDEN_MM = 1024, 0.08


@dataclass(frozen=True)
class Shape:
    """One jaw whose surface is known.

    Attributes:
        name: patient and jaw.
        jaw: which.
        mesh: file, normalised with the other jaw.
        extent_mm: what the unit of the file is.
    """

    name: str
    jaw: Jaw
    mesh: Path
    extent_mm: float

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return self.mesh.parent

    def views(self, kind: str) -> Path:
        """Folder of the ``normal`` or ``target`` (colour) views."""
        return self.folder / kind / f"{self.folder.name}_norm_{self.jaw.value}_left"

    def world(self) -> Solid:
        """Its mesh in TeethDreamer's world, units of the pair's extent."""
        solid, _ = read_ply(self.mesh)
        return Solid(self.name, solid.vertices @ FILE_TO_WORLD.T, solid.faces)


def case_a(shared: Path) -> tuple[Shape, Shape]:
    """The reference crowns of case-a, the lower jaw placed by the estimated bite."""
    folder = shared / "cases" / "case-a" / "reference"
    bite = np.array(json.loads((folder / "bite_estimate.json").read_text("utf-8"))["lower_to_upper"])
    teeth = load_teeth(folder)
    for fdi, solid in teeth.items():
        if jaw_of(fdi) is Jaw.LOWER:
            teeth[fdi] = Solid(solid.name, solid.vertices @ bite[:3, :3].T + bite[:3, 3], solid.faces)
    return _written("case-a", teeth)


def synthetic(seed: int) -> tuple[Shape, Shape]:
    """Both jaws of a synthetic patient."""
    name = f"arch-{seed}"
    if (WORK / name / "extent.json").is_file():
        return _written(name, {})
    crowns = make_patient(load_prior(), seed).crowns
    return _written(
        name, {fdi: Solid(f"FDI_{fdi}", c.vertices @ _WORLD_TO_FILE.T, c.faces) for fdi, c in crowns.items()}
    )


def fitted_arch(shape: Shape, seed: int) -> KnownArch:
    """Crowns of a synthetic patient's jaw as a fit might have found them, mm, TeethDreamer's axes.

    A stand-in for a fit: each crown is moved by normal deviates of 0.3 mm per axis and resized by one of 2 %.
    """
    rng = np.random.default_rng(seed)
    extent = json.loads((shape.folder / "extent.json").read_text("utf-8"))
    teeth = {}
    for fdi, crown in sorted(make_patient(load_prior(), seed).crowns.items()):
        points = (crown.vertices @ _WORLD_TO_FILE.T - extent["centre_mm"]) @ FILE_TO_WORLD.T
        middle = points.mean(axis=0)
        off = middle + rng.normal(0, _FIT_MM, 3)
        points = (points - middle) * (1 + rng.normal(0, _FIT_SIZE)) + off
        if jaw_of(fdi) is shape.jaw:
            teeth[fdi] = Solid(f"FDI_{fdi}", points, crown.faces)
    return KnownArch(teeth)


def _written(name: str, teeth: dict[int, Solid]) -> tuple[Shape, Shape]:
    """Normalise and write both jaws, unless that was done before."""
    folder = WORK / name
    paths = {jaw: folder / f"norm_{jaw.value}.ply" for jaw in Jaw}
    if not (folder / "extent.json").is_file():
        points = np.concatenate([solid.vertices for solid in teeth.values()])
        low, high = points.min(axis=0), points.max(axis=0)
        centre, extent = (low + high) / 2, float((high - low).max())
        for jaw, path in paths.items():
            whole = joined(
                [s for fdi, s in sorted(teeth.items()) if jaw_of(fdi) is jaw], f"{name}-{jaw.value}"
            )
            colours = _colours(whole.vertices.astype(np.float64), len(name))
            solid = Solid(whole.name, (whole.vertices - centre) / extent, whole.faces)
            write_with(path, lambda stream, s=solid, c=colours: write_ply(stream, s, _NOTE, c))
        write_json(folder / "extent.json", {"extent_mm": extent, "centre_mm": centre.tolist()})
    extent = json.loads((folder / "extent.json").read_text("utf-8"))["extent_mm"]
    upper, lower = (Shape(f"{name}-{jaw.value}", jaw, path, extent) for jaw, path in paths.items())
    return upper, lower


def _colours(vertices: Array, seed: int) -> dict[str, NDArray[np.uint8]]:
    """Tooth white with soft darker spots, per vertex."""
    rng = np.random.default_rng(seed)
    centres = vertices[rng.integers(0, len(vertices), _SPOTS)]
    near = np.exp(-((vertices[:, None] - centres) ** 2).sum(axis=2) / (2 * _SPOT_MM**2))
    shade = 1.0 - 0.35 * np.clip(near @ rng.uniform(0.2, 1.0, _SPOTS), 0, 1)
    tint = shade[:, None] * np.array([226.0, 208.0, 176.0])
    return dict(zip(("red", "green", "blue"), tint.round().astype(np.uint8).T, strict=True))


def render(shape: Shape, blender: Blender, colours: bool = True) -> None:
    """Render 16 views of 256 px by our scripts, those that are missing."""
    common = ("--object_path", shape.mesh, "--normalise", "never", "--image_size", 256, "--threads", 1)
    blender.render("normal", *common, "--target_dir", shape.folder / "normal")
    if colours:
        target = ("--only", "target", "--samples", 8, "--target_dir", shape.folder / "target")
        blender.render("color", *common, *target, "--input_dir", shape.folder / "unused")


def seen_samples(shape: Shape, count: int, views: tuple[int, ...] = _VIEWS, seed: int = 0) -> Array:
    """(count, 3) samples, even by area, of the surface that the views show; mm, TeethDreamer's axes."""
    solid = shape.world()
    vertices = solid.vertices * shape.extent_mm
    solid = Solid(solid.name, vertices, solid.faces)
    cameras = [_camera(shape, view) for view in views]
    soup = TriangleSoup(vertices, solid.faces.astype(np.int32), np.zeros(len(solid.faces), np.int32))
    depths = [render_ids(soup, camera).depth for camera in cameras]
    rng, found, total = np.random.default_rng(seed), [], 0
    while total < count:
        points = sample(solid, count, rng)
        seen = np.any([_in_front(points, c, d) for c, d in zip(cameras, depths, strict=True)], axis=0)
        found.append(points[seen])
        total += int(seen.sum())
    return np.concatenate(found)[:count]


def _camera(shape: Shape, view: int) -> Camera:
    target = target_cameras(shape.jaw, _DEPTH_SIZE)
    focal, middle = float(target.intrinsics[0, 0]), (_DEPTH_SIZE - 1) / 2
    rotation, shift = target.poses[view, :, :3], target.poses[view, :, 3] * shape.extent_mm
    size = (_DEPTH_SIZE, _DEPTH_SIZE)
    return Camera(*size, focal, np.array([middle, middle]), rotation, shift, np.zeros(3))


def _in_front(points: Array, camera: Camera, depth: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether nothing hides a point; the four pixels around it must agree that it is no edge."""
    pixels, z = camera.project(points), camera.to_camera(points)[:, 2]
    column, row = np.clip(np.floor(pixels).astype(int), 0, _DEPTH_SIZE - 2).T
    around = np.stack([depth[row + i, column + j] for i in (0, 1) for j in (0, 1)])
    return np.isfinite(around).any(axis=0) & (
        z < around.max(axis=0, where=np.isfinite(around), initial=0) + _HIDDEN_MM
    )
