"""Whether a case's pictures are all there, can be decoded, and have the right size and kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import cv2
import numpy as np

from teethscape.dataset.farm.layout import INPUT, NORMAL, PHOTO, TARGET, ViewFolders, photo_files
from teethscape.dental.fdi import Jaw

_KIND_FOLDERS = {"normal": (NORMAL,), "color": (TARGET, INPUT)}


def picture_problems(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """File and what is wrong with it.

    Args:
        manifest: of one case.
        files: content of its files with a right checksum.
    """
    for name in needed_files(manifest):
        if name not in manifest["files"]:
            yield name, "is not part of the case, although the layout needs it"
    size = manifest["look"]["image_size"] if manifest["jaw"] else None
    for name, data in files.items():
        problem = picture_problem(data, size) if name.endswith((".png", ".jpg")) else ""
        if problem:
            yield name, problem
    if manifest["jaw"] is None:
        yield from _photo_sizes(manifest, files)


def picture_problem(data: bytes, size: int | None) -> str:
    """What is wrong with a picture; ``size`` is the side of a square render, None for any size."""
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None:
        return "cannot be decoded"
    if size is not None and picture.shape != (size, size, 4):
        return f"is {picture.shape} instead of {size} x {size} RGBA"
    if size is not None and not picture[..., 3].any():
        return "is empty: nothing of the jaw is in it"
    return ""


def needed_files(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Files that the layout asks of a case of these kinds."""
    uid = manifest["uid"]
    if manifest["jaw"] is None:
        return photo_files(uid)
    folders = ViewFolders(uid, Jaw(manifest["jaw"]))
    parts = [part for kind in manifest["kinds"] for part in _KIND_FOLDERS[kind]]
    return tuple(name for part in parts for name in (*folders.images(part), *folders.metadata(part)))


def _photo_sizes(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """Labels of a photograph have its size."""
    base = f"{PHOTO}/{manifest['uid']}"
    for k in range(5):
        photo = _shape(files.get(f"{base}/photos/{k}.jpg"))
        for name, data in files.items():
            is_label = name.startswith(f"{base}/labels/") and name.rpartition("/")[2] == f"{k}.png"
            if is_label and photo is not None and _shape(data) != photo:
                yield name, "has another size than its photograph"


def _shape(data: bytes | None) -> tuple[int, ...] | None:
    picture = None if data is None else cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return None if picture is None else picture.shape[:2]
