"""Constants that were measured on synthetic cases with known truth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

CALIBRATION_FILE = Path(__file__).parent / "data" / "calibration.json"


@dataclass(frozen=True)
class Calibration:
    """Measured by ``benchmarks/calibrate_uncertainty.py``.

    Attributes:
        inflation: factor on the posterior's standard deviations that makes 90 %
            intervals of tooth centres hold on synthetic cases with biased labels.
    """

    inflation: float


@lru_cache(maxsize=1)
def load_calibration() -> Calibration:
    """The calibration that ships with Teethscape."""
    values = json.loads(CALIBRATION_FILE.read_text(encoding="utf-8"))
    return Calibration(inflation=float(values["inflation"]))
