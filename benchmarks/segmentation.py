"""How well the teeth of a labelled case are found: Dice, outlines, instances, jaws and numbers, per view.

    python benchmarks/segmentation.py ../shared/cases/case-a --weights held_out.onnx

Three times: as the network cuts them, as ``teethscape segment`` draws them after the numbering, and as
``teethscape reconstruct`` draws them after the fit.  Scores are taken on an 800 px grid.  Dice and
instances leave out the zone where a photo shows teeth that nobody labelled.  ``outline`` is the F1 of
outlines (gum margin and tooth/tooth) within 2 px, instances count as found at IoU 0.5, and jaws are judged
per pixel of the true teeth that some instance covers.  ``number`` is the share of the found whose FDI
number is right; of the network, which tells no numbers, the share whose place in the quadrant is.
"""

from __future__ import annotations

import argparse
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bench_common import CACHE, LOG, using_network, write_result
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from teethscape.dental.case import CaseFolder
from teethscape.dental.fdi import Jaw
from teethscape.dental.masks import read_label_image
from teethscape.dental.request import ReconstructRequest
from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.pipeline import segment_folder
from teethscape.progress import NoProgress
from teethscape.reconstruct import reconstruct
from teethscape.segmentation.redraw import outline
from teethscape.segmentation.segmenter import Segmentation, Segmenter
from teethscape.segmentation.train_photos import TrainingPhoto, read_case

GRID = 800


@dataclass(frozen=True)
class Found:
    """Teeth found in one photo.

    Attributes:
        labels: (h, w) ids, any size.
        upper: ids of the upper jaw.
        is_right: whether an id is numbered like a true FDI number.
    """

    labels: NDArray[np.int32]
    upper: list[int]
    is_right: Callable[[int, int], bool]


@dataclass(frozen=True)
class Score:
    """Scores of one photo, 0-1, and counts of instances."""

    dice: float
    outline: float
    instances: float
    jaw: float
    number: float
    hits: int
    predicted: int
    true: int


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


def score(found: Found, photo: TrainingPhoto) -> Score:
    """Scores of one photo against its labels."""
    truth, labels = _on_grid(photo.teeth), _on_grid(found.labels)
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
    jaw = float((np.isin(labels, found.upper) == (truth < 30))[covered].mean()) if covered.any() else 0.0
    number = float(np.mean([found.is_right(i, tooth) for i, tooth in pairs] or [0]))
    f1 = 2 * len(pairs) / max(len(ids) + len(fdi), 1)
    edges = _outline_f1(labels, truth, ignore)
    return Score(float(dice), edges, f1, jaw, number, len(pairs), len(ids), len(fdi))


def _by_network(one: Segmentation) -> Found:
    """As the network cuts them; it tells the place in the quadrant only."""
    kind = {i: int(np.argmax(chances)) + 1 for i, chances in one.kind_of.items()}
    upper = [i for i, jaw in one.jaw_of.items() if jaw is Jaw.UPPER]
    return Found(one.instances, upper, lambda i, tooth: kind[i] == tooth % 10)


def _by_numbers(path: Path) -> Found:
    """A label image in FDI numbers."""
    return Found(read_label_image(path), list(range(11, 29)), lambda i, tooth: i == tooth)


def _seen(photos: list[TrainingPhoto], segmenter: Segmenter) -> dict[View, Found]:
    """As the network cuts them."""
    seen = segmenter.segment_all({View(p.view): p.pixels for p in photos})
    return {view: _by_network(one) for view, one in seen.items()}


def _numbered(case: Path, absent: tuple[int, ...]) -> dict[View, Found]:
    """As ``teethscape segment`` draws them."""
    masks = CACHE / "segmentation-masks"
    shutil.rmtree(masks, ignore_errors=True)
    request = segment_folder.SegmentRequest(case / "photos", masks, absent_teeth=absent)
    segment_folder.segment_folder(request, NoProgress())
    return {view: _by_numbers(masks / f"{view.value}.png") for view in View}


def _fitted(case: Path, absent: tuple[int, ...]) -> dict[View, Found]:
    """As ``teethscape reconstruct`` draws them."""
    final = CaseFolder(CACHE / "segmentation-case")
    shutil.rmtree(final.root, ignore_errors=True)
    reconstruct(ReconstructRequest(case / "photos", final.root, absent_teeth=absent), NoProgress())
    return {view: _by_numbers(final.mask(view)) for view in View}


def summary_of(scores: Mapping[View, Score]) -> dict[str, Any]:
    """Means over the photos; counts are added up."""
    out: dict[str, Any] = {}
    for field in fields(Score):
        values = [getattr(one, field.name) for one in scores.values()]
        out[field.name] = sum(values) if field.type == "int" else round(float(np.mean(values)), 4)
    return out


def main() -> None:
    """Score a case."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", type=Path)
    parser.add_argument("--weights", type=Path, default=None)
    parser.add_argument("--absent", type=int, nargs="*", default=[], help="missing teeth, where it is asked")
    parser.add_argument("--name", default="segmentation", help="name of the result file")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    photos, segmenter = read_case(options.case), Segmenter.load(options.weights)
    absent = tuple(options.absent)
    ways = {
        "network": lambda: _seen(photos, segmenter),
        "segment": lambda: _numbered(options.case, absent),
        "reconstruct": lambda: _fitted(options.case, absent),
    }
    rows, summary = [], {}
    for way, found_by in ways.items():
        try:
            with using_network(segmenter):
                found = found_by()
        except RefusedError as refusal:
            LOG.info("%s refused: %s", way, refusal.code)
            continue
        scores = {View(p.view): score(found[View(p.view)], p) for p in photos}
        rows += [{"way": way, "view": view.slug, **asdict(one)} for view, one in scores.items()]
        summary[way] = summary_of(scores)
        LOG.info("%s %s", way, summary[way])
    write_result(options.name, summary, rows)


if __name__ == "__main__":
    main()
