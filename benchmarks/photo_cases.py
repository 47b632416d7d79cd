"""Processor seconds of synthetic photo cases, everything included.

    python benchmarks/photo_cases.py --blender-python .venv-bpy/bin/python --first 100 --count 4

Each case is drawn (engine) and rendered (a process of its own, five photos with labels); figures are
user and system seconds of this process and its children. Writes ``results/photo_cases.json``.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import tempfile
from pathlib import Path

from bench_common import write_result

from teethscape.dataset.photo_patient import PatientOptions, write_patient

SCRIPT = Path(__file__).resolve().parents[1] / "render_scripts" / "photo_render.py"


def cpu_seconds() -> float:
    """User and system seconds of this process and its finished children."""
    own, children = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def one_case(seed: int, folder: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """Draw and render one patient."""
    start, path = cpu_seconds(), folder / f"patient_{seed:05d}.npz"
    write_patient(seed, path, PatientOptions(arguments.width, arguments.width * 3 // 4))
    drawn = cpu_seconds()
    command = [arguments.blender_python, str(SCRIPT), "--patient", str(path), "--output", str(folder)]
    subprocess.run([*command, "--samples", str(arguments.samples)], check=True, stdout=subprocess.DEVNULL)
    done = cpu_seconds()
    size = sum(f.stat().st_size for f in (folder / path.stem).rglob("*") if f.is_file())
    return {
        "seed": seed,
        "draw_cpu_s": round(drawn - start, 1),
        "render_cpu_s": round(done - drawn, 1),
        "cpu_s": round(done - start, 1),
        "mb": round(size / 1e6, 2),
    }


def summary_of(cases: list[dict[str, float]], arguments: argparse.Namespace) -> dict[str, float]:
    """Means over the cases, the dearest one, and what they were made with."""

    def mean(name: str) -> float:
        return round(sum(case[name] for case in cases) / len(cases), 1)

    return {
        "cases": len(cases),
        "width": arguments.width,
        "height": arguments.width * 3 // 4,
        "samples": arguments.samples,
        "mean_cpu_s": mean("cpu_s"),
        "worst_cpu_s": max(case["cpu_s"] for case in cases),
        "mean_draw_cpu_s": mean("draw_cpu_s"),
        "mean_mb": mean("mb"),
        "load_1min": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--blender-python", default="python", help="a Python that has bpy")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--samples", type=int, default=3)
    parser.add_argument("--output", type=Path, help="keep the cases here")
    arguments = parser.parse_args()
    folder = arguments.output or Path(tempfile.mkdtemp(prefix="photo_cases_"))
    folder.mkdir(parents=True, exist_ok=True)
    seeds = range(arguments.first, arguments.first + arguments.count)
    cases = [one_case(seed, folder, arguments) for seed in seeds]
    write_result("photo_cases", summary_of(cases, arguments), cases)


if __name__ == "__main__":
    main()
