"""The whole reconstruction from five rendered photos alone, of patients that no network has seen.

    python render_scripts/photo_render.py ...                   (docs/synthetic-photos.md)
    python benchmarks/rendered_patients.py CASES [--weights FILE]
    python benchmarks/rendered_patients.py CASES --masks fdi                         from their true masks
    python benchmarks/rendered_patients.py CASES --masks instances --damage 0.1      a tenth missed or merged

``CASES`` holds folders of ``photo_render.py``. Photos that show what a mirror shows are flipped back first,
as a practice does. A patient is right when all teeth that exist, and no others, are there and no piece of the
network carries another tooth's number; CD and the intervals are taken against the patient's crowns.
Masks leave out third molars; numbers of their pieces are not judged.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from bench_common import (
    CACHE,
    LOG,
    Clock,
    centre_scores,
    coverage,
    photo_number_errors,
    solids,
    using_network,
    write_result,
)
from case_a import write_masks
from damaged_segmenter import damaged_masks
from PIL import Image

from teethscape.dataset.patient_masks import shuffled_ids
from teethscape.dental.case import CaseFolder
from teethscape.dental.fdi import THIRD_MOLARS
from teethscape.dental.request import MaskValues, ReconstructRequest
from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.mesh.load import load_teeth
from teethscape.mesh.scores import Alignment, score_teeth
from teethscape.pipeline.fit_checkpoint import load_fit
from teethscape.progress import NoProgress
from teethscape.reconstruct import reconstruct
from teethscape.segmentation.segmenter import Segmenter


def copy_pictures(patient: Path, folder: Path) -> None:
    """Photos as a practice keeps them, and their labels: mirrored ones flipped back."""
    cameras = json.loads((patient / "cameras.json").read_text(encoding="utf-8"))["cameras"]
    for view, (source, kind) in product(View, (("photos", "jpg"), ("labels/fdi", "png"))):
        place, name = folder / source, f"{view.value}.{kind}"
        place.mkdir(parents=True, exist_ok=True)
        if not cameras[view.slug]["mirrored"]:
            shutil.copyfile(patient / source / name, place / name)
            continue
        with Image.open(patient / source / name) as picture:
            flipped = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            flipped.save(place / name, quality=95, exif=picture.getexif())


@dataclass(frozen=True)
class Masks:
    """True masks that are handed in, with a share of their teeth missed or merged."""

    values: MaskValues
    damage: float

    def written(self, folder: Path, seed: int) -> Path:
        """Where they are, made from the true labels of a patient's folder."""
        rng = np.random.default_rng(seed)
        files = {view: folder / "labels" / "fdi" / f"{view.value}.png" for view in View}
        labels = {view: np.asarray(Image.open(path)).astype(np.int32) for view, path in files.items()}
        labels = {v: np.where(np.isin(i, sorted(THIRD_MOLARS)), 0, i) for v, i in labels.items()}
        labels = damaged_masks(labels, self.damage, rng)
        if self.values is MaskValues.INSTANCES:
            labels = {view: shuffled_ids(image, rng)[0] for view, image in labels.items()}
        write_masks(folder / "masks", labels)
        return folder / "masks"


def judged(patient: Path, folder: Path, masks: Masks | None = None) -> dict[str, Any]:
    """Reconstruct one patient and compare with the truth."""
    shutil.rmtree(folder, ignore_errors=True)
    copy_pictures(patient, folder)
    case, photos = CaseFolder(folder / "case"), folder / "photos"
    request = ReconstructRequest(photos, case.root)
    if masks is not None:
        given = masks.written(folder, int(patient.name.rpartition("-")[2]))
        request = ReconstructRequest(photos, case.root, masks=given, mask_values=masks.values)
    clock = Clock.start()
    try:
        reconstruct(request, NoProgress())
    except RefusedError as refusal:
        return {"patient": patient.name, "status": "refused", "why": refusal.code, **clock.read()}
    times, truth = clock.read(), load_teeth(patient / "meshes" / "teeth")
    result = load_fit(case.log / "fit.npz")
    errors = [] if masks else photo_number_errors(case, result, folder / "labels" / "fdi")
    errors += [f"{fdi} invented" for fdi in sorted(set(result.teeth) - set(truth))]
    errors += [f"{fdi} lost" for fdi in sorted(set(truth) - set(result.teeth))]
    scores = score_teeth(solids(result.teeth), truth, Alignment.SIMILARITY)
    return {
        "patient": patient.name,
        "status": "wrong" if errors else "right",
        "errors": errors,
        **{key: round(value, 4) for key, value in scores.mean.items()},
        "coverage": round(coverage(centre_scores(result, truth)), 4),
        **times,
    }


def summary_of(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Counts, and medians of the patients with a result."""
    status, done = Counter(row["status"] for row in rows), [row for row in rows if "cd_mm2" in row]
    out: dict[str, Any] = {"patients": len(rows), **{k: status[k] for k in ("right", "refused", "wrong")}}
    for key in ("cd_mm2", "cd_l1_mm", "coverage"):
        out[f"median_{key}"] = round(float(np.median([row[key] for row in done])), 4) if done else None
    return out


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", type=Path)
    parser.add_argument("--weights", type=Path, help="a network; default: the one that ships")
    parser.add_argument("--masks", type=MaskValues, choices=(MaskValues.FDI, MaskValues.INSTANCES))
    parser.add_argument("--damage", type=float, default=0.0, help="share of the masks missed or merged")
    args = parser.parse_args()
    masks = None if args.masks is None else Masks(args.masks, args.damage)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    kind = "" if masks is None else f"_{masks.values.value}" + "_damaged" * bool(masks.damage)
    rows, folder = [], CACHE / f"rendered-patients{kind}"
    with using_network(Segmenter.load(args.weights)):
        for patient in sorted(path.parent for path in args.cases.glob("*/cameras.json")):
            rows.append(judged(patient, folder / patient.name, masks))
            LOG.info("%s", rows[-1])
    write_result(f"rendered_patients{kind}", summary_of(rows), rows)


if __name__ == "__main__":
    main()
