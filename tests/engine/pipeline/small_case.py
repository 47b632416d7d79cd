"""A small case and a quick stand-in for the fit, so that the stages are tested in milliseconds.

Also runs as a script for the `kill -9` tests: it kills itself when a stage begins.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import types
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image

from teethscape.dental.request import ExportFormat, ReconstructRequest
from teethscape.dental.units import ScaleRecord, ScaleSource
from teethscape.dental.views import View
from teethscape.parametric.interface import CameraRecord, FitInputs, FitResult, FittedTooth
from teethscape.progress import NoProgress, Stage

WIDTH, HEIGHT = 360, 270
SHOWN = {
    View.ANTERIOR: (12, 11, 21, 22, 42, 41, 31, 32),
    View.LEFT_BUCCAL: (22, 23, 24, 25, 32, 33, 34, 35),
    View.RIGHT_BUCCAL: (12, 13, 14, 15, 42, 43, 44, 45),
    View.MAXILLARY_OCCLUSAL: (13, 12, 11, 21, 22, 23),
    View.MANDIBULAR_OCCLUSAL: (43, 42, 41, 31, 32, 33),
}


def write_inputs(folder: Path, order: tuple[int, ...] = (0, 1, 2, 3, 4)) -> tuple[Path, Path]:
    """Five noise photos and FDI masks; ``order`` says which view each file really shows."""
    photos, masks = folder / "photos", folder / "masks"
    photos.mkdir(parents=True)
    masks.mkdir()
    for number, view in enumerate(order):
        noise = np.random.default_rng(view).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        Image.fromarray(noise).save(photos / f"{number}.png")
        Image.fromarray(mask_of(View(view))).save(masks / f"{number}.png")
    return photos, masks


def mask_of(view: View) -> np.ndarray:
    """Rectangles with the FDI numbers that the view shows."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for k, fdi in enumerate(SHOWN[view]):
        row, column = divmod(k, 4)
        mask[60 + 70 * row : 110 + 70 * row, 40 + 70 * column : 90 + 70 * column] = fdi
    return mask


def request(folder: Path, exports: tuple[ExportFormat, ...] = ()) -> ReconstructRequest:
    """The request over ``write_inputs``' folders."""
    return ReconstructRequest(folder / "photos", folder / "case", folder / "masks", exports=exports)


def quick_fit(inputs: FitInputs, progress: object) -> FitResult:
    """A ball per tooth instead of a fit."""
    del progress
    ball = trimesh.creation.icosphere(subdivisions=1, radius=3.0)
    values = {view: [int(v) for v in np.unique(image) if v] for view, image in inputs.labels.items()}
    numbers = sorted({v for shown in values.values() for v in shown})
    teeth = {}
    for k, fdi in enumerate(numbers):
        centre = np.array([8.0 * (k % 8) - 28, 0.0, 8.0 * (k // 8)])
        count = len(ball.vertices)
        teeth[fdi] = FittedTooth(
            vertices=np.asarray(ball.vertices) + centre,
            faces=np.asarray(ball.faces, np.int32),
            sigma_mm=np.full(count, 0.25),
            inferred=np.asarray(ball.vertices[:, 1] > 1),
            cap=np.asarray(ball.vertices[:, 2] > 2.5),
            centre=centre,
            centre_cov=np.eye(3) * 0.01,
            axes=np.eye(3),
            confidence=0.9,
            seen_in=tuple(view for view, shown in values.items() if fdi in shown),
            width_mm=6.0,
            width_sigma_mm=0.3,
        )
    look = np.array([[1.0, 0, 0, 0], [0, 0, 1, -90], [0, -1, 0, 12], [0, 0, 0, 1]])
    camera = CameraRecord(WIDTH, HEIGHT, 450.0, (179.5, 134.5), 0.0, look)
    return FitResult(
        teeth=teeth,
        cameras=dict.fromkeys(inputs.photos, camera),
        lower_to_upper=np.eye(4),
        scale=ScaleRecord(ScaleSource.ESTIMATED, 0.05),
        notices=("A notice.",),
        numbering={view: {v: v for v in shown} for view, shown in values.items()},
        metrics={"residual_px": 0.5, "nothing": float("nan")},
    )


def install(fit: object = quick_fit) -> types.ModuleType:
    """Put the stand-in where the fit stage imports its engine from."""
    module = types.ModuleType("teethscape.parametric.engine")
    module.fit_case = fit
    sys.modules["teethscape.parametric.engine"] = module
    return module


class _Killer(NoProgress):
    def __init__(self, victim: Stage, share: float) -> None:
        self._victim, self._share = victim, share

    def stage(self, name: Stage, fraction: float, message: str = "") -> None:
        if name is self._victim and fraction >= self._share:
            os.kill(os.getpid(), signal.SIGKILL)


def _endless_fit(inputs: FitInputs, progress: object) -> FitResult:
    sys.stdout.write("fitting\n")
    sys.stdout.flush()
    time.sleep(60)
    return quick_fit(inputs, progress)


def _run_command(folder: Path) -> int:
    """The command line with a fit that must be stopped from outside."""
    from teethscape.cli import main

    install(_endless_fit)
    wish = request(folder)
    return main(["reconstruct", str(wish.photos), "--output", str(wish.output), "--masks", str(wish.masks)])


if __name__ == "__main__":
    from teethscape.reconstruct import reconstruct

    if sys.argv[2] == "command":
        sys.exit(_run_command(Path(sys.argv[1])))
    install()
    killer = _Killer(Stage(sys.argv[2]), float(sys.argv[3]))
    reconstruct(request(Path(sys.argv[1]), (ExportFormat.STL,)), killer)
