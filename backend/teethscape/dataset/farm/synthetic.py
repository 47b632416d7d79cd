"""Sources of synthetic cases, drawn from their number alone on whatever machine renders them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from teethscape.dataset.farm.cases import Case
from teethscape.dataset.farm.request import Look
from teethscape.dataset.patient_crowns import Crown
from teethscape.dataset.photo_patient import PatientOptions, make_photo_patient, write_patient
from teethscape.dataset.scans.normalise import write_normalised
from teethscape.dental.fdi import Jaw, object_name
from teethscape.mesh.solid import Solid, joined

#: A patient's seed is the data set's seed and the patient's number in one.
_NUMBERS = 1 << 32


def write_source(case: Case, look: Look, folder: Path) -> Path:
    """Write what the script renders: a patient's description, or the mesh of one jaw.

    Args:
        case: a synthetic case.
        look: its seed is part of every draw.
        folder: scratch folder of the case.
    """
    if case.number is None:
        raise ValueError(f"{case.uid} is not synthetic")
    seed, source = look.seed * _NUMBERS + case.number, folder / "source"
    if case.jaw is None:
        path = source / f"{case.uid}.npz"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            width = look.photo_width
            write_patient(seed, path, PatientOptions(width, 3 * width // 4))
        return path
    path = source / case.patient / f"norm_{case.jaw}.ply"
    if not path.exists():
        write_normalised(path.parent, jaw_meshes(seed))
    return path


@lru_cache(maxsize=4)
def jaw_meshes(seed: int) -> dict[Jaw, Solid]:
    """Both jaws of the synthetic patient of a seed in occlusion, mm, world frame."""
    crowns = make_photo_patient(seed).mouth.crowns
    return {jaw: joined([_solid(c) for c in crowns.values() if c.jaw is jaw], jaw.value) for jaw in Jaw}


def _solid(crown: Crown) -> Solid:
    return Solid(object_name(crown.fdi), crown.vertices, crown.faces)
