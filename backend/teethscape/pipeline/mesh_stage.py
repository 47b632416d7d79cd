"""Stages MESHES and EXPORT: crowns, jaws and numbered masks as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from teethscape.dental.case import CaseFolder
from teethscape.dental.fdi import Jaw, arch, object_name
from teethscape.dental.files import write_with
from teethscape.dental.request import ExportFormat
from teethscape.dental.units import ScaleRecord
from teethscape.dental.views import View
from teethscape.mesh.export import export
from teethscape.mesh.ply import write_ply
from teethscape.mesh.solid import FileNote, Solid, joined
from teethscape.parametric.interface import FitResult, FittedTooth


def write_meshes(case: CaseFolder, result: FitResult) -> list[Path]:
    """Write ``meshes/teeth/FDI_NN.ply`` and ``meshes/{upper,lower}.ply``."""
    written = []
    for number, tooth in result.teeth.items():
        path, note = case.tooth_mesh(number), FileNote(result.scale, f"tooth {number} (FDI)")
        write_with(
            path, lambda s, n=number, t=tooth, note=note: write_ply(s, solid(n, t), note, _properties(t))
        )
        written.append(path)
    for jaw in Jaw:
        teeth = {number: result.teeth[number] for number in arch(jaw) if number in result.teeth}
        if teeth:
            written.append(_write_jaw(case, jaw, teeth, result.scale))
    return written


def write_fdi_masks(
    case: CaseFolder, labels: Mapping[View, NDArray[np.int32]], numbering: Mapping[View, Mapping[int, int]]
) -> list[Path]:
    """Write ``masks/{0..4}.png``: 8-bit FDI numbers, 0 = no tooth."""
    written = []
    for view, mask in labels.items():
        image = Image.fromarray(renumbered(mask, numbering.get(view, {})))
        path = case.mask(view)
        write_with(path, lambda s, image=image: image.save(s, "PNG"))
        written.append(path)
    return written


def renumbered(mask: NDArray[np.int32], numbers: Mapping[int, int]) -> NDArray[np.uint8]:
    """A label image with FDI numbers instead of ids; ids without a number become 0."""
    table = np.zeros(int(mask.max()) + 1, np.uint8)
    for label, number in numbers.items():
        if label < len(table):
            table[label] = number
    return table[mask]


def write_exports(case: CaseFolder, result: FitResult, kinds: Sequence[ExportFormat]) -> list[Path]:
    """Write the wanted formats into ``meshes/export/``."""
    solids = {number: solid(number, tooth) for number, tooth in result.teeth.items()}
    note = FileNote(result.scale)
    return [path for kind in kinds for path in export(case.exports, solids, note, kind)]


def solid(number: int, tooth: FittedTooth) -> Solid:
    """A fitted tooth as a named mesh."""
    return Solid(object_name(number), tooth.vertices, tooth.faces)


def _properties(tooth: FittedTooth) -> dict[str, NDArray]:
    return {"sigma_mm": tooth.sigma_mm, "inferred": tooth.inferred, "cap": tooth.cap}


def _write_jaw(case: CaseFolder, jaw: Jaw, teeth: Mapping[int, FittedTooth], scale: ScaleRecord) -> Path:
    path, note = case.jaw_mesh(jaw), FileNote(scale, f"{jaw.value} jaw")
    whole = joined([solid(number, tooth) for number, tooth in teeth.items()], jaw.value)
    columns = [_properties(tooth) for tooth in teeth.values()]
    properties = {name: np.concatenate([column[name] for column in columns]) for name in columns[0]}
    sizes = [len(tooth.vertices) for tooth in teeth.values()]
    properties["fdi"] = np.repeat(np.array(list(teeth), np.uint8), sizes)
    write_with(path, lambda s: write_ply(s, whole, note, properties))
    return path
