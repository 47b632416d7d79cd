"""Keep a fit's result in one file, so that later stages can be resumed from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.case import CaseFolder
from teethscape.dental.files import write_with
from teethscape.dental.units import ScaleRecord, ScaleSource
from teethscape.dental.views import View
from teethscape.parametric.interface import CameraRecord, FitResult, FittedTooth

_ARRAYS = ("vertices", "faces", "sigma_mm", "inferred", "cap", "centre", "centre_cov", "axes")
_NUMBERS = ("confidence", "width_mm", "width_sigma_mm")


def fit_path(case: CaseFolder) -> Path:
    """Where a case keeps its fit."""
    return case.log / "fit.npz"


def save_fit(path: Path, result: FitResult) -> None:
    """Write a result; exact, without pickles."""
    arrays: dict[str, NDArray] = {"lower_to_upper": np.asarray(result.lower_to_upper)}
    for number, tooth in result.teeth.items():
        arrays |= {f"{number}.{name}": np.asarray(getattr(tooth, name)) for name in _ARRAYS}
    for view, camera in result.cameras.items():
        arrays[f"camera.{int(view)}"] = np.asarray(camera.cam2world)
    for view, labels in result.drawn.items():
        arrays[f"drawn.{int(view)}"] = labels.astype(np.uint8)
    arrays["text"] = np.frombuffer(json.dumps(_plain(result)).encode("utf-8"), np.uint8)
    write_with(path, lambda stream: np.savez(stream, **arrays))  # pyright: ignore[reportArgumentType]


def load_fit(path: Path) -> FitResult:
    """Read back what ``save_fit`` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        plain = json.loads(arrays["text"].tobytes())
        teeth = {int(number): _tooth(arrays, number, values) for number, values in plain["teeth"].items()}
        cameras = {
            View(int(number)): CameraRecord(
                cam2world=arrays[f"camera.{number}"],
                **{**values, "principal_point": tuple(values["principal_point"])},
            )
            for number, values in plain["cameras"].items()
        }
        scale = plain["scale"]
        return FitResult(
            teeth=teeth,
            cameras=cameras,
            lower_to_upper=arrays["lower_to_upper"],
            scale=ScaleRecord(ScaleSource(scale["source"]), scale["relative_sigma"], scale["factor"]),
            notices=tuple(plain["notices"]),
            numbering={
                View(int(number)): {int(label): fdi for label, fdi in pairs.items()}
                for number, pairs in plain["numbering"].items()
            },
            metrics=plain["metrics"],
            drawn={
                view: arrays[name].astype(np.int32)
                for view in View
                if (name := f"drawn.{int(view)}") in arrays.files
            },
        )


def _plain(result: FitResult) -> dict[str, Any]:
    """Everything that is no array."""
    return {
        "teeth": {
            str(number): {
                **{name: float(getattr(tooth, name)) for name in _NUMBERS},
                "seen_in": [int(view) for view in tooth.seen_in],
            }
            for number, tooth in result.teeth.items()
        },
        "cameras": {
            str(int(view)): {
                "width": camera.width,
                "height": camera.height,
                "focal_px": float(camera.focal_px),
                "principal_point": [float(value) for value in camera.principal_point],
                "k1": float(camera.k1),
            }
            for view, camera in result.cameras.items()
        },
        "scale": {
            "source": result.scale.source.value,
            "relative_sigma": float(result.scale.relative_sigma),
            "factor": float(result.scale.factor),
        },
        "notices": list(result.notices),
        "numbering": {
            str(int(view)): {str(int(label)): int(fdi) for label, fdi in pairs.items()}
            for view, pairs in result.numbering.items()
        },
        "metrics": {name: float(value) for name, value in result.metrics.items()},
    }


def _tooth(arrays: Any, number: str, values: dict[str, Any]) -> FittedTooth:
    return FittedTooth(
        **{name: arrays[f"{number}.{name}"] for name in _ARRAYS},
        **{name: values[name] for name in _NUMBERS},
        seen_in=tuple(View(view) for view in values["seen_in"]),
    )
