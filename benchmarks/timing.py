"""Processor time, wall time and peak memory of single runs, each in a process of its own.

    python benchmarks/timing.py

Runs the engine's command line on case-a: from FDI masks, from shuffled ids, and from
photos alone, and reads the children's resource usage.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench_common import CACHE, LOG, ROOT, write_result
from case_a import write_masks

SHARED = Path(os.environ.get("TEETHSCAPE_SHARED", ROOT.parent / "shared"))
_PROBE = """
import json, resource, sys
from teethscape.cli import main
code = main(sys.argv[1:])
use = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"cpu_s": use.ru_utime + use.ru_stime, "peak_gib": use.ru_maxrss / 2**20}), file=sys.stderr)
sys.exit(code)
"""


def measured(case: Path, masks: Path | None, values: str) -> dict[str, Any]:
    """One reconstruction by the command line."""
    output = CACHE / "timing-case"
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, "-c", _PROBE, "reconstruct", str(case / "photos"), "--output", str(output)]
    if masks is not None:
        command += ["--masks", str(masks), "--mask-values", values]
    start = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    wall = time.perf_counter() - start
    last = done.stderr.strip().splitlines()[-1]
    probe = json.loads(last) if last.startswith("{") else {}
    load = os.getloadavg()[0]
    return {"exit": done.returncode, "wall_s": round(wall, 2), "load_1min": round(load, 2), **probe}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", type=Path, default=SHARED / "cases" / "case-a")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    ids = CACHE / "case-a-instances"
    write_masks(args.case, ids, 0)
    runs = {
        "fdi_masks": (args.case / "labels" / "teeth", "fdi"),
        "shuffled_ids": (ids, "instances"),
        "photos_only": (None, "fdi"),
    }
    rows = {}
    for name, (masks, values) in runs.items():
        rows[name] = measured(args.case, masks, values)
        LOG.info("%s %s", name, rows[name])
    write_result("timing", rows, [])


if __name__ == "__main__":
    main()
