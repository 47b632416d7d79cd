"""Teeth in panoramic X-rays, by a network that the user trained.

Needs torch only for a checkpoint; an ONNX export runs in the standard profile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental.files import write_bytes, write_json
from teethscape.errors import BadInputError, UsageError
from teethscape.progress import Progress, XrayStage
from teethscape.segmentation.toothseg.classes import Classes
from teethscape.segmentation.toothseg.layouts import PICTURE_SUFFIXES
from teethscape.segmentation.toothseg.pictures import read_picture
from teethscape.segmentation.toothseg.predict import Predictor, load_predictor

#: Width of outlines in the overlay as a share of the picture's height.
_LINE = 1 / 400


@dataclass(frozen=True)
class XrayRequest:
    """What to segment.

    Attributes:
        picture: an X-ray, or a folder of them.
        weights: ONNX export, or checkpoint, of a ToothSeg network.
        output: folder for ``NAME.png`` (labels), ``NAME_overlay.png`` and ``NAME.json``; where two
            pictures would share them, NAME has the ending in it, as ``a_jpg``.
    """

    picture: Path
    weights: Path
    output: Path

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> XrayRequest:
        """From the fields of a job.

        Raises:
            UsageError: a field is missing.
        """
        names = ("picture", "weights", "output")
        for name in names:
            if not isinstance(values.get(name), str) or not values[name]:
                raise UsageError("usage", f"The job names no {name}.", "Choose one.")
        return cls(*(Path(values[name]) for name in names))


def segment_xray(request: XrayRequest, progress: Progress) -> dict[str, Any]:
    """Segment one X-ray or a folder of them; returns per picture its files and shares.

    Raises:
        BadInputError: a picture or the network cannot be used.
        MissingComponentError: the network is a checkpoint and torch is not installed.
    """
    progress.stage(XrayStage.SEGMENT, 0.0)
    pictures = _pictures(request.picture)
    names = _names(pictures)
    _require_free(pictures, names, request.output)
    predictor = load_predictor(request.weights)
    found = []
    for number, path in enumerate(pictures):
        progress.stage(XrayStage.SEGMENT, number / len(pictures), path.name)
        found.append(_segment(path, names[path], predictor, request))
    progress.stage(XrayStage.SEGMENT, 1.0)
    return {"output": str(request.output), "xrays": found}


def _pictures(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file())
    if not found:
        raise BadInputError("no_pictures", f"{path} holds no picture.", "Choose an X-ray.")
    return found


def _results(name: str, output: Path) -> tuple[Path, Path]:
    """Mask and overlay."""
    return output / f"{name}.png", output / f"{name}_overlay.png"


def _names(pictures: Sequence[Path]) -> dict[Path, str]:
    """What the results of each picture are called: so that none replaces another's."""
    stems = Counter(path.stem.lower() for path in pictures)

    def alone(stem: str) -> bool:
        shown = stem.removesuffix("_overlay")
        return stems[stem] == 1 and (shown == stem or shown not in stems)

    return {path: path.stem if alone(path.stem.lower()) else path.name.replace(".", "_") for path in pictures}


def _require_free(pictures: Sequence[Path], names: Mapping[Path, str], output: Path) -> None:
    """Refuse results that would replace a picture, or one another."""
    results = [file for path in pictures for file in _results(names[path], output)]
    replaced = {file.resolve() for file in results} & {path.resolve() for path in pictures}
    if replaced:
        raise UsageError(
            "same_folder", f"The result would replace {min(replaced)}.", "Give another output folder."
        )
    if len({file.name.lower() for file in results}) < len(results):
        raise UsageError("same_folder", "Two results would have one name.", "Rename the pictures.")


def _segment(path: Path, name: str, predictor: Predictor, request: XrayRequest) -> dict[str, Any]:
    """Write the three files of one picture."""
    labels = predictor.classes.decided(predictor.chances(path))
    mask, drawn = _results(name, request.output)
    _write(mask, labels)
    _write(drawn, overlay(read_picture(path, 3), labels, predictor.classes)[..., ::-1])
    record = {
        "xray": str(path),
        "mask": str(mask),
        "overlay": str(drawn),
        "weights": str(request.weights),
        "classes": shares(labels, predictor.classes),
    }
    write_json(mask.with_suffix(".json"), record)
    return record


def _write(path: Path, image: NDArray) -> None:
    _, data = cv2.imencode(".png", image)
    write_bytes(path, data.tobytes())


def shares(labels: NDArray[np.uint8], classes: Classes) -> dict[str, dict[str, Any]]:
    """Per class its value in the mask and its share of the picture."""
    return {
        classes.planes[plane]: {
            "value": 1 if len(classes.planes) == 1 else plane,
            "share": round(float(classes.mask_of(labels, plane).mean()), 4),
        }
        for plane in classes.foreground
    }


def overlay(picture: NDArray[np.uint8], labels: NDArray[np.uint8], classes: Classes) -> NDArray[np.uint8]:
    """A picture (h, w, 3) RGB with tinted classes and their outlines."""
    out = picture.copy()
    width = max(1, round(picture.shape[0] * _LINE))
    for plane in classes.foreground:
        inside = classes.mask_of(labels, plane)
        colour = np.array(classes.colours[plane], np.float32)
        out[inside] = (0.7 * out[inside] + 0.3 * colour).astype(np.uint8)
        lines, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(out, lines, -1, classes.colours[plane], width, cv2.LINE_AA)
    return out
