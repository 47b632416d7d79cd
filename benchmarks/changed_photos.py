"""Numbers that ``teethscape segment`` gives to changed copies of a labelled case's photos.

    python benchmarks/changed_photos.py ../shared/cases/case-a --weights held_out.onnx
    python benchmarks/changed_photos.py ../shared/cases/case-c --weights held_out.onnx --absent 31

Copies are made at 800 px.  A set of copies is wrong when a tooth with at least half of the median area in its
photo gets another number; smaller ones, most of them cut off by the picture, are counted beside it.  A tooth
of which a quarter bears its own number is not wrong: in case-a's anterior photo the hand-made label of 25
covers the lower molar below it as well, which bears its own.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bench_common import CACHE, LOG, using_network, write_result
from numpy.typing import NDArray

from teethscape.dental.masks import read_label_image
from teethscape.errors import TeethscapeError
from teethscape.pipeline import segment_folder
from teethscape.progress import NoProgress
from teethscape.segmentation.segmenter import Segmenter
from teethscape.segmentation.train_photos import TrainingPhoto, read_case

Picture = NDArray[np.uint8]
Change = Callable[[Picture, Picture, np.random.Generator], tuple[Picture, Picture]]
#: What a copy shows beyond the photo.
_FRAME = (12, 10, 10)
#: Least area of a tooth that is judged, in medians of its photo.
_JUDGED = 0.5
#: Share of a true label that bears its number in a tooth that is numbered rightly.
_OWN = 0.25


def _moved(share: float, degrees: float, size: float) -> Change:
    """Shifted by up to a share of the width, turned by up to some degrees, made smaller by up to ``size``."""

    def change(pixels: Picture, teeth: Picture, rng: np.random.Generator) -> tuple[Picture, Picture]:
        height, width = teeth.shape
        turn, scale = rng.uniform(-degrees, degrees), rng.uniform(size, 1.0)
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, scale)
        matrix[:, 2] += rng.uniform(-share, share, 2) * width
        frame = cv2.warpAffine(pixels, matrix, (width, height), borderValue=_FRAME)
        labels = cv2.warpAffine(teeth, matrix, (width, height), flags=cv2.INTER_NEAREST)
        return frame.astype(np.uint8), labels.astype(np.uint8)

    return change


def _recoloured(gain: Sequence[float], gamma: float = 1.0, grain: float = 0.0, blur: float = 0.0) -> Change:
    """Other white balance, light, grain (grey levels) and sharpness (px)."""

    def change(pixels: Picture, teeth: Picture, rng: np.random.Generator) -> tuple[Picture, Picture]:
        soft = cv2.GaussianBlur(pixels, (0, 0), blur) if blur else pixels
        lit = 255 * (soft / 255) ** gamma * np.array(gain) + grain * rng.normal(0, 1, pixels.shape)
        return np.clip(lit, 0, 255).astype(np.uint8), teeth

    return change


def _halved(pixels: Picture, teeth: Picture, _rng: np.random.Generator) -> tuple[Picture, Picture]:
    size = (teeth.shape[1] // 2, teeth.shape[0] // 2)
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return small, cv2.resize(teeth, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)


def _poor_jpeg(pixels: Picture, teeth: Picture, _rng: np.random.Generator) -> tuple[Picture, Picture]:
    coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 25])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8), teeth


CHANGES: dict[str, Change] = {
    "at 800 px": lambda pixels, teeth, _rng: (pixels, teeth),
    "turned": _moved(0.0, 10.0, 1.0),
    "shifted": _moved(0.06, 0.0, 1.0),
    "framed": _moved(0.0, 0.0, 0.7),
    "moved": _moved(0.04, 7.0, 0.75),
    "at 400 px": _halved,
    "darker": _recoloured((1, 1, 1), gamma=1.6),
    "lighter": _recoloured((1, 1, 1), gamma=0.62),
    "warm": _recoloured((1.15, 1, 0.8)),
    "cold": _recoloured((0.85, 1, 1.15)),
    "soft": _recoloured((1, 1, 1), blur=1.6),
    "grainy": _recoloured((1, 1, 1), grain=14.0),
    "JPEG 25": _poor_jpeg,
}


def written(photos: Sequence[TrainingPhoto], name: str, folder: Path) -> dict[int, Picture]:
    """Write changed copies; returns the true labels of each photo."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "photos").mkdir(parents=True)
    truth = {}
    for photo in photos:
        pixels, truth[photo.view] = CHANGES[name](photo.pixels, photo.teeth, rng)
        cv2.imwrite(str(folder / "photos" / f"{photo.view}.png"), pixels[..., ::-1])
    return truth


def judged(truth: dict[int, Picture], masks: Path) -> dict[str, Any]:
    """Status, wrong numbers and Dice of one set of copies."""
    wrong, cut_off, dice = [], 0, []
    for view, teeth in truth.items():
        found = read_label_image(masks / f"{view}.png")
        dice.append(2 * ((found > 0) & (teeth > 0)).sum() / max((found > 0).sum() + (teeth > 0).sum(), 1))
        values, areas = np.unique(teeth[teeth > 0], return_counts=True)
        for fdi, area in zip(values.tolist(), areas.tolist(), strict=True):
            shares = np.bincount(found[teeth == fdi], minlength=fdi + 1) / area
            given = int(shares.argmax())
            if given in (0, fdi) or shares[fdi] > _OWN:
                continue
            if area < _JUDGED * np.median(areas):
                cut_off += 1
            else:
                wrong.append(f"{view}: {fdi} called {given}")
    status = "wrong" if wrong else "right"
    return {"status": status, "wrong": wrong, "cut_off": cut_off, "dice": round(float(np.mean(dice)), 4)}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", type=Path)
    parser.add_argument("--weights", type=Path, help="a network that never saw the case")
    parser.add_argument("--absent", type=int, nargs="*", default=[], help="missing teeth, where it is asked")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    photos, segmenter = read_case(args.case), Segmenter.load(args.weights)
    rows: list[dict[str, Any]] = []
    for name in CHANGES:
        folder = CACHE / f"changed-{args.case.name}"
        truth = written(photos, name, folder)
        asked = segment_folder.SegmentRequest(
            folder / "photos", folder / "out", absent_teeth=tuple(args.absent)
        )
        try:
            with using_network(segmenter):
                segment_folder.segment_folder(asked, NoProgress())
            row = judged(truth, asked.output)
        except TeethscapeError as refusal:
            row = {"status": "refused", "why": refusal.code}
        rows.append({"change": name, **row})
        LOG.info("%s", rows[-1])
        counts = {s: sum(row["status"] == s for row in rows) for s in ("right", "refused", "wrong")}
        write_result(f"changed_photos_{args.case.name}", {"copies": counts}, rows)


if __name__ == "__main__":
    main()
