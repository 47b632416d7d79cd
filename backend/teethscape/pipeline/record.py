"""What ``case.json`` says at each point of a reconstruction."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

import numpy as np

from teethscape import __version__
from teethscape.dental.case import CaseFolder, utc_now
from teethscape.dental.fdi import object_name
from teethscape.dental.photos import Photo
from teethscape.dental.request import ReconstructRequest
from teethscape.dental.views import View
from teethscape.errors import TeethscapeError
from teethscape.parametric.interface import CameraRecord, FitResult, FittedTooth
from teethscape.pipeline.photo_stage import photo_record
from teethscape.progress import Stage

_LIBRARIES = ("numpy", "scipy", "pillow", "opencv-python-headless", "onnxruntime", "trimesh", "manifold3d")


class CaseRecord:
    """Collects what is known and writes it; a crash leaves the last whole state."""

    def __init__(self, case: CaseFolder, request: ReconstructRequest) -> None:
        self._case = case
        self._values: dict[str, Any] = {
            "scale": None,
            "request": _request(request),
            "versions": versions(),
            "photos": {},
            "masks": {},
            "cameras": {},
            "lower_to_upper": None,
            "teeth": [],
            "notices": [],
            "metrics": {},
        }
        former = case.read_record() if case.record_path.exists() else {}
        self._values["created"] = former.get("created", utc_now())

    def add_photos(self, photos: Mapping[View, Photo]) -> None:
        """Note the photos in their true views."""
        self._values["photos"] = {str(int(view)): photo_record(photo) for view, photo in photos.items()}

    def add_notices(self, notices: Iterable[str]) -> None:
        """Note sentences for the user, each once."""
        known = self._values["notices"]
        known += [notice for notice in dict.fromkeys(notices) if notice not in known]

    def add_fit(self, result: FitResult, mask_source: str) -> None:
        """Note teeth, cameras, scale and masks."""
        self._values |= {
            "scale": {
                "source": result.scale.source.value,
                "relative_sigma": float(result.scale.relative_sigma),
                "factor": float(result.scale.factor),
            },
            "masks": {
                str(int(view)): {"file": f"masks/{int(view)}.png", "values": "fdi", "source": mask_source}
                for view in result.numbering
            },
            "cameras": {str(int(view)): _camera(camera) for view, camera in result.cameras.items()},
            "lower_to_upper": np.asarray(result.lower_to_upper).tolist(),
            "teeth": [_tooth(number, tooth) for number, tooth in result.teeth.items()],
            "metrics": {n: float(value) for n, value in result.metrics.items() if np.isfinite(value)},
        }
        self.add_notices(result.notices)

    @property
    def teeth(self) -> list[dict[str, Any]]:
        """The tooth list as written."""
        return self._values["teeth"]

    @property
    def notices(self) -> tuple[str, ...]:
        """All notices so far."""
        return tuple(self._values["notices"])

    def running(self, stage: Stage) -> None:
        """Write that a stage is about to run."""
        self._write("running", stage=stage.value)

    def done(self, wall_s: float, cpu_s: float) -> None:
        """Write that everything is complete, and what the last run cost."""
        self._values["metrics"] |= {"last_run_wall_s": round(wall_s, 2), "last_run_cpu_s": round(cpu_s, 2)}
        self._write("done", stage=Stage.DONE.value)

    def stopped(self, status: str, error: TeethscapeError | None) -> None:
        """Write that the job ended early (``failed`` or ``cancelled``)."""
        values = None
        if error is not None:
            values = {
                "code": error.code,
                "message": error.message.replace(str(self._case.root), self._case.root.name),
                "advice": error.advice,
                "exit_code": int(error.exit_code),
            }
        self._write(status, error=values)

    def _write(self, status: str, **values: Any) -> None:
        self._case.write_record({**self._values, "status": status, **values})


def versions() -> dict[str, str]:
    """Versions of the engine, Python and the libraries that matter."""
    found = {"teethscape": __version__, "python": platform.python_version(), "platform": sys.platform}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _request(request: ReconstructRequest) -> dict[str, Any]:
    """The request without the user's paths."""
    values = request.to_json()
    for name in ("photos", "output", "masks", "slots"):
        values.pop(name)
    if request.views.weights is not None:
        values["views"]["weights"] = request.views.weights.name
    return values


def _camera(camera: CameraRecord) -> dict[str, Any]:
    return {
        "width": int(camera.width),
        "height": int(camera.height),
        "focal_px": float(camera.focal_px),
        "principal_point": [float(value) for value in camera.principal_point],
        "k1": float(camera.k1),
        "cam2world": np.asarray(camera.cam2world, float).tolist(),
    }


def _tooth(number: int, tooth: FittedTooth) -> dict[str, Any]:
    crown = ~tooth.cap
    return {
        "fdi": int(number),
        "present": True,
        "confidence": float(np.clip(tooth.confidence, 0, 1)),
        "sigma_mm": float(np.median(tooth.sigma_mm[crown])),
        "inferred_share": float(tooth.inferred[crown].mean()),
        "seen_in": [view.slug for view in tooth.seen_in],
        "width_mm": float(tooth.width_mm),
        "width_sigma_mm": float(tooth.width_sigma_mm),
        "centre": np.asarray(tooth.centre, float).tolist(),
        "centre_cov": np.asarray(tooth.centre_cov, float).tolist(),
        "axes": np.asarray(tooth.axes, float).tolist(),
        "mesh": f"meshes/teeth/{object_name(number)}.ply",
    }
