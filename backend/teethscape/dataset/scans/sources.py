"""Which patients a folder of scans holds, and in which of the two layouts.

Teeth3DS: ``…/PATIENT_upper.obj`` with ``PATIENT_upper.json`` beside it (FDI number per vertex), in
any depth. One file per tooth: a folder of files such as ``11.stl``; folders called ``upper``,
``lower`` or ``teeth`` belong to the patient above them.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from teethscape.dataset.farm.layout import jaw_in
from teethscape.dental.fdi import Jaw, is_permanent
from teethscape.errors import BadInputError
from teethscape.mesh.load import MESH_SUFFIXES

_TOOTH = re.compile(r"^(?:FDI[-_ ]?|tooth[-_ ]?)?([1-4][1-8])$", re.IGNORECASE)
_INNER = {"upper", "lower", "teeth", "maxilla", "mandible"}
_UNSAFE = re.compile(r"[^\w.-]+")


@dataclass
class PatientSource:
    """Files of one patient.

    Attributes:
        patient: name of the patient's folder in the output.
        scans: per jaw, the OBJ and its labels.
        teeth: per FDI number, a mesh.
    """

    patient: str
    scans: dict[Jaw, tuple[Path, Path]] = field(default_factory=dict)
    teeth: dict[int, Path] = field(default_factory=dict)

    @property
    def files(self) -> list[Path]:
        """Everything that is read, sorted."""
        return sorted([*(path for pair in self.scans.values() for path in pair), *self.teeth.values()])


def find_patients(folder: Path) -> list[PatientSource]:
    """All patients below a folder, sorted by name.

    Raises:
        BadInputError: there are none, or two scans claim the same jaw of one patient.
    """
    if not folder.is_dir():
        raise BadInputError("folder_missing", f"The folder {folder} does not exist.", "Check the path.")
    found: dict[str, PatientSource] = {}
    for patient, jaw, pair in _labelled_scans(folder):
        source = found.setdefault(patient, PatientSource(patient))
        if jaw in source.scans:
            raise BadInputError(
                "scan_twice",
                f"{source.scans[jaw][0]} and {pair[0]} are the same jaw of {patient}.",
                "Keep one.",
            )
        source.scans[jaw] = pair
    for patient, teeth in _tooth_files(folder).items():
        found.setdefault(patient, PatientSource(patient)).teeth.update(teeth)
    if not found:
        raise BadInputError(
            "no_scans",
            f"{folder} holds no segmented scans.",
            "Give OBJ files with FDI labels in JSON beside them (Teeth3DS), or one file per tooth.",
        )
    return [found[name] for name in sorted(found)]


def _labelled_scans(folder: Path) -> Iterator[tuple[str, Jaw, tuple[Path, Path]]]:
    for labels in sorted(folder.rglob("*.json")):
        mesh = labels.with_suffix(".obj")
        record = read_labels(labels) if mesh.is_file() else None
        if record is None:
            continue
        jaw = jaw_in(str(record.get("jaw", ""))) or jaw_in(labels.stem)
        if jaw is None:
            raise BadInputError(
                "jaw_unknown", f"{labels} does not tell its jaw.", 'Add "jaw": "upper" or "lower".'
            )
        name = str(record.get("id_patient") or re.sub(rf"[-_ ]?{jaw.value}$", "", labels.stem))
        yield safe_name(name), jaw, (mesh, labels)


def read_labels(path: Path) -> dict[str, Any] | None:
    """The record of a label file; None for any other JSON."""
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("labels"), list) else None


def _tooth_files(folder: Path) -> dict[str, dict[int, Path]]:
    found: defaultdict[str, dict[int, Path]] = defaultdict(dict)
    for path in sorted(folder.rglob("*")):
        match = _TOOTH.match(path.stem)
        if match and path.suffix.lower() in MESH_SUFFIXES and is_permanent(int(match[1])):
            home = path.parent
            while home.name.lower() in _INNER and home != folder:
                home = home.parent
            fdi, patient = int(match[1]), safe_name(home.absolute().name)
            if fdi in found[patient]:
                raise BadInputError(
                    "scan_twice", f"{found[patient][fdi]} and {path} are one tooth.", "Keep one."
                )
            found[patient][fdi] = path
    return dict(found)


def safe_name(name: str) -> str:
    """A patient's name as a folder; it must not speak of a jaw, for the render scripts look for that."""
    cleaned = _UNSAFE.sub("-", name).strip("-.") or "patient"
    return re.sub("upper|lower", lambda m: m[0][:2], cleaned, flags=re.IGNORECASE)
