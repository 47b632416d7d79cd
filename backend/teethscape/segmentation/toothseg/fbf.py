"""Fast bilateral filter: less noise, edges kept (spec, section 8)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental.files import storage_errors, write_bytes
from teethscape.errors import BadInputError, UsageError
from teethscape.segmentation.toothseg.layouts import PICTURE_SUFFIXES
from teethscape.segmentation.toothseg.mask_names import is_mask_path
from teethscape.segmentation.toothseg.pictures import decode_picture, stretched


@dataclass(frozen=True)
class Bilateral:
    """The filter at half size.

    Attributes:
        diameter: of the neighbourhood, px.
        sigma_color: grey levels that count as alike.
        sigma_space: distance over which pixels count, px.
    """

    diameter: int = 7
    sigma_color: float = 50.0
    sigma_space: float = 15.0


def fast_bilateral(grey: NDArray, settings: Bilateral | None = None) -> NDArray[np.uint8]:
    """Filter a grey picture (h, w); other types than 8 bit are stretched to 0-255 first."""
    settings = settings or Bilateral()
    grey = stretched(grey)
    height, width = grey.shape
    half = (max(width // 2, 1), max(height // 2, 1))
    small = cv2.resize(grey, half, interpolation=cv2.INTER_AREA)
    smooth = cv2.bilateralFilter(small, settings.diameter, settings.sigma_color, settings.sigma_space)
    return np.asarray(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def filter_folder(
    source: Path, target: Path, settings: Bilateral, report: Callable[[float, str], None]
) -> dict[str, int]:
    """Filter every picture below ``source`` into the same place below ``target``.

    Masks (by their names or their folders') and split or index files (JSON, CSV) are copied unchanged.

    Returns:
        How many pictures were filtered and how many files copied.

    Raises:
        BadInputError: there is no picture, or one cannot be read.
        UsageError: the target lies in the source.
    """
    if not source.is_dir():
        raise BadInputError("folder_missing", f"The folder {source} does not exist.", "Check the path.")
    if target.resolve().is_relative_to(source.resolve()):
        raise UsageError("same_folder", f"{target} lies in {source}.", "Give an output folder beside it.")
    files = [path for path in sorted(source.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    pictures = [
        p for p in files if p.suffix.lower() in PICTURE_SUFFIXES and not is_mask_path(p.relative_to(source))
    ]
    if not pictures:
        raise BadInputError("no_pictures", f"{source} holds no picture.", "Check --images-dir.")
    for count, path in enumerate(pictures):
        report(count / len(pictures), path.name)
        _filter_file(path, target / path.relative_to(source), settings)
    filtered = set(pictures)
    copied = [
        p for p in files if p not in filtered and p.suffix.lower() in (*PICTURE_SUFFIXES, ".json", ".csv")
    ]
    for path in copied:
        _copy(path, target / path.relative_to(source))
    report(1.0, f"{len(pictures)} pictures")
    return {"filtered": len(pictures), "copied": len(copied)}


def _filter_file(path: Path, target: Path, settings: Bilateral) -> None:
    grey = decode_picture(path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 100]  # names stay, because an index may list them
    _, data = cv2.imencode(path.suffix.lower(), fast_bilateral(grey, settings), quality)
    write_bytes(target, data.tobytes())


def _copy(path: Path, target: Path) -> None:
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
