"""How well the segmentation network sees: Dice, outlines, tooth instances and jaws, per view.

    python benchmarks/segmentation.py ../shared/cases/case-a --weights held_out.onnx

Scores are taken on an 800 px grid.  Dice and instances leave out the zone where a photo shows teeth that
nobody labelled.  ``bF1`` is the F1 of outlines (gum margin and tooth/tooth) within 2 px, instances count as
found at IoU 0.5, and jaws are judged per pixel of the true teeth that some instance covers.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from teethscape.dental.fdi import Jaw
from teethscape.dental.views import View
from teethscape.segmentation.recognition import recognise_views
from teethscape.segmentation.redraw import outline
from teethscape.segmentation.segmenter import Segmentation, Segmenter
from teethscape.segmentation.train_photos import TrainingPhoto, read_case

GRID = 800


@dataclass(frozen=True)
class Score:
    """Scores of one photo, 0-1, and counts of instances."""

    dice: float
    outline: float
    instances: float
    hits: int
    predicted: int
    true: int
    jaw: float
    kind: float


def _on_grid(labels: NDArray[np.int32] | NDArray[np.uint8]) -> NDArray[np.int32]:
    """Labels on the 800 px grid."""
    height, width = labels.shape
    factor = GRID / max(height, width)
    size = (round(width * factor), round(height * factor))
    return cv2.resize(labels.astype(np.float32), size, interpolation=cv2.INTER_NEAREST).astype(np.int32)


def _outline_f1(one: NDArray[np.int32], two: NDArray[np.int32], ignore: NDArray[np.bool_]) -> float:
    """F1 of outlines within 2 px."""
    a, b = outline(one) & ~ignore, outline(two) & ~ignore
    if not a.any() or not b.any():
        return 0.0
    to_a, to_b = (cv2.distanceTransform((~e).astype(np.uint8), cv2.DIST_L2, 5) for e in (a, b))
    precision, recall = float((to_b[a] <= 2).mean()), float((to_a[b] <= 2).mean())
    return 2 * precision * recall / max(precision + recall, 1e-9)


def _overlaps(found: NDArray[np.int32], truth: NDArray[np.int32]) -> tuple[NDArray, list[int], list[int]]:
    """IoU matrix of predicted and true instances."""
    ids, teeth = ([int(i) for i in np.unique(x) if i] for x in (found, truth))
    matrix = np.zeros((len(ids), len(teeth)))
    for r, i in enumerate(ids):
        for c, tooth in enumerate(teeth):
            union = ((found == i) | (truth == tooth)).sum()
            matrix[r, c] = ((found == i) & (truth == tooth)).sum() / max(union, 1)
    return matrix, ids, teeth


def score(found: Segmentation, photo: TrainingPhoto) -> Score:
    """Scores of one photo against its labels."""
    truth, labels = _on_grid(photo.teeth), _on_grid(found.instances)
    ignore = (_on_grid(photo.ignore.astype(np.uint8)) > 0) & (truth == 0)
    for i in np.unique(labels[labels > 0]):
        if ignore[labels == i].mean() > 0.4:
            labels[labels == i] = 0
    inside, teeth = (labels > 0) & ~ignore, truth > 0
    dice = 2 * (inside & teeth).sum() / max(inside.sum() + teeth.sum(), 1)
    matrix, ids, fdi = _overlaps(np.where(ignore, 0, labels), truth)
    rows, columns = linear_sum_assignment(-matrix)
    pairs = [(ids[r], fdi[c]) for r, c in zip(rows, columns, strict=True) if matrix[r, c] >= 0.5]
    covered = teeth & (labels > 0)
    upper = np.isin(labels, [i for i, jaw in found.jaw_of.items() if jaw is Jaw.UPPER])
    jaw = float((upper == (truth < 30))[covered].mean()) if covered.any() else 0.0
    kinds = [int(np.argmax(found.kind_of[i])) + 1 == tooth % 10 for i, tooth in pairs]
    f1 = 2 * len(pairs) / max(len(ids) + len(fdi), 1)
    outline = _outline_f1(labels, truth, ignore)
    return Score(float(dice), outline, f1, len(pairs), len(ids), len(fdi), jaw, float(np.mean(kinds or [0])))


def _print(scores: dict[View, Score], seconds: float) -> None:
    """A table on the terminal."""
    print("view                 Dice   bF1@2  inst F1 (hit/found/true)   jaw   kind")
    for view, s in scores.items():
        count = f"{s.hits}/{s.predicted}/{s.true}"
        shares = f"{s.dice:.3f}  {s.outline:.3f}  {s.instances:.3f} {count:>12}  {s.jaw:.3f}  {s.kind:.2f}"
        print(f"{view.slug:20} {shares}")
    names = ("dice", "outline", "instances", "jaw", "kind")
    means = {name: float(np.mean([getattr(s, name) for s in scores.values()])) for name in names}
    print(
        "mean",
        " ".join(f"{name} {value:.3f}" for name, value in means.items()),
        f"CPU {seconds:.1f} s",
        f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB",
    )


def main() -> None:
    """Score a case."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", type=Path)
    parser.add_argument("--weights", type=Path, default=None)
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    photos = read_case(options.case)
    segmenter = Segmenter.load(options.weights)
    start = time.process_time()
    found = segmenter.segment_all({View(p.view): p.pixels for p in photos})
    seconds = time.process_time() - start
    scores = {View(p.view): score(found[View(p.view)], p) for p in photos}
    _print(scores, seconds)
    seen = recognise_views([p.pixels for p in photos], segmenter).photos
    print("views:", " ".join(f"{p.view and p.view.slug}:{p.confidence:.2f}/{p.rotation}" for p in seen))
    if options.json:
        options.json.write_text(json.dumps({v.slug: asdict(s) for v, s in scores.items()}, indent=1))


if __name__ == "__main__":
    main()
