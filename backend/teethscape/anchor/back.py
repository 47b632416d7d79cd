"""A surface made from the views, back in the patient's frame: millimetres, in the bite of the fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from teethscape.anchor.report import read_place
from teethscape.dental.case import CaseFolder
from teethscape.dental.files import write_with
from teethscape.dental.units import ScaleRecord, ScaleSource
from teethscape.mesh.align import Similarity
from teethscape.mesh.load import load_mesh
from teethscape.mesh.ply import write_ply
from teethscape.mesh.solid import FileNote, Solid


def in_patient(solid: Solid, place: Similarity) -> Solid:
    """A mesh of the views' world in the patient's frame, mm.

    Args:
        solid: vertices in the views' world (extents of the jaw pair).
        place: the patient's frame to the views' world; proper, so faces stay outward.
    """
    return Solid(solid.name, place.back(np.asarray(solid.vertices, np.float64)), solid.faces)


def write_in_patient(mesh: Path, strip: Path, case: Path, output: Path) -> Solid:
    """Bring a mesh file of the views' world into the frame of the case and write it as PLY.

    Args:
        mesh: any mesh file in the views' world.
        strip: the views that it was made from; their report tells where they lie.
        case: the finished case that they were compared with.
        output: a PLY file.

    Raises:
        BadInputError: the views have no report, the case is not finished or the mesh is damaged.
    """
    placed = in_patient(load_mesh(mesh), read_place(strip))
    scale = CaseFolder(case).read_finished()["scale"]
    record = ScaleRecord(ScaleSource(scale["source"]), scale["relative_sigma"], scale.get("factor", 1.0))
    write_with(output, lambda stream: write_ply(stream, placed, FileNote(record)))
    return placed
