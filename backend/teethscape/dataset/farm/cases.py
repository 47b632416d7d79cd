"""From meshes and numbers to cases: what to render, under which name, of which patient."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teethscape.dataset.farm.layout import jaw_in, patient_in, uid_of
from teethscape.dataset.farm.request import Kind, RenderRequest
from teethscape.dental.fdi import Jaw
from teethscape.errors import BadInputError

MESH_SUFFIXES = frozenset({".obj", ".ply", ".stl", ".glb"})
#: What ``dataset import`` leaves in each patient's folder.
PATIENT_FILE = "patient.json"


@dataclass(frozen=True)
class Case:
    """One thing to render completely or not at all.

    Attributes:
        uid: its name in the data set.
        patient: whose it is; a patient is in one split only.
        kinds: what to render of it, in order.
        jaw: camera set of a mesh; None for photographs.
        mesh: the mesh; None for synthetic photographs.
        number: seed of a synthetic patient.
    """

    uid: str
    patient: str
    kinds: tuple[Kind, ...]
    jaw: Jaw | None = None
    mesh: Path | None = None
    number: int | None = None

    @property
    def is_mesh(self) -> bool:
        """True for a jaw in the TeethDreamer layout."""
        return self.jaw is not None


def find_cases(request: RenderRequest) -> list[Case]:
    """All cases of a request, sorted by name.

    Raises:
        BadInputError: a mesh is absent, its name tells no jaw, or two have one name.
    """
    kinds = tuple(kind for kind in (Kind.NORMAL, Kind.COLOR) if kind in request.kinds)
    meshes = list(dict.fromkeys(path for place in request.meshes for path in _meshes_in(place)))
    cases = [_mesh_case(path, kinds) for path in meshes]
    for number in range(request.first, request.first + request.synthetic):
        cases += synthetic_cases(number, request.kinds)
    _refuse_twins(cases)
    if not any(case.kinds for case in cases):
        raise BadInputError(
            "nothing_to_render",
            "Meshes have no photographs, and no other kind of picture was chosen.",
            "Choose --kinds normal,color for meshes.",
        )
    return sorted(cases, key=lambda case: case.uid)


def synthetic_cases(number: int, kinds: Iterable[Kind]) -> list[Case]:
    """The cases of one synthetic patient: the photographs, and each jaw as a mesh."""
    patient = f"synthetic-{number:06d}"
    jaw_kinds = tuple(kind for kind in (Kind.NORMAL, Kind.COLOR) if kind in kinds)
    cases = [Case(patient, patient, (Kind.PHOTO,), number=number)] if Kind.PHOTO in kinds else []
    if jaw_kinds:
        cases += [Case(f"{patient}_norm_{jaw}", patient, jaw_kinds, jaw, number=number) for jaw in Jaw]
    return cases


def _mesh_case(path: Path, kinds: tuple[Kind, ...]) -> Case:
    uid = uid_of(path)
    jaw = jaw_in(path.stem) or jaw_in(uid)
    if jaw is None:
        raise BadInputError(
            "jaw_unknown",
            f"{path} does not tell its jaw: neither or both of 'upper' and 'lower' are in its name.",
            "Name the file norm_upper or norm_lower.",
        )
    if jaw_in(uid) is None:
        raise BadInputError(
            "jaw_unknown",
            f"{uid} names both jaws, and the render scripts would take the wrong cameras.",
            f"Rename the folder {path.absolute().parent.name}.",
        )
    return Case(uid, _patient_of(path, uid), kinds, jaw, path.absolute())


def _patient_of(mesh: Path, uid: str) -> str:
    """The patient that the importer wrote down, or the name without its jaw."""
    try:
        record: Any = json.loads((mesh.parent / PATIENT_FILE).read_text("utf-8"))
        return str(record["patient"])
    except (OSError, ValueError, KeyError, TypeError):
        return patient_in(uid)


def _meshes_in(place: Path) -> Iterator[Path]:
    """A mesh itself, those in a folder, or those that a text file lists."""
    if place.is_dir():
        yield from _meshes_below(place)
    elif not place.is_file():
        raise BadInputError("file_missing", f"{place} does not exist.", "Check the path.")
    elif place.suffix.lower() in MESH_SUFFIXES:
        yield place
    elif place.suffix.lower() == ".txt":
        for line in place.read_text("utf-8").splitlines():
            if line.strip() and not line.startswith("#"):
                yield from _meshes_in(place.parent / line.strip())
    else:
        raise BadInputError(
            "mesh_format", f"{place} is no OBJ, PLY, STL or GLB.", "Export it as one of them."
        )


def _meshes_below(folder: Path) -> Iterator[Path]:
    """Meshes whose name tells a jaw; beside an importer's record only its normalised ones."""
    found = False
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in MESH_SUFFIXES or path.name.startswith(".") or jaw_in(path.stem) is None:
            continue
        imported = _imported_patient(path, folder)
        if imported is None or (path.parent == imported and path.stem.startswith("norm_")):
            found = True
            yield path
    if not found:
        raise BadInputError(
            "no_meshes",
            f"{folder} holds no mesh named after a jaw.",
            "Name files norm_upper and norm_lower, a folder per patient, or use: teethscape dataset import",
        )


def _imported_patient(path: Path, top: Path) -> Path | None:
    """The patient's folder that a mesh lies in, when an importer made it."""
    for parent in path.parents:
        if (parent / PATIENT_FILE).is_file():
            return parent
        if parent == top:
            return None
    return None


def _refuse_twins(cases: Iterable[Case]) -> None:
    known: dict[str, Case] = {}
    for case in cases:
        other = known.setdefault(case.uid.lower(), case)  # some disks do not tell cases apart
        if other is not case:
            places = " and ".join(str(c.mesh or c.uid) for c in (other, case))
            raise BadInputError(
                "uid_twice", f"{places} have the same name {case.uid}.", "Rename one patient's folder."
            )
