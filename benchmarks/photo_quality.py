"""Are bad photos called so with the right reason, and good ones not?

    python benchmarks/photo_quality.py --renders CASES --cases ../shared/cases

Photos of rendered cases (``photo_render.py``) are degraded by known amounts: blurred by a Gaussian, cropped
until a known share of the teeth's pixels is lost, teeth covered by washed-out spots. The limits were chosen
on the first half of the cases; only the others are counted. Pictures without teeth are drawn. Real photos
are good ones: nothing may be found in them.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bench_common import LOG, write_result
from numpy.typing import NDArray

from teethscape.dataset.negatives import draw_negative
from teethscape.dental.views import View
from teethscape.segmentation.quality import PhotoQuality, QualityReason
from teethscape.segmentation.recognition import Look, look_at, recognise_looks
from teethscape.segmentation.segmenter import Segmenter

#: Standard deviations of the blur, px at a longer side of 800 px.
BLURS = (1.0, 3.0, 4.0)
#: Lengths of a camera's movement, px at a longer side of 800 px.
SHAKES = (10.0, 16.0)
#: Shares of the teeth's pixels beyond the border, and under washed-out spots.
CUTS, GLARES = (0.06, 0.12), (0.15, 0.3)
_SIDES = {
    View.ANTERIOR: ("top", "bottom"),
    View.LEFT_BUCCAL: ("right",),
    View.RIGHT_BUCCAL: ("left",),
    View.MAXILLARY_OCCLUSAL: ("top", "bottom", "left", "right"),
    View.MANDIBULAR_OCCLUSAL: ("top", "bottom", "left", "right"),
}
#: Part of a rendered photo that is seen directly beside a mirror.
_BESIDE_MIRROR = 11
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Sample:
    """A photo, perhaps degraded.

    Attributes:
        pixels: (h, w, 3) RGB.
        view: what it shows.
        kind: what was done, such as ``blur 3``.
        reason: what must be found; None when nothing may be.
    """

    pixels: Pixels
    view: View
    kind: str
    reason: QualityReason | None


def blurred(pixels: Pixels, spread: float) -> Pixels:
    """Blurred by ``spread`` px at a longer side of 800 px."""
    return cv2.GaussianBlur(pixels, (0, 0), spread * max(pixels.shape) / 800).astype(np.uint8)


def shaken(pixels: Pixels, length: float, degrees: float) -> Pixels:
    """Blurred along a line of ``length`` px at a longer side of 800 px."""
    length *= max(pixels.shape) / 800
    side = 2 * int(np.ceil(length / 2)) + 3
    kernel = np.zeros((8 * side, 8 * side), np.float32)
    middle, way = 4 * side, 4 * length * np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    ends = [tuple(round(float(v)) for v in middle + sign * way) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 8)
    kernel = cv2.resize(kernel, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.filter2D(pixels, -1, kernel / kernel.sum()).astype(np.uint8)


def cropped(pixels: Pixels, teeth: NDArray[np.bool_], side: str, share: float) -> Pixels:
    """Cut at one side so that a share of the teeth's pixels is lost."""
    across = side in ("left", "right")
    lost = np.cumsum(teeth.sum(axis=0 if across else 1)) / max(int(teeth.sum()), 1)
    if side in ("left", "top"):
        first = int(np.searchsorted(lost, share))
        return np.ascontiguousarray(pixels[:, first:] if across else pixels[first:])
    last = int(np.searchsorted(lost, 1 - share))
    return np.ascontiguousarray(pixels[:, :last] if across else pixels[:last])


def washed_out(pixels: Pixels, teeth: NDArray[np.bool_], share: float, rng: np.random.Generator) -> Pixels:
    """White spots with soft borders over a share of the teeth."""
    rows, columns = np.nonzero(teeth)
    spots = np.zeros(teeth.shape, np.float32)
    while (spots[teeth] > 0).mean() < share:
        k = int(rng.integers(len(rows)))
        radius = int(rng.uniform(0.01, 0.03) * max(teeth.shape))
        cv2.circle(spots, (int(columns[k]), int(rows[k])), radius, 1.0, -1)
    soft = cv2.GaussianBlur(spots, (0, 0), 2.0)[..., None]
    return np.clip(pixels * (1 - soft) + 258 * soft, 0, 255).astype(np.uint8)


def rendered(folder: Path) -> Iterator[Sample]:
    """The photos of a rendered case as they are and degraded."""
    rng = np.random.default_rng(sum(folder.name.encode()))
    for view in View:
        pixels = _read(folder / "photos" / f"{view.value}.jpg", cv2.IMREAD_COLOR)[..., ::-1].copy()
        parts = _read(folder / "labels" / "parts" / f"{view.value}.png")
        teeth = (_read(folder / "labels" / "fdi" / f"{view.value}.png") > 0) & (parts != _BESIDE_MIRROR)
        yield Sample(pixels, view, "as rendered", None)
        for spread in BLURS:
            wanted = QualityReason.BLUR if spread >= 3 else None
            yield Sample(blurred(pixels, spread), view, f"blur {spread:g} px", wanted)
        for length in SHAKES:
            moved = shaken(pixels, length, float(rng.uniform(0, 180)))
            yield Sample(moved, view, f"shaken {length:g} px", QualityReason.BLUR)
        side = str(rng.choice(_SIDES[view]))
        for share in CUTS:
            cut = cropped(pixels, teeth, side, share)
            yield Sample(cut, view, f"cut off {share:.0%}", QualityReason.CUT_OFF)
        for share in GLARES:
            spotted = washed_out(pixels, teeth, share, rng)
            yield Sample(spotted, view, f"glare {share:.0%}", QualityReason.GLARE)


def real(case: Path) -> Iterator[Sample]:
    """A case's real photos, which are good, and blurred ones."""
    for picture in sorted(case.glob("photos/?.jpg")):
        pixels = _read(picture, cv2.IMREAD_COLOR)[..., ::-1].copy()
        yield Sample(pixels, View(int(picture.stem)), "real", None)
        yield Sample(blurred(pixels, 3.0), View(int(picture.stem)), "real, blur 3 px", QualityReason.BLUR)
        moved = shaken(pixels, SHAKES[-1], 40.0 * int(picture.stem))
        yield Sample(moved, View(int(picture.stem)), f"real, shaken {SHAKES[-1]:g} px", QualityReason.BLUR)


def without_teeth(count: int) -> Iterator[Sample]:
    """Drawn pictures of other things."""
    for number in range(count):
        pixels = draw_negative(np.random.default_rng([700, number]))
        yield Sample(pixels, View.ANTERIOR, "no teeth", QualityReason.WRONG_SUBJECT)


def _read(path: Path, flags: int = cv2.IMREAD_UNCHANGED) -> Pixels:
    image = cv2.imread(str(path), flags)
    if image is None:
        raise FileNotFoundError(path)
    return image.astype(np.uint8)


@dataclass(frozen=True)
class Seen:
    """A good photo that the network has looked at."""

    view: View
    pixels: Pixels
    look: Look


def judged_set(samples: Sequence[Sample], segmenter: Segmenter) -> list[dict[str, Any]]:
    """All photos of one patient; each is judged beside the good ones of the other views."""
    good = {s.view: s for s in samples if s.reason is None and s.kind in ("as rendered", "real")}
    seen = [Seen(v, s.pixels, look_at(s.pixels, segmenter)) for v, s in good.items()]
    return [judged(s, segmenter, [one for one in seen if one.view is not s.view]) for s in samples]


def judged(sample: Sample, segmenter: Segmenter, others: Sequence[Seen] = ()) -> dict[str, Any]:
    """What was found in one photo among the others of its patient, and whether that is right."""
    looks = [look_at(sample.pixels, segmenter), *(seen.look for seen in others)]
    pictures = [sample.pixels, *(seen.pixels for seen in others)]
    quality: PhotoQuality = recognise_looks(looks, pictures).photos[0].quality
    found = [finding.reason for finding in quality.findings]
    right = sample.reason in found if sample.reason else not found
    return {
        "kind": sample.kind,
        "view": sample.view.slug,
        "right": right,
        "found": [reason.value for reason in found],
        "blur_px": quality.blur_px,
        "cut_off": round(quality.cut_off, 3),
        "glare": round(quality.glare, 4),
    }


def summary_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Per kind: how many, and how many right."""
    kinds = dict.fromkeys(row["kind"] for row in rows)
    return {
        kind: {
            "photos": sum(row["kind"] == kind for row in rows),
            "right": sum(row["right"] for row in rows if row["kind"] == kind),
        }
        for kind in kinds
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--renders", type=Path, required=True, help="cases of photo_render.py")
    parser.add_argument("--cases", type=Path, required=True, help="real cases")
    parser.add_argument("--negatives", type=int, default=20)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cv2.setNumThreads(1)
    segmenter = Segmenter.load()
    folders = sorted(path.parent for path in args.renders.glob("*/photos"))
    rows: list[dict[str, Any]] = []
    for folder in folders[len(folders) // 2 :]:
        rows += judged_set(list(rendered(folder)), segmenter)
        LOG.info("%s %s", folder.name, summary_of(rows))
    for case in sorted(path.parent for path in args.cases.glob("*/photos")):
        rows += judged_set(list(real(case)), segmenter)
    rows += [judged(sample, segmenter) for sample in without_teeth(args.negatives)]
    write_result("photo_quality", summary_of(rows), rows)


if __name__ == "__main__":
    main()
