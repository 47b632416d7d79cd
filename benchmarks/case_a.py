"""Reconstruct case-a and score it with the acceptance metric.

    python benchmarks/case_a.py masks            hand-made masks, ids shuffled
    python benchmarks/case_a.py photos           photos only
    python benchmarks/case_a.py photos --weights held-out.onnx
    python benchmarks/case_a.py photos --damage 0.1 --draws 14    draws of a tenth missed or merged
    python benchmarks/case_a.py masks --damage 0.1 --draws 14     the same in the masks
    python benchmarks/case_a.py numbers --damage 0.1 --draws 14   in masks with FDI numbers
    python benchmarks/case_a.py photos --changed                   five copies that look the same

The score comes from ``tools/evaluate.py`` of the shared folder, run as a process
(similarity per jaw, wide start, mean over teeth).
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bench_common import (
    CACHE,
    LOG,
    ROOT,
    Clock,
    centre_scores,
    coverage,
    photo_number_errors,
    using_network,
    write_result,
)
from damaged_segmenter import DamagedSegmenter, damaged_masks
from numpy.typing import NDArray
from PIL import Image

from teethscape.dataset.patient_masks import shuffled_ids
from teethscape.dental.case import CaseFolder
from teethscape.dental.request import MaskValues, ReconstructRequest
from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.mesh.load import load_teeth
from teethscape.parametric.interface import FitInputs, FitResult, PhotoGeometry
from teethscape.pipeline.fit_checkpoint import load_fit
from teethscape.progress import NoProgress
from teethscape.reconstruct import reconstruct
from teethscape.segmentation.segmenter import Segmenter

SHARED = Path(os.environ.get("TEETHSCAPE_SHARED", ROOT.parent / "shared"))
FDI_MASKS = Path("labels") / "teeth"


def hand_masks(
    case: Path, seed: int, damage: float = 0.0, kind: MaskValues = MaskValues.INSTANCES
) -> tuple[dict[View, np.ndarray], dict[View, dict[int, int]]]:
    """Hand-made masks, whole or damaged, with their numbers or arbitrary ids, and the FDI number of each."""
    rng = np.random.default_rng(seed)
    files = {view: case / FDI_MASKS / f"{view.value}.png" for view in View}
    labels = {view: np.asarray(Image.open(path)).astype(np.int32) for view, path in files.items()}
    labels = damaged_masks(labels, damage, rng) if damage else labels
    if kind is MaskValues.FDI:
        return labels, {
            view: {int(n): int(n) for n in np.unique(image) if n} for view, image in labels.items()
        }
    masks, tables = {}, {}
    for view, drawn in labels.items():
        masks[view], tables[view] = shuffled_ids(drawn, rng)
    return masks, tables


def shuffled_case(case: Path, seed: int) -> tuple[FitInputs, dict[View, dict[int, int]]]:
    """Evidence of case-a with shuffled ids."""
    masks, tables = hand_masks(case, seed)
    photos = {view: PhotoGeometry(m.shape[1], m.shape[0]) for view, m in masks.items()}
    return FitInputs(photos, masks, MaskValues.INSTANCES), tables


def write_masks(folder: Path, masks: Mapping[View, NDArray]) -> None:
    """Write masks as a user would hand them in."""
    folder.mkdir(parents=True, exist_ok=True)
    for view, mask in masks.items():
        Image.fromarray(mask.astype(np.uint8)).save(folder / f"{view.value}.png")


def evaluated(case: CaseFolder, reference: Path) -> dict[str, Any]:
    """Report of the acceptance metric."""
    meshes, report = case.root / "meshes", case.root / "report" / "evaluate.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(SHARED / "tools" / "evaluate.py")]
    for jaw in ("upper", "lower"):
        command += [
            f"--pred-{jaw}",
            str(meshes / f"{jaw}.ply"),
            f"--ref-{jaw}",
            str(reference / f"{jaw}.ply"),
        ]
    command += ["--pred-teeth", str(meshes / "teeth"), "--ref-teeth", str(reference / "teeth")]
    command += ["--align", "similarity", "--scope", "jaw", "--wide-start", "--out", str(report)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return json.loads(report.read_text(encoding="utf-8"))


def number_errors(
    found: Mapping[View, Mapping[int, int]], tables: Mapping[View, Mapping[int, int]]
) -> list[str]:
    """Wrongly numbered ids in words."""
    return [
        f"{view.slug}: {tables[view].get(value)} called {fdi}"
        for view, names in found.items()
        for value, fdi in names.items()
        if tables[view].get(value) != fdi
    ]


def network(weights: Path | None, damage: float = 0.0, seed: int = 0) -> AbstractContextManager[Any]:
    """Let the pipeline use other network weights than the shipped ones, or damage what the network finds."""
    if weights is None and not damage:
        return nullcontext()
    chosen = Segmenter.load(weights)
    if damage:
        chosen = DamagedSegmenter(chosen, damage, seed)
    return using_network(chosen)


def summary_of(report: dict[str, Any], result: FitResult, truth: Path) -> dict[str, Any]:
    """The figures of the issue's table."""
    mean = report["mean_of_teeth"]
    centres = centre_scores(result, load_teeth(truth))
    return {
        "cd_mm2": round(mean["chamfer_sq_mm2"], 4),
        "cd_l1_mm": round(mean["chamfer_l1_mm"], 4),
        "dice": round(mean["dice"], 4),
        "missing_teeth": report["missing_teeth"],
        "scale_needed": {jaw: round(t["scale"], 4) for jaw, t in report["transforms"].items()},
        "coverage_90": round(coverage(centres), 4),
    }


#: Changes that nobody would notice: how much a result owes to chance.
CHANGES: dict[str, Callable[[NDArray], NDArray]] = {
    "lighter": lambda image: image * 1.03,
    "darker": lambda image: image * 0.97,
    "harder": lambda image: 255 * (image / 255) ** 1.05,
    "softer": lambda image: cv2.GaussianBlur(image, (0, 0), 0.6),
    "grainy": lambda image: image + np.random.default_rng(0).normal(0, 3, image.shape),
}


def changed_photos(photos: Path, change: str) -> Path:
    """A folder of photos with a small change."""
    folder = CACHE / f"case-a-{change}"
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(photos.glob("*.jpg")):
        image = CHANGES[change](np.asarray(Image.open(path).convert("RGB"), np.float64))
        Image.fromarray(np.clip(np.rint(image), 0, 255).astype(np.uint8)).save(folder / path.name, quality=95)
    return folder


def mean_and_worst(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Means of the scores of several runs, and the largest distances."""
    names = ("cd_mm2", "cd_l1_mm", "dice", "coverage_90")
    mean = {name: round(float(np.mean([row[name] for row in rows])), 4) for name in names}
    return mean | {f"worst_{name}": max(row[name] for row in rows) for name in names[:2]}


def run_changed(args: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    """Every change in turn: the mean of the scores, and all of them."""
    rows = {change: run(args, changed_photos(args.case / "photos", change))[0] for change in CHANGES}
    lost = {change: row["missing_teeth"] for change, row in rows.items() if row["missing_teeth"]}
    return {**mean_and_worst(list(rows.values())), "missing_teeth": lost}, rows


def run_draws(args: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    """Several damages in turn: scores of those that are not refused, and what happened to each."""
    rows: dict[str, Any] = {}
    for seed in range(args.seed, args.seed + args.draws):
        try:
            rows[str(seed)] = run(argparse.Namespace(**{**vars(args), "seed": seed}))[0]
        except RefusedError as refusal:
            rows[str(seed)] = {"refused": refusal.code}
        LOG.info("%d: %s", seed, rows[str(seed)])
    done = [row for row in rows.values() if "refused" not in row]
    counts = {"draws": args.draws, "refused": args.draws - len(done)}
    lost = sum(len(row["missing_teeth"]) for row in done)
    return {**counts, **(mean_and_worst(done) if done else {}), "teeth_missing": lost}, rows


def run(args: argparse.Namespace, photos: Path | None = None) -> tuple[dict[str, Any], Any]:
    """Reconstruct, score, and compare the numbers; other photos than the case's may be given."""
    name = f"case-a-{args.evidence}" + (f"-{args.weights.stem}" if args.weights else "")
    name += f"-damaged-{args.seed}" if args.damage else ""
    shutil.rmtree(CACHE / name, ignore_errors=True)
    folder, drawn = CACHE / f"{name}-masks", args.evidence != "photos"
    kind = MaskValues.FDI if args.evidence == "numbers" else MaskValues.INSTANCES
    masks, tables = hand_masks(args.case, args.seed, args.damage, kind)
    if drawn:
        write_masks(folder, masks)
    request = ReconstructRequest(
        photos=photos or args.case / "photos",
        output=CACHE / name,
        masks=folder if drawn else None,
        mask_values=kind,
    )
    clock = Clock.start()
    with network(args.weights, 0.0 if drawn else args.damage, args.seed):
        reconstruct(request, NoProgress())
    times = clock.read()
    case = CaseFolder(CACHE / name)
    result = load_fit(case.log / "fit.npz")
    report = evaluated(case, args.case / "reference")
    summary = summary_of(report, result, args.case / "reference" / "teeth")
    if drawn:
        errors = number_errors(result.numbering, tables)
    else:
        errors = photo_number_errors(case, result, args.case / FDI_MASKS)
    summary |= {"number_errors": errors, **times, "metrics": result.metrics}
    rows = {f: {k: round(v, 4) for k, v in t.items()} for f, t in report["teeth"].items()}
    return summary, {
        "teeth": rows,
        "centres": centre_scores(result, load_teeth(args.case / "reference" / "teeth")),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("evidence", choices=("masks", "numbers", "photos"))
    parser.add_argument("--case", type=Path, default=SHARED / "cases" / "case-a")
    parser.add_argument("--seed", type=int, default=0, help="of the shuffle and the damage")
    parser.add_argument("--weights", type=Path, help="a network that never saw the case")
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--damage",
        type=float,
        default=0.0,
        help="share of teeth that the network, or the masks, miss or merge",
    )
    either.add_argument("--changed", action="store_true", help="photos that look the same, five times")
    parser.add_argument("--draws", type=int, default=6, help="damage so often, with seeds from --seed on")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    several = run_draws if args.damage else run_changed if args.changed else run
    summary, rows = several(args)
    kind = "_changed" * args.changed + "_damaged" * bool(args.damage)
    kind += f"_from_{args.seed}" if args.seed else ""
    write_result(f"case_a_{args.evidence}{kind}", summary, rows)


if __name__ == "__main__":
    main()
