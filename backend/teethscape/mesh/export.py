"""Write a case's crowns in the formats that printers, CAD and viewers read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from teethscape.dental import fdi
from teethscape.dental.fdi import Jaw
from teethscape.dental.files import write_bytes, write_with
from teethscape.dental.request import ExportFormat
from teethscape.mesh.glb import write_glb
from teethscape.mesh.obj import write_obj
from teethscape.mesh.solid import FileNote, Solid, joined
from teethscape.mesh.stl import write_stl
from teethscape.mesh.threemf import write_3mf


def export(folder: Path, teeth: Mapping[int, Solid], note: FileNote, kind: ExportFormat) -> list[Path]:
    """Write one format into ``folder``.

    STL knows neither names nor units: one file per jaw and one per tooth, each
    with its statements in a JSON file beside the jaw.  The other formats hold
    both jaws in one file ``teeth.*`` with an object per tooth.

    Args:
        folder: such as ``meshes/export``.
        teeth: crowns by FDI number, mm, world frame.
        note: what the files say about scale.
        kind: the format.

    Returns:
        The files written.
    """
    if kind is ExportFormat.STL:
        return _export_stl(folder, teeth, note)
    writer = {ExportFormat.THREE_MF: write_3mf, ExportFormat.OBJ: write_obj, ExportFormat.GLB: write_glb}[
        kind
    ]
    path = folder / f"teeth.{kind.value}"
    solids = list(teeth.values())
    write_with(path, lambda stream: writer(stream, solids, replace(note, subject="upper and lower teeth")))
    return [path]


def jaw_teeth(teeth: Mapping[int, Solid], jaw: Jaw) -> list[Solid]:
    """Crowns of a jaw along the arch, from the patient's right to the left."""
    return [teeth[number] for number in fdi.arch(jaw) if number in teeth]


def _export_stl(folder: Path, teeth: Mapping[int, Solid], note: FileNote) -> list[Path]:
    written = []
    for jaw in Jaw:
        solids = jaw_teeth(teeth, jaw)
        if not solids:
            continue
        path = folder / f"{jaw.value}.stl"
        whole = joined(solids, f"{jaw.value}-jaw")
        write_with(path, lambda stream, whole=whole: write_stl(stream, whole, note))
        sidecar = folder / f"{jaw.value}.stl.json"
        write_bytes(sidecar, replace(note, subject=f"{jaw.value} jaw").sidecar(solids))
        written += [path, sidecar]
    for solid in teeth.values():
        path = folder / "teeth" / f"{solid.name}.stl"
        write_with(path, lambda stream, solid=solid: write_stl(stream, solid, note))
        written.append(path)
    return written
