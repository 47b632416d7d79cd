"""Reconstruct random synthetic patients from noisy, biased labels under shuffled ids or FDI numbers.

python benchmarks/synthetic_patients.py --count 100
python benchmarks/synthetic_patients.py --count 100 --numbers
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from bench_common import LOG, add_jobs, coverage, in_parallel, judged, random_patient, write_result

from teethscape.dental.request import MaskValues
from teethscape.errors import TeethscapeError
from teethscape.parametric.engine import fit_case
from teethscape.parametric.interface import FitInputs, FitResult
from teethscape.progress import NoProgress


def summary_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of the issue's table."""
    done = [row for row in rows if "cd_mm2" in row]
    right = [row for row in done if row["status"] == "right"]
    centres = [centre for row in right for centre in row["centres"]]

    def median(name: str, of: list[dict[str, Any]]) -> float | None:
        return round(float(np.median([row[name] for row in of])), 4) if of else None

    return {
        "patients": len(rows),
        **{s: sum(row["status"] == s for row in rows) for s in ("right", "refused", "wrong", "failed")},
        "median_cd_mm2": median("cd_mm2", done),
        "median_cd_mm2_of_right": median("cd_mm2", right),
        "median_cd_l1_mm": median("cd_l1_mm", done),
        "median_dice": median("dice", [row for row in done if "dice" in row]),
        "coverage_90": round(coverage(centres), 4) if centres else None,
        "median_cpu_s": median("cpu_s", rows),
        "scale_error_sd": round(float(np.std([np.log(s) for r in done for s in r["scale"].values()])), 4)
        if done
        else None,
    }


def patient_row(seed: int, numbers: bool) -> dict[str, Any]:
    """The patient of a seed, reconstructed from ids or numbers, and judged."""
    try:
        patient = random_patient(seed)

        def fit(inputs: FitInputs) -> FitResult:
            if not numbers:
                return fit_case(inputs, NoProgress())
            given = replace(inputs, labels=patient.drawn, label_kind=MaskValues.FDI)
            return replace(fit_case(given, NoProgress()), numbering={})  # given ones are not judged

        return judged(patient, fit).record
    except (TeethscapeError, ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
        return {"seed": seed, "status": "failed", "why": repr(error), "cpu_s": 0.0}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="seed of the first patient")
    parser.add_argument("--numbers", action="store_true", help="labels with FDI numbers")
    parser.add_argument("--name", help="name of the result file")
    add_jobs(parser)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    rows: list[dict[str, Any]] = []
    name = args.name or "synthetic_patients" + "_numbers" * args.numbers
    seeds = range(args.first, args.first + args.count)
    for row in in_parallel(partial(patient_row, numbers=args.numbers), seeds, args.jobs):
        rows.append(row)
        cut = {k: row.get(k) for k in ("seed", "status", "cd_mm2", "coverage", "cpu_s", "errors", "why")}
        LOG.info("%s", cut)
        write_result(name, summary_of(rows), rows)


if __name__ == "__main__":
    main()
