"""``segmentation.json``: what was found in each photo and in the set, as JSON that its schema has checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from teethscape.dental.fdi import jaw_of
from teethscape.dental.files import write_json
from teethscape.dental.masks import FIRST_UNNAMED
from teethscape.dental.photos import Photo
from teethscape.dental.schema import problems
from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.segmentation.network import SegmentationRuntime

if TYPE_CHECKING:
    from teethscape.segmentation.quality import PhotoQuality
    from teethscape.segmentation.recognition import PhotoRecognition
    from teethscape.segmentation.segmenter import Segmentation

RECORD = "segmentation.json"
_SCHEMA = Path(__file__).parent / "data" / "segmentation_schema.json"
_SIDES = {View.LEFT_BUCCAL: "left", View.RIGHT_BUCCAL: "right"}


class FlipVerdict(Enum):
    """What the fit of all photos says of one photo's mirroring."""

    NOT = "not tested"
    CLOSE = "too close to tell"
    RIGHT = "fits as it is"
    FLIPPED = "fits better flipped"

    @classmethod
    def of(cls, verdict: bool | None) -> FlipVerdict:
        """From a verdict of the numbering (`Numbered.mirrored`)."""
        return cls.CLOSE if verdict is None else (cls.FLIPPED if verdict else cls.RIGHT)


@dataclass(frozen=True)
class Mirroring:
    """Whether a photo shows its teeth as in a mirror.

    Attributes:
        mirrored: None when nothing tells.
        words: why we think so.
    """

    mirrored: bool | None
    words: str


_UNKNOWN = Mirroring(None, "One photo alone does not tell; the fit with the other photos does.")
_FLIPPED = Mirroring(True, "Flipped back as the user asked.")
_BOTH_SIDES = Mirroring(
    None,
    "Each side is seen once: not one of them alone is mirrored; the fit with the other photos tells of both.",
)
_SAME_SIDE = Mirroring(None, "Two photos show this side: one of them is mirrored, or one too many.")
_AS_IT_IS = Mirroring(False, "The teeth fit the other photos better as they are than flipped.")
_BETTER_FLIPPED = Mirroring(True, "The teeth fit the other photos better flipped: taken through a mirror?")
_CLOSE = Mirroring(None, "The teeth fit the other photos about as well flipped.")


def mirroring_of(photo: Photo, same_side: bool = False, tested: FlipVerdict = FlipVerdict.NOT) -> Mirroring:
    """What is known about the mirroring of a photo in its view.

    Args:
        photo: in its view.
        same_side: another photo shows the same side.
        tested: what the fit of all numbered teeth says (`FlipVerdict.of`).
    """
    if photo.mirrored:
        return _FLIPPED
    if same_side:
        return _SAME_SIDE
    if tested in (FlipVerdict.FLIPPED, FlipVerdict.RIGHT):
        return _BETTER_FLIPPED if tested is FlipVerdict.FLIPPED else _AS_IT_IS
    if tested is FlipVerdict.CLOSE:
        return _CLOSE
    return _BOTH_SIDES if photo.view in _SIDES else _UNKNOWN


def finding_record(photo: Photo, finding: PhotoRecognition, mirroring: Mirroring) -> dict[str, Any]:
    """A photo's entry before its teeth are known.

    Args:
        photo: in the view that it is taken for.
        finding: what recognition says of it.
        mirroring: what is known about that.
    """
    view = photo.view if finding.shows_teeth else None
    return {
        "photo": photo.source.name,
        "view": None if view is None else view.slug,
        "view_confidence": _share(finding.confidence),
        "side": None if view is None else _SIDES.get(view),
        "rotation": finding.rotation,
        "mirrored": mirroring.mirrored,
        "mirroring": mirroring.words,
        "quality": quality_record(finding.quality),
        "notices": list(photo.notices),
        "mask": None,
        "gum": None,
        "teeth": None,
    }


def quality_record(quality: PhotoQuality) -> dict[str, Any]:
    """A photo's quality as JSON values."""
    return {
        "verdict": quality.verdict.value,
        "findings": [
            {"reason": f.reason.value, "value": round(f.value, 3), "text": f.sentence}
            for f in quality.findings
        ],
        "blur_px": None if quality.blur_px is None else round(quality.blur_px, 2),
        "cut_off": round(quality.cut_off, 2),
        "glare": _share(quality.glare),
    }


def tooth_records(mask: NDArray[np.uint8], upright: NDArray[np.uint8], seen: Segmentation) -> list[dict]:
    """The teeth of a photo.

    Args:
        mask: (h, w) FDI numbers on the photo as it was given, or the network's ids, counted from
            ``FIRST_UNNAMED`` on.
        upright: (h', w') the same on the upright working copy.
        seen: what the network found there.
    """
    return [
        {
            "fdi": value if value < FIRST_UNNAMED else None,
            "value": value,
            "jaw": (jaw_of(value) if value < FIRST_UNNAMED else seen.jaw_of[value - FIRST_UNNAMED + 1]).value,
            "confidence": _share(_confidence(seen, upright == value)),
            "pixels": int((mask[place] == value).sum()),
            "box": [place[1].start, place[0].start, place[1].stop - 1, place[0].stop - 1],
        }
        for value, place in enumerate(find_objects(mask), start=1)
        if place
    ]


def _confidence(seen: Segmentation, tooth: NDArray[np.bool_]) -> float:
    """That of the network's instances under a tooth, weighted by what they cover of it."""
    counts = np.bincount(seen.instances[tooth]) if tooth.any() else np.zeros(1, int)
    parts = {i: int(count) for i, count in enumerate(counts) if i and count}
    total = sum(parts.values())
    return sum(seen.confidence[i] * count for i, count in parts.items()) / total if total else 0.0


def segmentation_record(
    photos: Mapping[View, Mapping[str, Any]],
    runtime: SegmentationRuntime,
    set_problems: tuple[str, ...] = (),
    refused: RefusedError | None = None,
) -> dict[str, Any]:
    """The whole record.

    Args:
        photos: by the number under which each was given, its entry.
        runtime: the network.
        set_problems: what is wrong with the set, in sentences.
        refused: why the teeth have no numbers, if so.

    Raises:
        ValueError: the record breaks its schema, a mistake of ours.
    """
    record = {
        "format": "teethscape-segmentation",
        "schema_version": 1,
        "network": {"file": runtime.path.name, "gum": True},
        "photos": {str(int(slot)): dict(photo) for slot, photo in sorted(photos.items())},
        "problems": list(set_problems),
        "refused": None
        if refused is None
        else {"code": refused.code, "message": refused.message, "advice": refused.advice},
    }
    wrong = problems(record, _schema())
    if wrong:
        raise ValueError(f"{RECORD} would break its schema: {'; '.join(wrong[:3])}")
    return record


def write_record(output: Path, record: Mapping[str, Any]) -> Path:
    """Write ``segmentation.json``."""
    write_json(output / RECORD, record)
    return output / RECORD


@cache
def _schema() -> dict[str, Any]:
    return json.loads(_SCHEMA.read_text("utf-8"))


def _share(value: float) -> float:
    """A number that is a share, rounded."""
    return round(float(np.clip(value, 0.0, 1.0)), 3)
