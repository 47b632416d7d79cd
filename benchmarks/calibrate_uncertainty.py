"""Find the factor on the posterior's standard deviations that makes 90 % intervals hold.

    python benchmarks/calibrate_uncertainty.py --count 20 --write

Patients are those of ``synthetic_patients.py`` with other seeds (500 and up, so that the
calibration and its test share nobody), with rightly numbered but biased labels. The factor
is the 90th percentile of |error| / stated s.d. of all centre coordinates, over 1.645.
"""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import replace
from typing import Any

import numpy as np
from bench_common import LOG, NINETY, centre_scores, coverage, inputs_of, random_patient, solids, write_result

from teethscape.dental.request import MaskValues
from teethscape.errors import RefusedError
from teethscape.parametric.calibration import CALIBRATION_FILE, load_calibration
from teethscape.parametric.engine import fit_case
from teethscape.progress import NoProgress


def row_of(seed: int) -> dict[str, Any]:
    """Errors and stated deviations of one patient's tooth centres."""
    patient = random_patient(seed)
    inputs = replace(inputs_of(patient), labels=patient.drawn, label_kind=MaskValues.FDI)
    try:
        result = fit_case(inputs, NoProgress())
    except RefusedError as refusal:
        return {"seed": seed, "status": "refused", "why": refusal.code, "centres": []}
    return {"seed": seed, "status": "done", "centres": centre_scores(result, solids(patient.crowns))}


def factor_of(rows: list[dict[str, Any]]) -> float:
    """Factor on the deviations as they would be without any inflation."""
    centres = [centre for row in rows for centre in row["centres"]]
    error, sigma = (np.array([c[key] for c in centres], float) for key in ("error_mm", "sigma_mm"))
    ratio = np.abs(error) / np.maximum(sigma, 1e-6) * load_calibration().inflation
    return float(np.percentile(ratio, 90.0) / NINETY)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--first", type=int, default=500)
    parser.add_argument("--write", action="store_true", help="put the factor into the engine's data")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    rows: list[dict[str, Any]] = []
    for seed in range(args.first, args.first + args.count):
        rows.append(row_of(seed))
        held = [coverage(row["centres"]) for row in rows if row["centres"]]
        LOG.info(
            "%s %s held %.2f factor %.3f", seed, rows[-1]["status"], held[-1] if held else 0, factor_of(rows)
        )
        summary = {
            "patients": len(rows),
            "inflation": round(factor_of(rows), 3),
            "coverage_as_shipped": round(float(np.mean(held)), 4),
            "inflation_as_shipped": load_calibration().inflation,
        }
        write_result("calibration", summary, rows)
    if args.write:
        text = json.dumps({"inflation": round(factor_of(rows), 3)})
        CALIBRATION_FILE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
