"""What the benchmarks share: synthetic patients in a cache, fits, scores, result files."""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import resource
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from teethscape import __version__, dataset
from teethscape.dataset.patient_case import (
    Recipe,
    SyntheticPatient,
    make_patient,
    random_missing,
    random_recipe,
)
from teethscape.dataset.patient_files import load_patient, save_patient
from teethscape.dental.case import CaseFolder
from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.dental.lengths import KnownLength
from teethscape.dental.request import MaskValues
from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.mesh.align import best_similarity
from teethscape.mesh.scores import Alignment, score_teeth
from teethscape.mesh.solid import Solid
from teethscape.parametric.interface import FitInputs, FitResult, PhotoGeometry
from teethscape.parametric.prior import PRIOR_FILE, load_prior
from teethscape.pipeline import evidence, segment_folder, view_order
from teethscape.pipeline.evidence import part_doubles

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CACHE = ROOT / "out" / "benchmarks"
#: Half width of a 90 % interval in standard deviations.
NINETY = 1.6449
#: A label belongs to every tooth that makes up at least this share of its true pixels.
_SHARE = 0.25
LOG = logging.getLogger("benchmark")
Labels = NDArray[np.int32]


@dataclass(frozen=True)
class Clock:
    """Processor and wall time since the start, and the process's peak memory."""

    cpu: float
    wall: float

    @classmethod
    def start(cls) -> Clock:
        """A running clock."""
        return cls(time.process_time(), time.perf_counter())

    def read(self) -> dict[str, float]:
        """Seconds and GiB until now."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        return {
            "cpu_s": round(time.process_time() - self.cpu, 2),
            "wall_s": round(time.perf_counter() - self.wall, 2),
            "peak_gib": round(peak, 3),
        }


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """An option for the number of processes; processor seconds are counted in each."""
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")


def in_parallel(
    row_of: Callable[[Any], dict[str, Any]], jobs: Iterable[Any], processes: int
) -> Iterator[dict[str, Any]]:
    """Rows in the order of the jobs, as they are ready; results do not depend on ``processes``."""
    if processes <= 1:
        yield from map(row_of, jobs)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(row_of, jobs)


def command_line() -> str:
    """The command that runs now, without the folders of this machine."""
    script = Path(sys.argv[0]).name
    return shlex.join(["python", f"benchmarks/{script}", *map(_portable, sys.argv[1:])])


def write_result(name: str, summary: Mapping[str, Any], rows: Any, command: str = "") -> None:
    """Write ``results/NAME.json`` with the command that made it: that which runs now, or a given one."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    record = {
        "command": command or command_line(),
        "date": time.strftime("%Y-%m-%d"),
        "version": __version__,
        "prior": prior_key(),
        "summary": summary,
        "rows": rows,
    }
    text = json.dumps(record, indent=1, default=_plain)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    LOG.info("%s", json.dumps(summary, default=_plain))


def _portable(argument: str) -> str:
    """An argument without the folders of this machine."""
    return Path(argument).name if Path(argument).is_absolute() else argument


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(type(value).__name__)


def prior_key() -> str:
    """Short fingerprint of the tooth prior, on which synthetic patients depend."""
    return hashlib.sha256(PRIOR_FILE.read_bytes()).hexdigest()[:12]


@cache
def _patients_key() -> str:
    """Short fingerprint of all that synthetic patients depend on: the prior and the code that makes them."""
    folder = Path(dataset.__file__).parent
    sources = sorted(
        [*folder.glob("patient_*.py"), *(folder / f"{name}.py" for name in ("dentitions", "gums"))]
    )
    return hashlib.sha256(b"".join(p.read_bytes() for p in [PRIOR_FILE, *sources])).hexdigest()[:12]


def cached_patient(name: str, make: Callable[[], SyntheticPatient]) -> SyntheticPatient:
    """A patient from the cache, or made and put there."""
    folder = CACHE / f"patients-{_patients_key()}" / name
    if (folder / "patient.json").is_file():
        return load_patient(folder)
    patient = make()
    save_patient(patient, folder)
    return patient


def random_patient(seed: int) -> SyntheticPatient:
    """Patient ``seed`` of the open-ended series of random patients."""
    return cached_patient(f"random-{seed:03d}", lambda: make_patient(load_prior(), seed))


def variant_patient(seed: int, variant: str) -> SyntheticPatient:
    """Patient ``seed`` whole, or with the same 1-3 teeth missing and gaps ``open`` or ``closed``."""

    def make() -> SyntheticPatient:
        rng = np.random.default_rng([seed, 77])
        recipe: Recipe = random_recipe(rng, missing=0)
        absent = random_missing(1 + seed % 3, rng) if variant != "whole" else frozenset()
        closed = absent if variant == "closed" else frozenset()
        teeth = replace(recipe.dentition, missing=absent, closed=closed)
        return make_patient(load_prior(), 10_000 + seed, replace(recipe, dentition=teeth))

    return cached_patient(f"{variant}-{seed:03d}", make)


def instances_of(patient: SyntheticPatient) -> dict[View, Labels]:
    """A patient's shuffled instances as the pipeline hands them on: merged ones parted."""
    return {
        v: part_doubles(image, v).labels if v.is_occlusal else image for v, image in patient.instances.items()
    }


def inputs_of(patient: SyntheticPatient, lengths: tuple[KnownLength, ...] = ()) -> FitInputs:
    """A patient's shuffled instances and EXIF data as evidence for a fit."""
    photos = {v: PhotoGeometry(c.width, c.height, patient.focal_35mm[v]) for v, c in patient.cameras.items()}
    return FitInputs(photos, instances_of(patient), MaskValues.INSTANCES, known_lengths=lengths, seed=0)


def accepted_numbers(instances: Labels, visible: Labels) -> dict[int, set[int]]:
    """Per id, the teeth that it may rightly be called: those that fill much of it."""
    out = {}
    for value in np.unique(instances[instances > 0]):
        truth = visible[instances == value]
        numbers, counts = np.unique(truth[truth > 0], return_counts=True)
        out[int(value)] = {int(n) for n, c in zip(numbers, counts, strict=True) if c >= _SHARE * counts.sum()}
    return out


def numbering_errors(patient: SyntheticPatient, numbering: Mapping[View, Mapping[int, int]]) -> list[str]:
    """Labels that got a wrong tooth's number, and teeth that were invented, in words."""
    errors = []
    for view, instances in instances_of(patient).items():
        accepted = accepted_numbers(instances, patient.visible[view])
        for value, fdi in numbering.get(view, {}).items():
            if fdi not in accepted.get(value, set()):
                errors.append(f"{view.slug}: {sorted(accepted.get(value, ()))} called {fdi}")
    called = {fdi for table in numbering.values() for fdi in table.values()}
    errors += [f"{fdi} does not exist" for fdi in sorted(called - set(patient.crowns))]
    return errors


#: Share of an instance that labels must cover to tell its tooth.
_DRAWN = 0.5


def photo_number_errors(case: CaseFolder, result: FitResult, labels: Path) -> list[str]:
    """Instances of the network that mostly lie on labels (FDI numbers) but got another number.

    A hand leaves out some far molars; what the network finds there has no truth.
    """
    errors = []
    for view, table in result.numbering.items():
        found = np.asarray(Image.open(case.instances(view))).astype(np.int32)
        hand = Image.open(labels / f"{view.value}.png")
        wanted = np.asarray(hand.resize(found.shape[::-1], Image.Resampling.NEAREST)).astype(np.int32)
        drawn = {v for v in np.unique(found[found > 0]) if (wanted[found == v] > 0).mean() >= _DRAWN}
        accepted = {v: names for v, names in accepted_numbers(found, wanted).items() if v in drawn}
        errors += [
            f"{view.slug}: {sorted(accepted[value])} called {fdi}"
            for value, fdi in table.items()
            if accepted.get(value) and fdi not in accepted[value]
        ]
    return errors


def drawn_teeth(patient: SyntheticPatient) -> set[int]:
    """Teeth that at least one view's labels show under an id of their own."""
    return {
        fdi for view, table in patient.numbering.items() for fdi in table.values() if jaw_of(fdi) in view.jaws
    }


def solids(teeth: Mapping[int, Any]) -> dict[int, Solid]:
    """Crowns or fitted teeth as meshes to score."""
    return {fdi: Solid(f"FDI_{fdi}", t.vertices, t.faces) for fdi, t in teeth.items()}


def area_centre(solid: Solid) -> NDArray[np.float64]:
    """(3,) centroid of a surface by area, mm; independent of its triangulation."""
    corners = solid.vertices[solid.faces].astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    return (area[:, None] * corners.mean(axis=1)).sum(axis=0) / area.sum()


def centre_scores(result: FitResult, truth: Mapping[int, Solid]) -> list[dict[str, Any]]:
    """Per tooth and axis: error of the centre over its stated s.d., each jaw aligned by its centres.

    Stated covariances are relative to such an alignment (``parametric.posterior``).
    """
    rows = []
    for jaw in Jaw:
        teeth = [f for f in sorted(truth) if f in result.teeth and jaw_of(f) is jaw]
        if len(teeth) < 4:
            continue
        found = np.array([area_centre(s) for s in solids({f: result.teeth[f] for f in teeth}).values()])
        wanted = np.array([area_centre(truth[f]) for f in teeth])
        move = best_similarity(found, wanted, True)
        error = move.points(found) - wanted
        for fdi, offset in zip(teeth, error, strict=True):
            turned = move.scale**2 * move.rotation @ result.teeth[fdi].centre_cov @ move.rotation.T
            sigma = np.sqrt(np.diag(turned))
            rows.append({"fdi": fdi, "error_mm": offset.round(3), "sigma_mm": sigma.round(3)})
    return rows


def coverage(rows: list[dict[str, Any]]) -> float:
    """Share of centre coordinates that lie in their stated 90 % intervals."""
    if not rows:
        return float("nan")
    error, sigma = (np.array([row[key] for row in rows], float) for key in ("error_mm", "sigma_mm"))
    return float((np.abs(error) <= NINETY * sigma).mean())


@contextmanager
def using_network(segmenter: Any) -> Iterator[None]:
    """Let the whole pipeline use another segmentation network, to recognise the views as well."""
    with ExitStack() as stack:
        for module in (evidence, segment_folder, view_order):
            stack.enter_context(patch.object(module, "segmenter", lambda: segmenter))
        yield


@dataclass(frozen=True)
class Outcome:
    """How a patient's reconstruction went.

    Attributes:
        status: ``right``, ``refused`` or ``wrong``.
        record: numbers and reasons for the result file.
    """

    status: str
    record: dict[str, Any]


def judged(patient: SyntheticPatient, fit: Callable[[FitInputs], FitResult]) -> Outcome:
    """Reconstruct a synthetic patient and compare with its truth."""
    clock = Clock.start()
    base: dict[str, Any] = {"seed": patient.seed, "missing": sorted(patient.recipe.dentition.missing)}
    base["closed"] = sorted(patient.recipe.dentition.closed)
    try:
        result = fit(inputs_of(patient))
    except RefusedError as refusal:
        return Outcome("refused", {**base, "status": "refused", "why": refusal.code, **clock.read()})
    times = clock.read()
    errors = numbering_errors(patient, result.numbering)
    errors += [f"{f} invented" for f in sorted(set(result.teeth) - set(patient.crowns))]
    errors += [f"{f} lost" for f in sorted(drawn_teeth(patient) - set(result.teeth))]
    scores = score_teeth(solids(result.teeth), solids(patient.crowns), Alignment.SIMILARITY)
    centres = centre_scores(result, solids(patient.crowns))
    status = "wrong" if errors else "right"
    record = {
        **base,
        "status": status,
        "errors": errors,
        **{key: round(value, 4) for key, value in scores.mean.items()},
        "scale": {str(jaw): round(value, 4) for jaw, value in scores.scale.items()},
        "coverage": round(coverage(centres), 4),
        "centres": centres,
        **times,
    }
    return Outcome(status, record)
