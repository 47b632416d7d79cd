"""The whole reconstruction from five rendered photos alone, of patients that no network has seen.

    python render_scripts/photo_render.py ...                   (docs/synthetic-photos.md)
    python benchmarks/rendered_patients.py CASES [--weights FILE]

``CASES`` holds folders of ``photo_render.py``. Photos that show what a mirror shows are flipped back first,
as a practice does. A patient is right when all teeth that exist, and no others, are there and no piece of the
network carries another tooth's number; CD and the intervals are taken against the patient's crowns.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
from collections import Counter
from collections.abc import Sequence
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
from PIL import Image

from teethscape.dental.case import CaseFolder
from teethscape.dental.request import ReconstructRequest
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


def judged(patient: Path, folder: Path) -> dict[str, Any]:
    """Reconstruct one patient and compare with the truth."""
    shutil.rmtree(folder, ignore_errors=True)
    copy_pictures(patient, folder)
    case, clock = CaseFolder(folder / "case"), Clock.start()
    try:
        reconstruct(ReconstructRequest(folder / "photos", case.root), NoProgress())
    except RefusedError as refusal:
        return {"patient": patient.name, "status": "refused", "why": refusal.code, **clock.read()}
    times, truth = clock.read(), load_teeth(patient / "meshes" / "teeth")
    result = load_fit(case.log / "fit.npz")
    errors = photo_number_errors(case, result, folder / "labels" / "fdi")
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
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    rows = []
    with using_network(Segmenter.load(args.weights)):
        for patient in sorted(path.parent for path in args.cases.glob("*/cameras.json")):
            rows.append(judged(patient, CACHE / "rendered-patients" / patient.name))
            LOG.info("%s", rows[-1])
    write_result("rendered_patients", summary_of(rows), rows)


if __name__ == "__main__":
    main()
