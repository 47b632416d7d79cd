"""A fitted jaw as generated views are compared with it: crowns, and where along the arch each point lies."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from teethscape.anchor.antagonists import pair_of
from teethscape.dental.case import CaseFolder
from teethscape.dental.fdi import Jaw, arch, is_left, jaw_of
from teethscape.dental.files import NPZ_DAMAGES
from teethscape.dental.request import Engine
from teethscape.errors import BadInputError
from teethscape.mesh.ply import read_ply
from teethscape.parametric.interface import FitResult
from teethscape.parametric.penetration import vertex_normals
from teethscape.parametric.raster import TriangleSoup
from teethscape.parametric.rotation import FloatArray as Array
from teethscape.pipeline.fit_checkpoint import fit_path, load_fit


@dataclass(frozen=True, eq=False)
class FittedCrown:
    """One tooth of a finished case.

    Attributes:
        vertices: (V, 3) mm, the patient's frame.
        faces: (F, 3) outward.
        cap: (V,) true on the artificial closure of the neck.
        axes: (3, 3) columns mesial, buccal, occlusal, the patient's frame.
    """

    vertices: Array
    faces: NDArray[np.int32]
    cap: NDArray[np.bool_]
    axes: Array


@dataclass(frozen=True, eq=False)
class FittedJaw:
    """The crowns of one jaw, joined.

    Attributes:
        jaw: which one.
        teeth: FDI numbers from the patient's right to the left.
        soup: all crowns, mm, the patient's frame; a face's owner is the tooth's place in ``teeth``.
        normals: (n, 3) of the vertices.
        place: (n,) along the arch: tooth k reaches from k to k + 1, neighbours meet at whole numbers.
        left: (teeth, 3) each tooth's mesiodistal axis, towards the patient's left.
        outside: (teeth, 3) each tooth's buccal axis.
        low: (3,) lower corner of the box around both jaws, mm; average teeth stand in for a jaw without any.
        high: (3,) its upper corner.
        fit: tells these crowns from those of another fit.
    """

    jaw: Jaw
    teeth: tuple[int, ...]
    soup: TriangleSoup
    normals: Array
    place: Array
    left: Array
    outside: Array
    low: Array
    high: Array
    fit: str


def fitted_jaw(crowns: Mapping[int, FittedCrown], jaw: Jaw) -> FittedJaw:
    """The crowns of a jaw, ready to be compared.

    Args:
        crowns: of both jaws (one is enough where the case has no more) by FDI number.
        jaw: which jaw to take.
    """
    teeth = tuple(fdi for fdi in arch(jaw) if fdi in crowns)
    own = [crowns[fdi] for fdi in teeth]
    starts = np.cumsum([0, *(len(crown.vertices) for crown in own)])[:-1]
    faces = np.concatenate([crown.faces + start for crown, start in zip(own, starts, strict=True)])
    owner = np.repeat(np.arange(len(own), dtype=np.int32), [len(crown.faces) for crown in own])
    left = np.array([c.axes[:, 0] * (-1 if is_left(f) else 1) for f, c in zip(teeth, own, strict=True)])
    pair = pair_of(crowns)
    return FittedJaw(
        jaw=jaw,
        teeth=teeth,
        soup=TriangleSoup(np.concatenate([c.vertices for c in own]), faces.astype(np.int32), owner),
        normals=np.concatenate([vertex_normals(c.vertices, c.faces) for c in own]),
        place=np.concatenate(
            [k + _share(c, axis) for k, (c, axis) in enumerate(zip(own, left, strict=True))]
        ),
        left=left,
        outside=np.array([crown.axes[:, 1] for crown in own]),
        low=pair.min(axis=0),
        high=pair.max(axis=0),
        fit=fit_digest({fdi: crown.vertices for fdi, crown in crowns.items()}, jaw),
    )


def fit_digest(vertices: Mapping[int, NDArray[np.floating]], jaw: Jaw) -> str:
    """SHA-256 of a jaw's fitted crowns: the same for the same fit, read from meshes or kept as it was.

    Args:
        vertices: (V, 3) of each crown by FDI number, mm; those of the other jaw do not count.
        jaw: which jaw.
    """
    digest = hashlib.sha256()
    for fdi in arch(jaw):
        if fdi in vertices:
            points = np.ascontiguousarray(vertices[fdi], "<f4")  # as meshes hold them
            digest.update(f"{fdi} {len(points)} ".encode() + points.tobytes())
    return digest.hexdigest()


def _share(crown: FittedCrown, axis: Array) -> Array:
    """(V,) 0 at the crown's end on the patient's right, 1 at that on the left."""
    along = crown.vertices @ axis
    ends = along[~crown.cap]
    return np.clip((along - ends.min()) / max(float(np.ptp(ends)), 1e-9), 0, 1)


def read_crowns(place: Path) -> dict[int, FittedCrown]:
    """The fitted crowns of a finished case by FDI number.

    The meshes of the engine ``teethdreamer`` are what views show, so its crowns are those that its fit left.

    Raises:
        BadInputError: no case, not finished, or a file is damaged.
    """
    case = CaseFolder(place)
    record = case.read_finished()
    if record["request"]["engine"] == Engine.TEETHDREAMER.value:
        crowns = crowns_of(_read_fit(case))
    else:
        crowns = {int(tooth["fdi"]): _read_crown(case, tooth) for tooth in record["teeth"]}
    return {fdi: crowns[fdi] for jaw in Jaw for fdi in arch(jaw) if fdi in crowns}


def crowns_of(result: FitResult) -> dict[int, FittedCrown]:
    """The crowns of a fit by FDI number."""
    return {fdi: FittedCrown(t.vertices, t.faces, t.cap, t.axes) for fdi, t in result.teeth.items()}


def _read_fit(case: CaseFolder) -> FitResult:
    path = fit_path(case)
    try:
        return load_fit(path)
    except NPZ_DAMAGES as error:
        raise BadInputError(
            "case_damaged", f"{path} cannot be read ({error}).", "Run teethscape reconstruct again."
        ) from error


def _read_crown(case: CaseFolder, tooth: Mapping[str, object]) -> FittedCrown:
    path = case.root / str(tooth["mesh"])
    if not path.is_file():
        raise BadInputError("file_missing", f"{path} does not exist.", "Make the case anew.")
    solid, extra = read_ply(path)
    cap = extra.get("cap", np.zeros(len(solid.vertices)))
    axes = np.asarray(tooth["axes"], float)
    return FittedCrown(np.asarray(solid.vertices, float), solid.faces.astype(np.int32), cap > 0, axes)


def jaws_of(crowns: Mapping[int, FittedCrown]) -> tuple[Jaw, ...]:
    """Jaws that have teeth, upper first."""
    return tuple(jaw for jaw in Jaw if any(jaw_of(fdi) is jaw for fdi in crowns))
