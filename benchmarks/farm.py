"""Throughput of the data set farm: two Blenders against one, and what a case costs.

    python benchmarks/farm.py --cases 8 --kinds normal,color --image-size 256

Renders the same jaws with one worker and with two, each Blender with one thread, in fresh folders, and
compares cases per second of wall time; processes are started anew for each run and their start counts.
Wall time means something on a quiet machine only: the load before and after is written down.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from teethscape.dataset.scans.normalise import write_normalised
from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.mesh.solid import Solid, joined
from teethscape.parametric.arch import Arch, ArchState
from teethscape.parametric.prior import load_prior

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "farm.json"


def write_jaws(folder: Path, patients: int) -> None:
    """Different mouths of the tooth prior, both jaws each, normalised."""
    prior = load_prior()
    for number in range(patients):
        rng = np.random.default_rng(number)
        mean = ArchState.mean()
        arch = Arch(
            prior,
            ArchState(mean.translation, mean.rotation, mean.log_size, rng.normal(0, 1, (28, 10)), mean.bite),
        )
        crowns = [Solid(str(f), arch.world_vertices(k), prior.faces_of(f)) for k, f in enumerate(prior.fdi)]
        jaws = {jaw: joined([c for c in crowns if jaw_of(int(c.name)) is jaw], jaw.value) for jaw in Jaw}
        write_normalised(folder / f"P{number:03d}", jaws)


def run(meshes: Path, workers: int, options: argparse.Namespace) -> dict[str, Any]:
    """Render everything once; wall time, processor time and bytes."""
    with tempfile.TemporaryDirectory(prefix="teethscape-farm-") as folder:
        command = [
            sys.executable, "-m", "teethscape", "dataset", "render", str(meshes), "--output", folder,
            "--json", "--kinds", options.kinds, "--image-size", str(options.image_size),
            "--workers", str(workers), "--threads", "1",
        ]  # fmt: skip
        if options.blender:
            command += ["--blender", options.blender]
        before, began = os.times(), time.monotonic()
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        wall, after = time.monotonic() - began, os.times()
        summary = json.loads(done.stdout)
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        disk = subprocess.run(["du", "-sk", "--exclude=log", folder], check=True, stdout=subprocess.PIPE)  # noqa: S607
        kilobytes = int(disk.stdout.split()[0])
    cases = summary["done"]
    return {
        "workers": workers,
        "cases": cases,
        "wall_s": round(wall, 1),
        "cpu_s": round(cpu, 1),
        "cases_per_hour": round(3600 * cases / wall, 1),
        "cpu_s_per_case": round(cpu / cases, 2),
        "megabytes_per_case": round(summary["size"] / cases / 1e6, 2),
        "megabytes_per_case_on_disk": round(kilobytes / 1000 / cases, 2),
        "load": [round(x, 2) for x in os.getloadavg()],
    }


def main() -> None:
    """Run both and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cases", type=int, default=8, help="jaws, an even number")
    parser.add_argument("--kinds", default="normal,color")
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--blender", help="Blender, or a Python with the bpy wheel")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    load = [round(x, 2) for x in os.getloadavg()]
    meshes = Path(tempfile.mkdtemp(prefix="teethscape-jaws-"))
    write_jaws(meshes, options.cases // 2)
    try:
        one, two = (run(meshes, workers, options) for workers in (1, 2))
    finally:
        shutil.rmtree(meshes)
    result = {
        "command": " ".join(["python", *sys.argv]),
        "cores": os.cpu_count(),
        "load_before": load,
        "runs": [one, two],
        "two_against_one": round(one["wall_s"] / two["wall_s"], 2),
    }
    print(json.dumps(result, indent=1))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
