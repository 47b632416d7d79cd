"""Synthetic patients on disk: masks as a case holds them, and the truth beside them.

``masks/`` holds instances under shuffled ids; ``masks_fdi/``, ``masks_jaws/``,
``masks_teeth/`` the same outlines with other values; ``masks_true/`` the exact
ones.  ``truth/`` holds one mesh per tooth (mm, world, jaws in occlusion) and
``patient.json`` with cameras, numbering and everything that was drawn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import trimesh

from teethscape.dataset.gums import GumStyle
from teethscape.dataset.patient_arch import Dentition
from teethscape.dataset.patient_cameras import Clinic
from teethscape.dataset.patient_case import Labels, Recipe, SyntheticPatient
from teethscape.dataset.patient_crowns import Crown
from teethscape.dataset.patient_masks import LabelErrors
from teethscape.dataset.patient_shape import ShapeNoise
from teethscape.dental.fdi import object_name
from teethscape.dental.views import View
from teethscape.parametric.camera import Camera

_JSON = "patient.json"


def camera_record(camera: Camera) -> dict[str, Any]:
    """A camera as ``case.json`` states it."""
    return {
        "width": camera.width,
        "height": camera.height,
        "focal_px": camera.focal,
        "principal_point": camera.principal.tolist(),
        "k1": 0.0,
        "cam2world": camera.cam2world.tolist(),
    }


def camera_of(record: Mapping[str, Any]) -> Camera:
    """The camera of a record; its pivot is the projection centre."""
    cam2world = np.array(record["cam2world"])
    return Camera(
        record["width"],
        record["height"],
        record["focal_px"],
        np.array(record["principal_point"]),
        cam2world[:3, :3].T,
        np.zeros(3),
        cam2world[:3, 3],
    )


def _recipe_record(recipe: Recipe) -> dict[str, Any]:
    record = asdict(recipe)
    for key in ("missing", "closed"):
        record["dentition"][key] = sorted(record["dentition"][key])
    return record


def recipe_of(record: Mapping[str, Any]) -> Recipe:
    """The recipe of a record."""
    teeth = dict(record["dentition"])
    teeth["missing"], teeth["closed"] = frozenset(teeth["missing"]), frozenset(teeth["closed"])
    teeth["shape"] = ShapeNoise(**teeth["shape"])
    return Recipe(
        dentition=Dentition(**teeth),
        clinic=Clinic(**record["clinic"]),
        errors=LabelErrors(**record["errors"]),
        opening=record["opening"],
        gums=GumStyle(**record["gums"]),
    )


def _write_masks(folder: Path, masks: Mapping[View, Labels]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for view, labels in masks.items():
        done, data = cv2.imencode(".png", labels.astype(np.uint8))
        if not done:
            raise ValueError(f"cannot encode the mask of {view.slug}")
        (folder / f"{view.value}.png").write_bytes(data.tobytes())


def _read_masks(folder: Path) -> dict[View, Labels]:
    out = {}
    for view in View:
        path = folder / f"{view.value}.png"
        image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise ValueError(f"{path} is no picture")
        out[view] = image.astype(np.int32)
    return out


def save_patient(patient: SyntheticPatient, folder: Path) -> None:
    """Write a patient; an existing folder is overwritten file by file."""
    sets = {
        "masks": patient.instances,
        "masks_fdi": patient.drawn,
        "masks_jaws": patient.jaw_labels(),
        "masks_teeth": patient.tooth_labels(),
        "masks_true": patient.visible,
    }
    for name, masks in sets.items():
        _write_masks(folder / name, masks)
    teeth = folder / "truth" / "teeth"
    teeth.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for fdi, crown in patient.crowns.items():
        mesh = trimesh.Trimesh(crown.vertices, crown.faces, process=False)
        mesh.export(teeth / f"{object_name(fdi)}.ply")
        for key in ("vertices", "faces", "cap", "axes"):
            arrays[f"{fdi}_{key}"] = getattr(crown, key)
    np.savez_compressed(folder / "truth" / "crowns.npz", **arrays)
    record = {
        "seed": patient.seed,
        "recipe": _recipe_record(patient.recipe),
        "teeth": sorted(patient.crowns),
        "cameras": {view.slug: camera_record(camera) for view, camera in patient.cameras.items()},
        "focal_35mm": {view.slug: focal for view, focal in patient.focal_35mm.items()},
        "numbering": {view.slug: table for view, table in patient.numbering.items()},
    }
    (folder / _JSON).write_text(json.dumps(record, indent=1), encoding="utf-8")


def load_patient(folder: Path) -> SyntheticPatient:
    """Read a patient that :func:`save_patient` wrote."""
    record = json.loads((folder / _JSON).read_text(encoding="utf-8"))
    with np.load(folder / "truth" / "crowns.npz", allow_pickle=False) as data:
        crowns = {
            fdi: Crown(fdi, *(data[f"{fdi}_{key}"] for key in ("vertices", "faces", "cap", "axes")))
            for fdi in record["teeth"]
        }
    return SyntheticPatient(
        seed=record["seed"],
        recipe=recipe_of(record["recipe"]),
        crowns=crowns,
        cameras={view: camera_of(record["cameras"][view.slug]) for view in View},
        focal_35mm={view: record["focal_35mm"][view.slug] for view in View},
        visible=_read_masks(folder / "masks_true"),
        drawn=_read_masks(folder / "masks_fdi"),
        instances=_read_masks(folder / "masks"),
        numbering={
            view: {int(k): int(v) for k, v in record["numbering"][view.slug].items()} for view in View
        },
    )
