"""The use case ``dataset import``: scans in, one folder of closed crowns per patient out."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teethscape import __version__
from teethscape.dataset.farm.cases import PATIENT_FILE
from teethscape.dataset.scans.frame import Placement, place
from teethscape.dataset.scans.normalise import enamel, write_normalised
from teethscape.dataset.scans.read import ScanCrown, read_crowns
from teethscape.dataset.scans.sources import PatientSource, find_patients
from teethscape.dental.fdi import Jaw
from teethscape.dental.files import TEMPORARY_SUFFIX, storage_errors, write_json, write_with
from teethscape.dental.units import FRAME_LINE, UNIT, ScaleRecord, ScaleSource
from teethscape.errors import BadInputError, ExitCode, RefusedError
from teethscape.mesh.ply import write_ply
from teethscape.mesh.solid import FileNote, joined
from teethscape.progress import DatasetStage, Progress

#: A scan's size is taken over as it is.
_SCALE = ScaleRecord(ScaleSource.SCAN, 0.0)


@dataclass(frozen=True)
class ImportRequest:
    """An import.

    Attributes:
        scans: folder of segmented scans.
        output: one folder per patient is made here.
        estimate_bite: close jaws as average teeth do when they were not scanned in occlusion.
        single_jaw: take patients with one jaw, which is then normalised by itself.
    """

    scans: Path
    output: Path
    estimate_bite: bool = False
    single_jaw: bool = False


@dataclass(frozen=True)
class ImportSummary:
    """What an import did.

    Attributes:
        done: patients that are complete now.
        skipped: how many of them were before.
        failed: patients that were refused, with the reason.
    """

    done: tuple[str, ...]
    skipped: int
    failed: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; refused patients give the exit code of bad input."""
        code = ExitCode.BAD_INPUT if self.failed else ExitCode.DONE
        failed = dict(self.failed)
        return {"done": list(self.done), "skipped": self.skipped, "failed": failed, "exit_code": int(code)}


def import_scans(request: ImportRequest, progress: Progress) -> ImportSummary:
    """Import every patient that is not there yet; one that is refused does not stop the others.

    Raises:
        BadInputError: there are no scans.
    """
    sources = find_patients(request.scans)
    done, skipped, failed = [], 0, {}
    for k, source in enumerate(sources):
        progress.stage(DatasetStage.IMPORT, k / len(sources), source.patient)
        try:
            skipped += not import_patient(source, request)
            done.append(source.patient)
        except (BadInputError, RefusedError) as error:
            failed[source.patient] = f"{error.message} {error.advice}"
            progress.warn(error.code, f"{source.patient}: {error.message} {error.advice}")
    progress.stage(DatasetStage.IMPORT, 1.0, f"{len(done)} of {len(sources)} patients")
    return ImportSummary(tuple(done), skipped, failed)


def import_patient(source: PatientSource, request: ImportRequest) -> bool:
    """Import one patient; False when that was done before with the same files.

    Raises:
        TeethscapeError: the scans cannot be used as they are.
    """
    folder, key = request.output / source.patient, _key(source, request)
    if _known_key(folder) == key:
        return False
    crowns = read_crowns(source)
    present = {crown.jaw for crown in crowns.values()}
    if present != set(Jaw) and not request.single_jaw:
        missing = ", ".join(jaw.value for jaw in Jaw if jaw not in present)
        raise BadInputError(
            "jaw_missing",
            f"There is no {missing} jaw, and both are normalised together.",
            "Give --single-jaw.",
        )
    placement = place(crowns, request.estimate_bite)
    placed = {fdi: _moved(crown, placement) for fdi, crown in crowns.items()}
    half = request.output / f".{source.patient}.{os.getpid()}{TEMPORARY_SUFFIX}"
    with storage_errors(half):
        shutil.rmtree(half, ignore_errors=True)
        try:
            _write(half / source.patient, placed)
            write_json(half / source.patient / PATIENT_FILE, _record(source, placed, placement, key))
            shutil.rmtree(folder, ignore_errors=True)
            (half / source.patient).rename(folder)
        finally:
            shutil.rmtree(half, ignore_errors=True)
    return True


def _moved(crown: ScanCrown, placement: Placement) -> ScanCrown:
    solid = replace(crown.solid, vertices=placement.motions[crown.jaw](crown.solid.vertices))
    return replace(crown, solid=solid)


def _write(folder: Path, crowns: Mapping[int, ScanCrown]) -> None:
    """Normalised jaws for the render scripts, and everything in millimetres."""
    jaws, colours = {}, {}
    for jaw in Jaw:
        members = [crown for crown in crowns.values() if crown.jaw is jaw]
        if members:
            jaws[jaw] = joined([crown.solid for crown in members], jaw.value)
            colours[jaw] = np.concatenate([_rgb(crown) for crown in members])
            numbers = np.concatenate([np.full(len(c.solid.vertices), c.fdi, np.uint8) for c in members])
            caps = np.concatenate([c.cap for c in members])
            note, extra = FileNote(_SCALE, f"{jaw} jaw"), {"fdi": numbers, "inferred": caps}
            path = folder / "meshes" / f"{jaw}.ply"
            write_with(path, lambda stream, s=jaws[jaw], n=note, e=extra: write_ply(stream, s, n, e))
    write_normalised(folder, jaws, colours)
    for fdi, crown in crowns.items():
        note = FileNote(_SCALE, f"tooth {fdi}")
        path = folder / "meshes" / "teeth" / f"{crown.solid.name}.ply"
        write_with(path, lambda stream, c=crown, n=note: write_ply(stream, c.solid, n, {"inferred": c.cap}))


def _rgb(crown: ScanCrown) -> NDArray[np.uint8]:
    return enamel(len(crown.solid.vertices)) if crown.rgb is None else crown.rgb


def _record(
    source: PatientSource, crowns: Mapping[int, ScanCrown], placement: Placement, key: str
) -> dict[str, Any]:
    return {
        "patient": source.patient,
        "made_by": f"teethscape {__version__}",
        "key": key,
        "sources": [path.name for path in source.files],
        "unit": UNIT,
        "frame": FRAME_LINE,
        "scale_source": _SCALE.source.value,
        "bite": placement.bite,
        "scan_to_world": {jaw.value: motion.matrix.tolist() for jaw, motion in placement.motions.items()},
        "teeth": {
            str(fdi): {
                "borders_closed": crown.loops,
                "faces_left_out": crown.dropped,
                "faces": len(crown.solid.faces),
            }
            for fdi, crown in crowns.items()
        },
    }


def _key(source: PatientSource, request: ImportRequest) -> str:
    """Hash of everything that a patient's folder depends on."""
    state = hashlib.sha256(f"{__version__} {request.estimate_bite} {request.single_jaw}".encode())
    for path in source.files:
        state.update(path.name.encode("utf-8") + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()


def _known_key(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / PATIENT_FILE).read_text("utf-8"))["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
