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
from teethscape.dental.photos import Photo
from teethscape.dental.request import ExportFormat
from teethscape.dental.units import ScaleRecord
from teethscape.dental.views import View
from teethscape.mesh.export import export
from teethscape.mesh.ply import write_ply
from teethscape.mesh.solid import FileNote, Solid, joined
from teethscape.parametric.interface import FitResult, FittedTooth
from teethscape.report.photo_colours import Picture, photo_colours


def coloured(
    result: FitResult, photos: Mapping[View, Photo], masks: Mapping[View, NDArray[np.uint8]]
) -> dict[int, Solid]:
    """The crowns as named meshes by FDI number, coloured as the photos show them within FDI masks."""
    pictures = {view: Picture(photo.pixels, masks[view]) for view, photo in photos.items() if view in masks}
    colours = photo_colours(pictures, result.cameras, result.teeth)
    return {
        number: Solid(object_name(number), tooth.vertices, tooth.faces, colours[number])
        for number, tooth in result.teeth.items()
    }


def write_meshes(case: CaseFolder, result: FitResult, solids: Mapping[int, Solid]) -> list[Path]:
    """Write ``meshes/teeth/FDI_NN.ply`` and ``meshes/{upper,lower}.ply``."""
    written = []
    for number, solid in solids.items():
        path, note = case.tooth_mesh(number), FileNote(result.scale, f"tooth {number} (FDI)")
        extra = _properties(result.teeth[number])
        write_with(path, lambda s, one=solid, note=note, extra=extra: write_ply(s, one, note, extra))
        written.append(path)
    for jaw in Jaw:
        own = [number for number in arch(jaw) if number in solids]
        if own:
            written.append(
                _write_jaw(case, jaw, {n: (solids[n], result.teeth[n]) for n in own}, result.scale)
            )
    return written


def write_fdi_masks(case: CaseFolder, masks: Mapping[View, NDArray[np.uint8]]) -> list[Path]:
    """Write ``masks/{0..4}.png``: 8-bit FDI numbers, 0 = no tooth."""
    written = []
    for view, mask in masks.items():
        image = Image.fromarray(mask)
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


def write_exports(
    case: CaseFolder, scale: ScaleRecord, solids: Mapping[int, Solid], kinds: Sequence[ExportFormat]
) -> list[Path]:
    """Write the wanted formats into ``meshes/export/``."""
    return [path for kind in kinds for path in export(case.exports, solids, FileNote(scale), kind)]


def _properties(tooth: FittedTooth) -> dict[str, NDArray]:
    return {"sigma_mm": tooth.sigma_mm, "inferred": tooth.inferred, "cap": tooth.cap}


def _write_jaw(
    case: CaseFolder, jaw: Jaw, teeth: Mapping[int, tuple[Solid, FittedTooth]], scale: ScaleRecord
) -> Path:
    path, note = case.jaw_mesh(jaw), FileNote(scale, f"{jaw.value} jaw")
    whole = joined([solid for solid, _ in teeth.values()], jaw.value)
    columns = [_properties(tooth) for _, tooth in teeth.values()]
    properties = {name: np.concatenate([column[name] for column in columns]) for name in columns[0]}
    sizes = [len(solid.vertices) for solid, _ in teeth.values()]
    properties["fdi"] = np.repeat(np.array(list(teeth), np.uint8), sizes)
    write_with(path, lambda s: write_ply(s, whole, note, properties))
    return path
