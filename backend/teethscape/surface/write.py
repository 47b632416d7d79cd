"""Write a surface: the mesh in its format, a body per tooth where the arch is known, the report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.files import (
    refuse_folder,
    require_folder,
    require_writable,
    tooth_file,
    tooth_files,
    write_json,
    write_with,
)
from teethscape.errors import UsageError
from teethscape.mesh.glb import write_glb
from teethscape.mesh.obj import write_obj
from teethscape.mesh.ply import write_ply
from teethscape.mesh.solid import Solid
from teethscape.mesh.stl import write_stl
from teethscape.mesh.threemf import write_3mf
from teethscape.surface.frame import Frame
from teethscape.surface.mesh.finish import FinishedMesh

SUFFIXES = (".ply", ".stl", ".obj", ".glb", ".3mf")
#: What every report of a surface tells, by which it is known.
_TOLD = {"output", "method", "triangles"}


def check_output(path: Path, inputs: Sequence[Path | None] = ()) -> None:
    """Refuse a mesh that cannot be written where it should, or for which a file would be lost.

    Args:
        path: of the mesh.
        inputs: files and folders that it is made from.

    Raises:
        UsageError: its ending is no mesh format, it would replace a file of the inputs, or its report one
            that is no report.
        BadInputError: it is a folder or lies below a file, or nothing can be written there.
    """
    check_suffix(path)
    refuse_folder(path)
    require_folder(path.parent)
    report = report_file(path)
    refuse_folder(report)
    require_writable(path, f"{path.stem}.preview.ply")  # the longest of what lies beside it
    is_known, advice = _is_report(report), "Give the mesh another name or folder."
    if report.exists() and not is_known:
        told = f"The report would replace {report}, which is none of a surface."
        raise UsageError("same_folder", told, advice)
    parents = path.resolve().parents
    if path.exists() and not is_known and any(place.resolve() in parents for place in inputs if place):
        raise UsageError("same_folder", f"The mesh would replace {path}, a file of its input.", advice)


def report_file(path: Path) -> Path:
    """Where the report of a mesh lies: beside it, and not in place of what belongs to views or a case."""
    usual = path.with_suffix(".json")
    is_free = not usual.is_file() or _is_report(usual)
    return usual if is_free else path.with_suffix(".surface.json")


def _is_report(path: Path) -> bool:
    """Whether a file is the report of a surface; views, cases and others have such files, too."""
    try:
        told = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(told, dict) and told.keys() >= _TOLD


def check_suffix(path: Path) -> None:
    """Refuse an output that we cannot write, before any work.

    Raises:
        UsageError: its ending is no mesh format.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(
            "usage", f"{path.name} has no ending of a mesh format.", f"Choose from {', '.join(SUFFIXES)}."
        )


def write_surface(
    path: Path,
    painted: tuple[FinishedMesh, NDArray[np.uint8]],
    teeth: Mapping[int, Solid],
    frame: Frame,
    report: dict[str, Any],
) -> None:
    """Write everything; the report learns which teeth were found, and those of an earlier mesh are removed.

    Args:
        path: of the mesh.
        painted: the mesh in the views' axes, and (V, 3) RGB.
        teeth: a body per tooth, mm, the views' axes; none where the arch is not known.
        frame: how to get to our frame.
        report: written beside the mesh, to `report_file`.
    """
    mesh, colours = painted
    solid = Solid(_name(path), frame.to_ours(mesh.vertices), mesh.faces, colours)
    extra: dict[str, NDArray] = {}
    if frame.arch is not None:
        extra["fdi"] = frame.arch.distances(mesh.vertices)[0].astype(np.uint8)
        report["teeth"] = sorted(teeth)
        for fdi, body in teeth.items():
            placed = Solid(body.name, frame.to_ours(body.vertices.astype(np.float64)), body.faces)
            write_with(tooth_file(path, fdi), lambda stream, s=placed: write_ply(stream, s, frame.note))
    for fdi, file in tooth_files(path).items():
        if fdi not in report.get("teeth", ()):
            file.unlink(missing_ok=True)
    _write_mesh(path, solid, frame, extra)
    write_json(report_file(path), report)


def _name(path: Path) -> str:
    """What a mesh is called inside its file: names of files may hold line breaks and bytes of no alphabet."""
    return "".join(letter if letter.isprintable() else "_" for letter in path.stem)


def _write_mesh(path: Path, solid: Solid, frame: Frame, extra: dict[str, NDArray]) -> None:
    suffix, note = path.suffix.lower(), frame.note
    if suffix == ".ply":
        write_with(path, lambda stream: write_ply(stream, solid, note, extra))
    elif suffix == ".stl":
        write_with(path, lambda stream: write_stl(stream, solid, note))
    else:
        writer = {".obj": write_obj, ".glb": write_glb, ".3mf": write_3mf}[suffix]
        write_with(path, lambda stream: writer(stream, [solid], note))
