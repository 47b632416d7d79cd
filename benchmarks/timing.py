"""Processor time, wall time and peak memory of single runs, each in a process of its own.

    python benchmarks/timing.py

Runs the engine's command line on case-a: from FDI masks, from shuffled ids, and from
photos alone, and reads the children's resource usage. *segment* is ``teethscape segment``: views, quality,
numbered teeth and flips of five photos. *segmentation* is the network's part of it, without numbers.
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
from case_a import hand_masks, write_masks

SHARED = Path(os.environ.get("TEETHSCAPE_SHARED", ROOT.parent / "shared"))
_PROBE = """
import json, resource, sys
from teethscape.cli import main
code = main(sys.argv[1:])
use = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"cpu_s": use.ru_utime + use.ru_stime, "peak_gib": use.ru_maxrss / 2**20}), file=sys.stderr)
sys.exit(code)
"""

_SEGMENT = """
import json, resource, sys
from pathlib import Path
from teethscape.dental.fdi import Jaws
from teethscape.dental.photos import read_photo_folder
from teethscape.segmentation.recognition import recognise_views
from teethscape.segmentation.segmenter import Segmenter
photos, segmenter = read_photo_folder(Path(sys.argv[1]), Jaws.BOTH), Segmenter.load()
assert not recognise_views([photo.pixels for photo in photos.values()], segmenter).problems
found = segmenter.segment_all({view: photo.pixels for view, photo in photos.items()})
assert all(one.instances.any() for one in found.values())
use = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"cpu_s": use.ru_utime + use.ru_stime, "peak_gib": use.ru_maxrss / 2**20}), file=sys.stderr)
"""


def measured(case: Path, masks: Path | None, values: str) -> dict[str, Any]:
    """One reconstruction by the command line."""
    output = CACHE / "timing-case"
    shutil.rmtree(output, ignore_errors=True)
    return _run(_command("reconstruct", case, output, masks, values))


def numbered(case: Path) -> dict[str, Any]:
    """``teethscape segment`` by the command line."""
    output = CACHE / "timing-segment"
    shutil.rmtree(output, ignore_errors=True)
    return _run(_command("segment", case, output))


def _command(
    name: str, case: Path, output: Path, masks: Path | None = None, values: str = "fdi"
) -> list[str]:
    command = [sys.executable, "-c", _PROBE, name, str(case / "photos"), "--output", str(output)]
    if masks is not None:
        command += ["--masks", str(masks), "--mask-values", values]
    return command


def _run(command: list[str]) -> dict[str, Any]:
    """A child's time and memory, as it reports them in its last line."""
    start = time.perf_counter()
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # as the command line sets it
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
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
    parser.add_argument(
        "--only", choices=("fdi_masks", "shuffled_ids", "photos_only", "segment", "segmentation")
    )
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    ids = CACHE / "case-a-instances"
    write_masks(ids, hand_masks(args.case, 0)[0])
    runs = {
        "fdi_masks": (args.case / "labels" / "teeth", "fdi"),
        "shuffled_ids": (ids, "instances"),
        "photos_only": (None, "fdi"),
    }
    rows = {}
    for name, (masks, values) in runs.items():
        if args.only in (None, name):
            rows[name] = measured(args.case, masks, values)
            LOG.info("%s %s", name, rows[name])
    if args.only in (None, "segment"):
        rows["segment"] = numbered(args.case)
        LOG.info("segment %s", rows["segment"])
    if args.only in (None, "segmentation"):
        rows["segmentation"] = _run([sys.executable, "-c", _SEGMENT, str(args.case / "photos")])
        LOG.info("segmentation %s", rows["segmentation"])
    write_result("timing" if args.only is None else f"timing_{args.only}", rows, [])


if __name__ == "__main__":
    main()
