"""Absolute size of case-a from one known tooth width, each tooth in turn, and from triples.

    python benchmarks/scale.py

Widths are measured on the reference crowns: the largest extent along the tooth's
own mesiodistal axis, neck cap left out.  Axis and cap come from the mean crown of
the tooth's kind, laid onto the reference crown by a similarity.  The error is the
factor by which the result must still grow to match the reference, mean of the jaws.
"""

from __future__ import annotations

import argparse
import logging
import os
from itertools import combinations
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from bench_common import LOG, NINETY, ROOT, solids, write_result
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial import KDTree

from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.dental.lengths import KnownLength
from teethscape.dental.request import MaskValues
from teethscape.dental.views import View
from teethscape.mesh.align import Similarity, align, best_similarity
from teethscape.mesh.load import load_teeth
from teethscape.mesh.scores import Alignment, sample, score_teeth
from teethscape.mesh.solid import Solid
from teethscape.parametric import engine
from teethscape.parametric.interface import FitInputs, FitResult, PhotoGeometry
from teethscape.parametric.prior import ToothPrior, load_prior
from teethscape.progress import NoProgress

SHARED = Path(os.environ.get("TEETHSCAPE_SHARED", ROOT.parent / "shared"))
Points = NDArray[np.float64]


def _laid_onto(prior: ToothPrior, fdi: int, start: Similarity, crown: Solid) -> tuple[Points, Points]:
    """Mean crown's vertices on a reference crown, and its mesial axis there."""
    rng = np.random.default_rng(fdi)
    index = prior.fdi.index(fdi)
    vertices = start.points(prior.mean_vertices(fdi))
    mean = Solid("mean", vertices, prior.faces_of(fdi))
    points, wanted = sample(mean, 4000, rng), sample(crown, 4000, rng)
    corners = np.vstack([vertices.mean(axis=0), vertices.mean(axis=0) + np.eye(3)])
    shift = wanted.mean(axis=0) - points.mean(axis=0)
    move = align(points, wanted, (corners, corners + shift), True)
    return move.points(vertices), move.rotation @ start.rotation @ prior.axes[index][:, 0]


def reference_widths(reference: dict[int, Solid]) -> dict[int, float]:
    """Mesiodistal width of each reference crown, mm."""
    prior, out = load_prior(), {}
    for jaw in Jaw:
        teeth = [f for f in sorted(reference) if jaw_of(f) is jaw]
        means = np.array([prior.mean_vertices(f).mean(axis=0) for f in teeth])
        wanted = np.array([sample(reference[f], 2000, np.random.default_rng(0)).mean(axis=0) for f in teeth])
        start = best_similarity(means, wanted, True)
        for fdi in teeth:
            vertices, axis = _laid_onto(prior, fdi, start, reference[fdi])
            own = reference[fdi].vertices.astype(np.float64)
            crown = own[~prior.shape(fdi).cap[KDTree(vertices).query(own)[1]]]
            out[fdi] = float(np.ptp(crown @ (axis / np.linalg.norm(axis))))
    return out


def fitted(inputs: FitInputs) -> Any:
    """A function that gives the result for other known lengths without fitting again.

    Known lengths enter after the fit, so the fit is made once and kept.
    """
    kept: list[Any] = []
    original = engine.fit_arches

    def once(*args: Any) -> Any:
        if not kept:
            kept.append(original(*args))
        return kept[0]

    def with_lengths(lengths: tuple[KnownLength, ...]) -> FitResult:
        with patch.object(engine, "fit_arches", once):
            photos, labels = inputs.photos, inputs.labels
            return engine.fit_case(
                FitInputs(photos, labels, inputs.label_kind, known_lengths=lengths), NoProgress()
            )

    return with_lengths


def row_of(lengths: tuple[KnownLength, ...], result: FitResult, needed: float) -> dict[str, Any]:
    """Error of the size in per cent and whether the stated interval holds it."""
    error = float(np.log(needed))
    sigma = result.scale.relative_sigma
    return {
        "known": [str(length) for length in lengths],
        "error_percent": round(100.0 * (np.exp(-error) - 1.0), 3),
        "sigma_percent": round(100.0 * sigma, 3),
        "covered": bool(abs(error) <= NINETY * sigma),
    }


def summary_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Median error and coverage per number of known lengths."""
    out = {}
    for count in sorted({len(row["known"]) for row in rows}):
        own = [row for row in rows if len(row["known"]) == count]
        out[str(count)] = {
            "sets": len(own),
            "median_error_percent": round(float(np.median([abs(r["error_percent"]) for r in own])), 3),
            "coverage_90": round(float(np.mean([r["covered"] for r in own])), 3),
        }
    return out


def triples(teeth: list[int], count: int) -> list[tuple[int, ...]]:
    """Random triples of teeth."""
    every = list(combinations(teeth, 3))
    chosen = np.random.default_rng(0).choice(len(every), min(count, len(every)), replace=False)
    return [every[i] for i in sorted(chosen)]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", type=Path, default=SHARED / "cases" / "case-a")
    parser.add_argument("--triples", type=int, default=28)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    reference = dict(load_teeth(args.case / "reference" / "teeth"))
    widths = reference_widths(reference)
    labels = {
        v: np.asarray(Image.open(args.case / "labels" / "teeth" / f"{v.value}.png")).astype(np.int32)
        for v in View
    }
    photos = {view: PhotoGeometry(image.shape[1], image.shape[0]) for view, image in labels.items()}
    result_of = fitted(FitInputs(photos, labels, MaskValues.FDI))
    base = result_of(())
    # Known lengths change nothing but the size, so one alignment serves all.
    scales = score_teeth(solids(base.teeth), reference, Alignment.SIMILARITY).scale
    needed = float(np.mean(list(scales.values())))
    rows = [row_of((), base, needed)]
    teeth = sorted(widths)
    for chosen in [(f,) for f in teeth] + triples(teeth, args.triples):
        lengths = tuple(KnownLength((f,), round(widths[f], 3)) for f in chosen)
        result = result_of(lengths)
        row = row_of(lengths, result, needed * base.scale.factor / result.scale.factor)
        rows.append(row)
        LOG.info("%s", row)
    fit_widths = {f: round(t.width_mm * needed, 3) for f, t in base.teeth.items()}
    summary = summary_of(rows) | {"scale_needed": {str(j): round(s, 4) for j, s in scales.items()}}
    write_result("scale", summary, {"sets": rows, "reference_mm": widths, "fit_scaled_mm": fit_widths})


if __name__ == "__main__":
    main()
