"""What the benchmark of the render scripts needs: runs with their processor time, pictures, scores."""

from __future__ import annotations

import json
import logging
import os
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from bench_common import ROOT
from numpy.typing import NDArray
from ray_truth import Truth, angles_deg, overlap

Array = NDArray[np.float64]
log = logging.getLogger("benchmark")

#: Reads OpenEXR files with Blender's own reader, not with ours, and leaves them as arrays.
_READ_EXR = """
import sys
from pathlib import Path
import bpy
import numpy as np
for path in Path(sys.argv[1]).glob("*.exr"):
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    flat = np.empty(4 * image.size[0] * image.size[1], np.float32)
    image.pixels.foreach_get(flat)
    np.save(path.with_suffix(".npy"), flat.reshape(image.size[1], image.size[0], 4)[::-1])
    bpy.data.images.remove(image)
"""


@dataclass(frozen=True)
class Run:
    """Processor seconds (children included) and wall seconds of a process."""

    cpu_s: float
    wall_s: float


@dataclass(frozen=True)
class Blender:
    """The Python that has Blender as a module."""

    python: Path

    def render(self, script: str, *arguments: object) -> Run:
        """Run a render script to its end.

        Raises:
            RuntimeError: it failed.
        """
        path = ROOT / "render_scripts" / f"{script}_render.py"
        return self._run([str(self.python), str(path), *map(str, arguments)])

    def read_exr(self, folder: Path) -> None:
        """Put an array (.npy) beside every OpenEXR file of a folder."""
        self._run([str(self.python), "-c", _READ_EXR, str(folder)])

    def _run(self, command: list[str]) -> Run:
        cpu, start = _children_cpu(), time.perf_counter()
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
        if done.returncode:
            raise RuntimeError(f"{command} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return Run(_children_cpu() - cpu, time.perf_counter() - start)


def _children_cpu() -> float:
    use = resource.getrusage(resource.RUSAGE_CHILDREN)
    return use.ru_utime + use.ru_stime


def picture(path: Path) -> Array:
    """(h, w, 4) RGBA of an 8-bit PNG, 0-255."""
    bgra = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if bgra is None:
        raise FileNotFoundError(path)
    return bgra[..., [2, 1, 0, 3]].astype(np.float64)


def decibels(one: Array, other: Array) -> float:
    """PSNR of the colours inside both masks, of two (h, w, 4) pictures; the empty part would flatter."""
    inside = (one[..., 3] > 127) & (other[..., 3] > 127)
    return float(10 * np.log10(255**2 / np.mean((one - other)[inside][:, :3] ** 2)))


def mask_overlap(one: Array, other: Array) -> float:
    """Intersection over union of the masks of two (h, w, 4) pictures."""
    return overlap(one[..., 3] > 127, other[..., 3] > 127)


def normal_errors(folder: Path, view: int, truth: Truth) -> dict[str, float]:
    """Mean angles, degrees, of a view's PNG and its float picture where there is one; IoU of the mask."""
    png = picture(folder / f"{view:03d}_normal.png")
    mask = png[..., 3] > 127
    both = mask & truth.mask
    scores = {
        "png_deg": float(angles_deg(png[both][:, :3] / 127.5 - 1, truth.normals[both]).mean()),
        "mask_iou": overlap(mask, truth.mask),
    }
    floats = folder / f"{view:03d}_normal.npy"
    if floats.is_file():
        exact = np.load(floats).astype(np.float64)
        scores["float_deg"] = float(angles_deg(exact[both][:, :3], truth.normals[both]).mean())
    return scores


def poses_of(folder: Path, meta: str) -> Array:
    """(n, 3, 4) poses in a folder's metadata."""
    return np.array(json.loads((folder / f"{meta}.json").read_text("utf-8"))["poses"])
