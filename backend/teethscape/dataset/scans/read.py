"""Crowns as they were scanned: open surfaces per FDI number, in the scanner's frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from teethscape.dataset.scans.cap import closed
from teethscape.dataset.scans.patch import clean_patch, faces_of_label
from teethscape.dataset.scans.sources import PatientSource, read_labels
from teethscape.dental.fdi import Jaw, is_permanent, jaw_of, object_name
from teethscape.errors import BadInputError, RefusedError
from teethscape.mesh.load import load_mesh
from teethscape.mesh.solid import Solid

#: A label on fewer faces is an error of the segmentation, not a tooth.
LEAST_FACES = 40


@dataclass(frozen=True, eq=False)
class ScanCrown:
    """One closed crown.

    Attributes:
        fdi: tooth number.
        solid: closed mesh, outward; frame and unit of whoever holds it.
        cap: (V,) true where we closed the scan.
        rgb: (V, 3) sRGB, None when the scan has no colours.
        loops: how many borders were closed.
        dropped: faces of other pieces that were left out.
    """

    fdi: int
    solid: Solid
    cap: NDArray[np.bool_]
    rgb: NDArray[np.uint8] | None
    loops: int
    dropped: int

    @property
    def jaw(self) -> Jaw:
        """Jaw of the crown."""
        return jaw_of(self.fdi)


@dataclass(frozen=True, eq=False)
class LabelledScan:
    """One jaw as scanned: (V, 3), (F, 3), FDI per vertex (0 gum), colours."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    labels: NDArray[np.int64]
    rgb: NDArray[np.uint8] | None


def read_crowns(source: PatientSource) -> dict[int, ScanCrown]:
    """All crowns of a patient, closed, in the scanner's frame.

    Raises:
        BadInputError: a file cannot be read, or labels and vertices do not fit together.
        RefusedError: there are milk teeth.
    """
    crowns = {}
    for jaw, (mesh, labels) in source.scans.items():
        crowns.update({crown.fdi: crown for crown in _crowns_of(read_scan(mesh, labels), jaw, mesh)})
    for fdi, path in source.teeth.items():
        crowns[fdi] = _single(fdi, path)
    return dict(sorted(crowns.items()))


def read_scan(mesh: Path, labels: Path) -> LabelledScan:
    """A scan and its labels.

    Raises:
        BadInputError: they do not fit together.
    """
    vertices, faces, rgb = read_obj(mesh)
    record = read_labels(labels)
    values = np.array([] if record is None else record["labels"], dtype=object)
    try:
        numbers = values.astype(np.int64)
    except (TypeError, ValueError) as error:
        raise BadInputError(
            "labels_damaged", f"{labels} holds labels that are no numbers.", "Get it again."
        ) from error
    if len(numbers) != len(vertices):
        raise BadInputError(
            "labels_damaged",
            f"{labels} has {len(numbers)} labels for {len(vertices)} vertices.",
            "Export the OBJ without merging or sorting vertices.",
        )
    return LabelledScan(vertices, faces, numbers, rgb)


def read_obj(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.uint8] | None]:
    """Vertices in the file's own order, triangles, and vertex colours if there are any.

    Raises:
        BadInputError: it is no OBJ of triangles.
    """
    points: list[list[float]] = []
    faces: list[list[int]] = []
    try:
        for line in path.read_text("utf-8", "replace").splitlines():
            if line.startswith("v "):
                points.append([float(word) for word in line.split()[1:7]])
            elif line.startswith("f "):
                corners = [int(word.split("/", 1)[0]) for word in line.split()[1:]]
                faces += [[corners[0], b, c] for b, c in pairwise(corners[1:])]
        table, triangles = np.array(points, np.float64), np.array(faces, np.int64)
        triangles = np.where(triangles < 0, triangles + len(table), triangles - 1)
        if (
            len(table) == 0
            or triangles.min() < 0
            or triangles.max() >= len(table)
            or not np.isfinite(table).all()
        ):
            raise ValueError("its faces and vertices do not fit together")
    except (OSError, ValueError, IndexError) as error:
        raise BadInputError(
            "mesh_damaged", f"{path} cannot be read ({error}).", "Export it again."
        ) from error
    rgb = None
    if table.shape[1] == 6:
        full = 255.0 if table[:, 3:].max() <= 1.0 else 1.0
        rgb = np.clip(np.rint(table[:, 3:] * full), 0, 255).astype(np.uint8)
    return table[:, :3], triangles, rgb


def _crowns_of(scan: LabelledScan, jaw: Jaw, path: Path) -> Iterator[ScanCrown]:
    numbers = [int(n) for n in np.unique(scan.labels) if n > 0]
    milk = [n for n in numbers if 51 <= n <= 85]
    if milk:
        raise RefusedError("primary_teeth", f"{path} shows milk teeth ({milk[0]}).", "Take other patients.")
    for fdi in numbers:
        if not is_permanent(fdi) or jaw_of(fdi) is not jaw:
            raise BadInputError(
                "labels_damaged", f"{path}: {fdi} is no tooth of the {jaw} jaw.", "Check the labels."
            )
        faces = faces_of_label(scan.faces, scan.labels, fdi)
        if len(faces) >= LEAST_FACES:
            yield _close(fdi, scan.vertices, faces, scan.rgb)


def _single(fdi: int, path: Path) -> ScanCrown:
    solid = load_mesh(path)
    if len(solid.faces) < LEAST_FACES:
        raise BadInputError("mesh_damaged", f"{path} holds no crown.", "Export it again.")
    return _close(fdi, np.asarray(solid.vertices, np.float64), solid.faces.astype(np.int64), None)


def _close(fdi: int, vertices: NDArray, faces: NDArray[np.int64], rgb: NDArray[np.uint8] | None) -> ScanCrown:
    patch, dropped = clean_patch(object_name(fdi), vertices, faces)
    solid, cap, loops = closed(patch)
    colours = None if rgb is None else rgb[KDTree(vertices).query(solid.vertices)[1]]
    return ScanCrown(fdi, solid, cap, colours, loops, dropped)
