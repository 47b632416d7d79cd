"""How good masks by clicks are without downloaded weights: IoU per number of clicks, and time per click.

    python benchmarks/clicks.py ../shared/cases [--patients 4] [--without-case-c FILE]

A simulated user clicks into the middle of the tooth, then each time into the middle of the largest error
(the point farthest from the error's border), adding or removing as needed. A box is the tooth's bounding box.
Case-a and case-c are clicked with the network that never saw case-a (it was trained on case-c); synthetic
photos (new ones, drawn as its training photos are) with the shipped network. The rules for clicks were chosen
on other synthetic photos; case-a's scores were looked at meanwhile. The clicks that case-c's official jaw
masks need are counted with the network of ``--without-case-c`` (``gpu_training.py`` trains it), which never
saw case-c; without it with one that did, and the result says so.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bench_common import LOG, ROOT, write_result
from numpy.typing import NDArray
from PIL import Image

from teethscape.dataset.synthetic_photo import draw_photo
from teethscape.dental.fdi import Jaw
from teethscape.dental.views import View
from teethscape.parametric.prior import load_prior
from teethscape.segmentation.clicks.change import changed
from teethscape.segmentation.clicks.interface import Clicks
from teethscape.segmentation.clicks.net_engine import NetEngine, NetPhoto
from teethscape.segmentation.clicks.pictures import ORDER
from teethscape.segmentation.segmenter import Segmenter
from teethscape.segmentation.train_photos import read_case

HELD_OUT = ROOT / "benchmarks" / "weights" / "segmenter_without_case_a.onnx"
CLICKS = 5
#: Fewer pixels on the 800 px grid than this are no tooth to click on.
_SMALLEST = 200
_SEED = 9_000
Mask = NDArray[np.bool_]


@dataclass
class Tally:
    """What was measured on one set of photos."""

    rows: list[list[float]] = field(default_factory=list)
    automatic: list[float] = field(default_factory=list)
    boxes: list[float] = field(default_factory=list)
    click_ms: list[float] = field(default_factory=list)
    prepare_s: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Means and shares."""
        rows = np.array(self.rows)
        return {
            "teeth": len(rows),
            "automatic_iou": round(float(np.mean(self.automatic)), 3),
            "iou_after_clicks": rows.mean(axis=0).round(3).tolist(),
            "worst_tenth_iou": np.percentile(rows, 10, axis=0).round(3).tolist(),
            "share_over_0.8": (rows > 0.8).mean(axis=0).round(3).tolist(),
            "share_over_0.9": (rows > 0.9).mean(axis=0).round(3).tolist(),
            "box_iou": round(float(np.mean(self.boxes)), 3),
            "click_ms_mean": round(float(np.mean(self.click_ms)), 1),
            "click_ms_95": round(float(np.percentile(self.click_ms, 95)), 1),
            "prepare_cpu_s": round(float(np.mean(self.prepare_s)), 2),
        }


def iou(one: Mask, two: Mask) -> float:
    """Intersection over union."""
    return float((one & two).sum() / max((one | two).sum(), 1))


def middle(mask: Mask) -> tuple[tuple[int, int], float]:
    """The point (x, y) farthest from the mask's border, and that distance in px."""
    inside = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    return (int(column), int(row)), float(inside.max())


def next_click(found: Mask, truth: Mask) -> tuple[tuple[int, int], bool, float]:
    """Where the simulated user clicks next, whether it adds, and how thick the error is, px."""
    missing, spilt = middle(truth & ~found), middle(found & ~truth)
    return (*missing[:1], True, missing[1]) if missing[1] >= spilt[1] else (*spilt[:1], False, spilt[1])


def click_tooth(photo: NetPhoto, truth: Mask, tally: Tally) -> None:
    """Click on one tooth."""
    points, labels = [middle(truth)[0]], [True]
    answer, row = None, []
    for _ in range(CLICKS):
        start = time.perf_counter()
        answer = photo.click(Clicks(tuple(points), tuple(labels)), answer)
        tally.click_ms.append(1000 * (time.perf_counter() - start))
        row.append(iou(answer.mask, truth))
        point, adds, thick = next_click(answer.mask, truth)
        if thick < 1.5:
            break
        points.append(point)
        labels.append(adds)
    tally.rows.append(row + row[-1:] * (CLICKS - len(row)))
    y, x = np.nonzero(truth)
    box = Clicks(box=(float(x.min()), float(y.min()), float(x.max()), float(y.max())))
    tally.boxes.append(iou(photo.click(box).mask, truth))
    automatic = [iou(photo.seen.instances == i, truth) for i in np.unique(photo.seen.instances[truth]) if i]
    tally.automatic.append(max(automatic, default=0.0))


def measure(engine: NetEngine, photos: Iterator[tuple[NDArray[np.uint8], NDArray]]) -> dict[str, Any]:
    """Click on every tooth of some photos.

    Args:
        engine: who draws.
        photos: pixels and FDI labels.
    """
    tally = Tally()
    for pixels, labels in photos:
        start = time.process_time()
        photo = engine.prepare(pixels)
        tally.prepare_s.append(time.process_time() - start)
        height, width = photo.seen.tooth.shape
        grid = cv2.resize(labels.astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST)
        working = NetPhoto(photo.seen, (height, width))
        for tooth in np.unique(grid[grid > 0]):
            if (grid == tooth).sum() >= _SMALLEST:
                click_tooth(working, grid == tooth, tally)
    return tally.summary()


def synthetic(patients: int) -> Iterator[tuple[NDArray[np.uint8], NDArray]]:
    """Photos that nobody has seen."""
    prior = load_prior()
    for patient in range(patients):
        for view in View:
            photo = draw_photo(prior, view, np.random.default_rng([_SEED, patient, int(view)]))
            yield photo.pixels, photo.labels


def jaw_clicks(segmenter: Segmenter, case: Path, wanted: float = 0.95) -> dict[str, Any]:
    """Clicks that the eight jaw masks of a case need until each has the wanted Dice."""
    engine, photos = NetEngine(segmenter), {}
    for view in View:
        photos[view] = np.asarray(Image.open(case / "photos" / f"{view.value}.jpg").convert("RGB"))
    found = segmenter.segment_all(photos)
    prepared = {view: engine.prepare(pixels) for view, pixels in photos.items()}
    rows = []
    for jaw, views in ORDER.items():
        for view in views:
            labels = np.asarray(Image.open(case / "labels" / "jaws" / f"{view.value}.png"))
            truth = labels == (1 if jaw is Jaw.UPPER else 2)
            own = [i for i, side in found[view].jaw_of.items() if side is jaw]
            start = np.isin(found[view].instances, own)
            rows.append(
                {"jaw": jaw.value, "view": view.slug, **_to_dice(prepared[view], start, truth, wanted)}
            )
    return {"clicks": sum(row["clicks"] for row in rows), "pictures": rows}


def _to_dice(photo: NetPhoto, start: Mask, truth: Mask, wanted: float) -> dict[str, Any]:
    height, width = photo.seen.tooth.shape

    def small(mask: Mask) -> Mask:
        return cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0

    mask, truth = small(start), small(truth)
    scores = [_dice(mask, truth)]
    while scores[-1] < wanted and len(scores) <= 10:
        point, adds, _ = next_click(mask, truth)
        mask = changed(photo.seen, mask, Clicks((point,), (adds,)), 0)
        scores.append(_dice(mask, truth))
    return {"clicks": len(scores) - 1, "dice": [round(score, 4) for score in scores]}


def _dice(one: Mask, two: Mask) -> float:
    return float(2 * (one & two).sum() / max(one.sum() + two.sum(), 1))


def main() -> None:
    """Measure and write ``results/clicks.json``."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cv2.setNumThreads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cases", type=Path, help="folder with case-a and case-c")
    parser.add_argument("--patients", type=int, default=4, help="synthetic patients")
    parser.add_argument("--without-case-c", type=Path, metavar="FILE", help="a network that never saw case-c")
    options = parser.parse_args()
    held_out, shipped = Segmenter.load(HELD_OUT), Segmenter.load()
    summary: dict[str, Any] = {}
    for name in ("case-a", "case-c"):
        photos = ((p.pixels, p.teeth) for p in read_case(options.cases / name))
        summary[name] = measure(NetEngine(held_out), photos)
        LOG.info("%s %s", name, summary[name])
    summary["synthetic"] = measure(NetEngine(shipped), synthetic(options.patients))
    blind = None if options.without_case_c is None else Segmenter.load(options.without_case_c)
    jaws = jaw_clicks(blind or held_out, options.cases / "case-c")
    summary["case-c jaws at Dice 0.95"] = {"network_saw_case_c": blind is None, **jaws}
    write_result("clicks", summary, [])


if __name__ == "__main__":
    main()
