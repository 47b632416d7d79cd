"""View, side and mirroring of sets of photos in random order and flips.

    python benchmarks/views.py --renders CASES --cases ../shared/cases

200 sets: half are rendered cases (``photo_render.py``; five photos of one patient), half are put together
from drawn photos that no network has seen, one of each view. Every photo stands on its head with a chance of
a quarter; in half of the sets one photo is flipped from left to right. The network looks at each photo as it
is, turned by 180 degrees, flipped, and both, once. A flipped buccal photo shows the other side: it is told
when the two photos of one side are named. Whether an anterior or occlusal photo is flipped no picture tells;
that is told by the numbering, here of synthetic patients' shuffled ids, each photo flipped in turn.
"""

from __future__ import annotations

import argparse
import itertools
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bench_common import LOG, ROOT, inputs_of, random_patient, variant_patient, write_result
from numbering import numbered
from numpy.typing import NDArray

from teethscape.dataset.patient_case import SyntheticPatient
from teethscape.dataset.synthetic_photo import draw_photo
from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.parametric.numbering.mirror import TESTED, MirroredError
from teethscape.parametric.prior import load_prior
from teethscape.segmentation.network import scaled
from teethscape.segmentation.recognition import Look, are_clear, first_look, look_at, recognise_looks
from teethscape.segmentation.segmenter import Segmenter

HELD_OUT = ROOT / "benchmarks" / "weights" / "segmenter_without_case_a.onnx"
_SEED = 31_000
_TURNED = 0.25
_SIDES = (View.LEFT_BUCCAL, View.RIGHT_BUCCAL)
_OTHER = dict(zip(_SIDES, reversed(_SIDES), strict=True))
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Photo:
    """A photo as it is, turned by 180 degrees, flipped from left to right, and both.

    Attributes:
        view: which it shows.
        given: whether turned and whether flipped -> what the network sees first and then, and the picture.
    """

    view: View
    given: Mapping[tuple[bool, bool], tuple[Look, Look, Pixels]]

    @classmethod
    def of(cls, view: View, pixels: Pixels, segmenter: Segmenter) -> Photo:
        """Look at a picture."""
        small, given = scaled(pixels, 448), {}
        for turned, flip in itertools.product((False, True), repeat=2):
            way, side = (-1 if turned else 1), (-1 if turned != flip else 1)
            picture = np.ascontiguousarray(small[::way, ::side])
            given[turned, flip] = first_look(picture, segmenter), look_at(picture, segmenter), picture
        return cls(view, given)


def judged_set(photos: Mapping[View, Photo], rng: np.random.Generator) -> dict[str, Any]:
    """One set in random order and flips: what was told right."""
    order = [View(int(v)) for v in rng.permutation(len(View))]
    turned = rng.random(len(View)) < _TURNED
    mirror = View(int(rng.integers(len(View)))) if rng.random() < 0.5 else None
    seen = [photos[v].given[bool(turned[k]), v is mirror] for k, v in enumerate(order)]
    first, then, pixels = zip(*seen, strict=True)
    found = recognise_looks(first if are_clear(first) else then, pixels)
    pair = found.same_side
    sides = {k for k, v in enumerate(order) if v in _SIDES}
    side_told = (set(pair) == sides) if pair else False
    judged = [k for k, v in enumerate(order) if not (mirror in _SIDES and v in _SIDES)]
    views = [found.photos[k].view is order[k] for k in judged]
    ways = [(found.photos[k].rotation == 180) == bool(turned[k]) for k in judged]
    return {
        "mirrored": None if mirror is None else mirror.slug,
        "photos": len(judged),
        "views_right": sum(views),
        "ways_right": sum(ways),
        "at_once": are_clear(first),
        "set_right": all(views) and all(ways) and (side_told if mirror in _SIDES else pair is None),
        "side_twice": pair is not None,
        "side_told": side_told,
    }


def drawn_photos(count: int, segmenter: Segmenter) -> dict[View, list[Photo]]:
    """New photos of each view."""
    prior, out = load_prior(), {}
    for view in View:
        rngs = (np.random.default_rng([_SEED, int(view), k]) for k in range(count))
        out[view] = [Photo.of(view, draw_photo(prior, view, rng).pixels, segmenter) for rng in rngs]
        LOG.info("%d drawn photos of %s", count, view.slug)
    return out


def case_photos(folder: Path, segmenter: Segmenter) -> dict[View, Photo]:
    """The five photos of a rendered or real case."""
    out = {}
    for view in View:
        image = cv2.imread(str(folder / "photos" / f"{view.value}.jpg"), cv2.IMREAD_COLOR)
        if image is None:
            raise FileNotFoundError(folder / "photos" / f"{view.value}.jpg")
        out[view] = Photo.of(view, image[..., ::-1].astype(np.uint8), segmenter)
    return out


def flip_rows(patient: SyntheticPatient, name: str) -> list[dict[str, Any]]:
    """A patient's shuffled ids as they are, and with photos flipped: does the numbering tell?"""
    return [_flip_row(patient, name, group) for group in ((), *TESTED)]


def _flip_row(patient: SyntheticPatient, name: str, group: tuple[View, ...]) -> dict[str, Any]:
    """One set; a flipped buccal photo is taken for the other side, as the network takes it."""
    inputs = inputs_of(patient)
    labels = dict(inputs.labels)
    for view in group:
        labels[_OTHER.get(view, view)] = np.ascontiguousarray(inputs.labels[view][:, ::-1])
    said: Mapping[View, bool | None] = {}
    told, refused = set(), None
    try:
        said = numbered(replace(inputs, labels=labels)).mirrored
    except MirroredError as error:
        told, refused = set(error.views), error.code
    except RefusedError as error:
        refused = error.code
    certain = {view for view, mirrored in said.items() if mirrored is False}
    wrong = told - set(group) or certain & set(group)
    right = told == set(group) if group else certain == set(View)
    return {
        "patient": name,
        "flipped": [view.slug for view in group],
        "refused": refused,
        "told": "wrong" if wrong else ("right" if right else "unsure"),
    }


def summary_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts of a kind of sets."""
    photos = sum(row["photos"] for row in rows)
    sides = [row for row in rows if row["mirrored"] in ("left_buccal", "right_buccal")]
    others = [row for row in rows if row not in sides]
    return {
        "sets": len(rows),
        "sets_right": sum(row["set_right"] for row in rows),
        "seen_at_once": sum(row["at_once"] for row in rows),
        "photos": photos,
        "views_right": sum(row["views_right"] for row in rows),
        "ways_right": sum(row["ways_right"] for row in rows),
        "mirrored_sides": len(sides),
        "mirrored_sides_told": sum(row["side_told"] for row in sides),
        "falsely_told": sum(row["side_twice"] for row in others),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--renders", type=Path, required=True, help="cases of photo_render.py")
    parser.add_argument("--cases", type=Path, required=True, help="real cases")
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--drawn", type=int, default=8, help="drawn photos of each view")
    parser.add_argument(
        "--patients", type=int, default=6, help="synthetic patients for flips told by the fit"
    )
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cv2.setNumThreads(1)
    segmenter = Segmenter.load()
    rng = np.random.default_rng(_SEED)
    rendered = [case_photos(p.parent, segmenter) for p in sorted(args.renders.glob("*/photos"))]
    rows = {"rendered": [judged_set(rendered[k % len(rendered)], rng) for k in range(args.sets // 2)]}
    LOG.info("%s", summary_of(rows["rendered"]))
    drawn = drawn_photos(args.drawn, segmenter)
    mixed = [{v: own[int(rng.integers(len(own)))] for v, own in drawn.items()} for _ in range(args.sets // 2)]
    rows["drawn"] = [judged_set(photos, rng) for photos in mixed]
    for name, network in (("case-a, held out", Segmenter.load(HELD_OUT)), ("case-c", segmenter)):
        photos = case_photos(args.cases / name.split(",")[0], network)
        rows[name] = [judged_set(photos, rng) for _ in range(20)]
    summary: dict[str, Any] = {name: summary_of(own) for name, own in rows.items()}
    LOG.info("%s", summary)
    flips = [row for k in range(args.patients) for row in flip_rows(_patient(k), f"{k}")]
    summary["flips told by the fit"] = {"tested": len(flips), **Counter(row["told"] for row in flips)}
    write_result("views", summary, {**rows, "flips": flips})


def _patient(number: int) -> SyntheticPatient:
    """Every other one whole, the rest random ones (gaps, missing teeth)."""
    return variant_patient(number // 2, "whole") if number % 2 else random_patient(number // 2)


if __name__ == "__main__":
    main()
