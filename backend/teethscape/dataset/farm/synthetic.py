"""Sources of synthetic cases, drawn from their number alone on whatever machine renders them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from teethscape.dataset.farm.cases import Case
from teethscape.dataset.farm.request import Look
from teethscape.dataset.patient_arch import random_arches
from teethscape.dataset.patient_bite import settled
from teethscape.dataset.patient_case import random_recipe
from teethscape.dataset.patient_crowns import Crown
from teethscape.dataset.scans.normalise import write_normalised
from teethscape.dental.fdi import Jaw, object_name
from teethscape.mesh.solid import Solid, joined
from teethscape.parametric.prior import load_prior


def write_source(case: Case, look: Look, folder: Path) -> Path:
    """Write what the script renders: a patient's description, or the mesh of one jaw.

    Args:
        case: a synthetic case.
        look: its seed is part of every draw.
        folder: scratch folder of the case.
    """
    if case.number is None:
        raise ValueError(f"{case.uid} is not synthetic")
    if case.jaw is None:
        return _write_patient(case, look, folder)
    path = folder / "source" / case.patient / f"norm_{case.jaw}.ply"
    if not path.exists():
        write_normalised(path.parent, jaw_meshes(look.seed, case.number))
    return path


def jaw_meshes(seed: int, number: int) -> dict[Jaw, Solid]:
    """Both jaws of a synthetic patient in occlusion, mm, world frame."""
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence([seed, number]).spawn(2)]
    recipe = random_recipe(streams[0])
    crowns, bite = random_arches(load_prior(), recipe.dentition, streams[1])
    crowns = settled(crowns, bite, recipe.opening)
    return {jaw: joined([_solid(c) for c in crowns.values() if c.jaw is jaw], jaw.value) for jaw in Jaw}


def _solid(crown: Crown) -> Solid:
    return Solid(object_name(crown.fdi), crown.vertices, crown.faces)


def _write_patient(case: Case, look: Look, folder: Path) -> Path:
    raise NotImplementedError
