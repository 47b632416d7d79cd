"""The case folder as the Blender side reads it (architecture, section 3)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backend.teethscape.dental.fdi import object_name
from ..backend.teethscape.dental.views import View
from ..backend.teethscape.errors import BadInputError

#: Newest ``schema_version`` of case.json that this add-on understands.
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class PhotoCamera:
    """A calibrated photo.

    Attributes:
        view: which of the five photographs.
        size: width and height of the working copy, px.
        focal_px: focal length, px.
        principal_point: x right and y down, px, pixel centres at integers.
        cam2world: (4, 4), OpenCV axes (x right, y down, z forward), world mm.
        photo: the working copy on disk, or None when it is gone.
    """

    view: View
    size: tuple[int, int]
    focal_px: float
    principal_point: tuple[float, float]
    cam2world: NDArray[np.float64]
    photo: Path | None


@dataclass(frozen=True)
class ToothRecord:
    """What case.json says about a tooth; lengths in mm, confidence 0 to 1."""

    fdi: int
    present: bool
    confidence: float
    sigma_mm: float
    seen_in: tuple[str, ...]
    width_mm: float
    width_sigma_mm: float


@dataclass(frozen=True)
class CaseScale:
    """Where the millimetres come from and their relative standard deviation."""

    source: str
    relative_sigma: float


@dataclass(frozen=True)
class CaseData:
    """A finished case folder.

    Attributes:
        folder: where it lies.
        identifier: its name, under which a scene knows it.
        teeth: what was found.
        cameras: calibrated photos, in the order of the views.
        scale: where the millimetres come from.
        notices: what the engine wants the user to know.
        absent_teeth: FDI numbers that the user had declared absent.
        request: what was asked, as the engine noted it: without paths.
        photo_hashes: SHA-256 of the photo files as they were given; empty when the engine did not note them.
        created: when its first reconstruction began; stays when the folder gets another name or place.
    """

    folder: Path
    identifier: str
    teeth: tuple[ToothRecord, ...]
    cameras: tuple[PhotoCamera, ...]
    scale: CaseScale
    notices: tuple[str, ...]
    absent_teeth: tuple[int, ...] = ()
    request: Mapping[str, Any] = field(default_factory=dict)
    photo_hashes: frozenset[str] = frozenset()
    created: str = ""

    def mesh_file(self, fdi: int) -> Path:
        """The PLY file of a tooth."""
        return self.folder / "meshes" / "teeth" / f"{object_name(fdi)}.ply"


def load_case(folder: Path) -> CaseData:
    """Read ``case.json`` of a case folder.

    Raises:
        BadInputError: no case, an unfinished case, or one of a newer version.
    """
    try:
        return _parse(folder, _read_document(folder))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadInputError(
            "case_damaged",
            f"case.json in {folder} lacks or misstates {error}.",
            "Reconstruct the case again, or choose another folder.",
        ) from error


def _read_document(folder: Path) -> dict[str, Any]:
    path = folder / "case.json"
    try:
        document = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise BadInputError(
            "no_case_folder", f"{folder} is not a case folder: case.json is missing.", "Choose the folder "
            "that a reconstruction wrote.",
        ) from error  # fmt: skip
    except (OSError, ValueError) as error:
        raise BadInputError(
            "case_damaged",
            f"{path} cannot be read: {error}.",
            "Check the folder's permissions or reconstruct again.",
        ) from error
    version = int(document.get("schema_version", 1)) if isinstance(document, dict) else 0
    if version > SCHEMA_VERSION:
        raise BadInputError(
            "case_newer",
            f"{path} has schema version {version}, newer than {SCHEMA_VERSION}.",
            "Update Teethscape.",
        )
    status = document.get("status", "done")
    if status != "done":
        raise BadInputError(
            "case_unfinished",
            f"The case in {folder} is not finished (status: {status}).",
            "Continue it in Reconstruct.",
        )
    return document


def _parse(folder: Path, document: dict[str, Any]) -> CaseData:
    scale = document["scale"]
    return CaseData(
        folder=folder,
        identifier=str(document.get("id") or folder.name),
        teeth=tuple(_parse_tooth(entry) for entry in document["teeth"]),
        cameras=tuple(_parse_cameras(folder, document)),
        scale=CaseScale(str(scale["source"]), float(scale["relative_sigma"])),
        notices=tuple(_parse_notices(document)),
        absent_teeth=tuple(int(fdi) for fdi in document.get("request", {}).get("absent_teeth", ())),
        request=dict(document.get("request", {})),
        photo_hashes=frozenset(
            str(photo["source_sha256"]) for photo in document["photos"].values() if photo.get("source_sha256")
        ),
        created=str(document.get("created", "")),
    )


def _parse_tooth(entry: dict[str, Any]) -> ToothRecord:
    return ToothRecord(
        fdi=int(entry["fdi"]),
        present=bool(entry["present"]),
        confidence=float(entry["confidence"]),
        sigma_mm=float(entry.get("sigma_mm") or 0.0),
        seen_in=tuple(str(name) for name in entry.get("seen_in", ())),
        width_mm=float(entry.get("width_mm") or 0.0),
        width_sigma_mm=float(entry.get("width_sigma_mm") or 0.0),
    )


def _parse_cameras(folder: Path, document: dict[str, Any]) -> list[PhotoCamera]:
    cameras, photos = document["cameras"], document["photos"]
    found = [(view, str(int(view))) for view in View if str(int(view)) in cameras]
    return [_parse_camera(view, cameras[key], folder / photos[key]["file"]) for view, key in found]


def _parse_camera(view: View, entry: dict[str, Any], photo: Path) -> PhotoCamera:
    matrix = np.array(entry["cam2world"], dtype=np.float64)
    if matrix.shape != (4, 4):
        raise ValueError(f"cam2world of {view.slug}")
    centre = entry["principal_point"]
    return PhotoCamera(
        view=view,
        size=(int(entry["width"]), int(entry["height"])),
        focal_px=float(entry["focal_px"]),
        principal_point=(float(centre[0]), float(centre[1])),
        cam2world=matrix,
        photo=photo if photo.is_file() else None,
    )


def _parse_notices(document: dict[str, Any]) -> list[str]:
    """What the engine wants the user to know: of the case, then of each photo.

    The case repeats what is told of photos, under the names of their files.
    """
    of_photos, repeated = [], set()
    for key, photo in sorted(document["photos"].items()):
        for entry in photo.get("notices", ()):
            of_photos.append(f"{View(int(key)).title}: {_notice_text(entry)}")
            repeated.add(f"{photo.get('source_name')}: {_notice_text(entry)}")
    of_case = [_notice_text(entry) for entry in document.get("notices", ())]
    return [notice for notice in of_case if notice not in repeated] + of_photos


def _notice_text(entry: object) -> str:
    return str(entry.get("message", entry)) if isinstance(entry, dict) else str(entry)
