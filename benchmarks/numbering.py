"""Number teeth from shuffled instance ids: synthetic patients, whole and with teeth missing.

    python benchmarks/numbering.py --count 20

Each patient comes whole, with 1-3 teeth missing and their gaps left open, and with
the same teeth missing and the gaps closed; case-a comes with its hand-drawn masks. ``--first 40`` takes
patients on whom one rule was chosen, the larger lead for premolars.
"""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from bench_common import (
    LOG,
    ROOT,
    Clock,
    add_jobs,
    in_parallel,
    inputs_of,
    numbering_errors,
    variant_patient,
    write_result,
)
from case_a import FDI_MASKS, shuffled_case

from teethscape.dataset.patient_case import SyntheticPatient
from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.parametric.engine import focal_px
from teethscape.parametric.interface import FitInputs
from teethscape.parametric.numbering.measure import NumberingView
from teethscape.parametric.numbering.number import number_teeth
from teethscape.parametric.numbering.result import Numbering
from teethscape.parametric.prior import load_prior

VARIANTS = ("whole", "open", "closed")


def numbered(inputs: FitInputs) -> Numbering:
    """Numbers of shuffled ids."""
    views = {
        view: NumberingView(labels, None, labels.shape[1], labels.shape[0], focal_px(inputs.photos[view]))
        for view, labels in inputs.labels.items()
    }
    return number_teeth(views, load_prior())


def judged_numbers(inputs: FitInputs, errors_of: Any) -> dict[str, Any]:
    """Status, errors and time of one set of five label images."""
    clock = Clock.start()
    try:
        found = numbered(inputs)
    except RefusedError as refusal:
        return {"status": "refused", "why": refusal.code, **clock.read()}
    numbering = {view: dict(table) for view, table in found.fdi.items()}
    errors = errors_of(numbering)
    labels = sum(len(np.unique(image)) - 1 for image in inputs.labels.values())
    unnumbered = labels - sum(len(table) for table in numbering.values())
    status = "wrong" if errors else "right"
    return {"status": status, "errors": errors, "labels": labels, "unnumbered": unnumbered, **clock.read()}


def synthetic_row(seed: int, variant: str) -> dict[str, Any]:
    """One synthetic set."""
    patient: SyntheticPatient = variant_patient(seed, variant)
    row = judged_numbers(inputs_of(patient), lambda found: numbering_errors(patient, found))
    return {"set": f"{variant}-{seed}", "missing": sorted(patient.recipe.dentition.missing), **row}


def case_a_row(case: Path, seed: int) -> dict[str, Any]:
    """Case-a's hand-drawn masks under ids shuffled by a seed."""
    inputs, table = shuffled_case(case, seed)

    def errors_of(found: dict[View, dict[int, int]]) -> list[str]:
        return [
            f"{view.slug}: {table[view][value]} called {fdi}"
            for view, names in found.items()
            for value, fdi in names.items()
            if table[view][value] != fdi
        ]

    return {"set": f"case-a-{seed}", "missing": [], **judged_numbers(inputs, errors_of)}


def judged_set(job: tuple[str, int]) -> dict[str, Any]:
    """One set: a variant of a synthetic patient, or a shuffle of a real case's folder."""
    kind, seed = job
    return synthetic_row(seed, kind) if kind in VARIANTS else case_a_row(Path(kind), seed)


def summary_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts per kind of set and over all."""
    kinds = {"all": rows}
    for row in rows:
        kinds.setdefault(row["set"].rsplit("-", 1)[0], []).append(row)
    return {
        kind: {s: sum(r["status"] == s for r in own) for s in ("right", "refused", "wrong")}
        for kind, own in kinds.items()
    } | {"median_cpu_s": round(float(np.median([row["cpu_s"] for row in rows])), 2)}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="seed of the first patient")
    parser.add_argument("--shuffles", type=int, default=3, help="shuffles of case-a")
    shared = Path(os.environ.get("TEETHSCAPE_SHARED", ROOT.parent / "shared"))
    parser.add_argument("--case", type=Path, default=shared / "cases" / "case-a")
    add_jobs(parser)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    jobs: list[tuple[str, int]] = []
    name = f"numbering_from_{args.first}" if args.first else "numbering"
    if not args.first and (args.case / FDI_MASKS).is_dir():
        jobs += [(str(args.case), seed) for seed in range(args.shuffles)]
    jobs += [(variant, seed) for seed in range(args.first, args.first + args.count) for variant in VARIANTS]
    rows: list[dict[str, Any]] = []
    for row in in_parallel(judged_set, jobs, args.jobs):
        rows.append(row)
        LOG.info("%s", {k: row.get(k) for k in ("set", "missing", "status", "errors", "why", "cpu_s")})
        write_result(name, summary_of(rows), rows)


if __name__ == "__main__":
    main()
