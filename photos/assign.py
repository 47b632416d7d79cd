"""Which dropped or chosen file goes into which slot. Pure.

Only a first guess: the engine recognises the views from the pictures.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..backend.teethscape.dental.views import View

#: Picture files that the engine reads; HEIC where its reader is installed.
SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".heic", ".heif")


def picture_files(folder: Path) -> list[Path]:
    """The pictures in a folder, ``IMG_2`` before ``IMG_10``; hidden files are left out."""
    entries = (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    return sorted((path for path in entries if not path.name.startswith(".")), key=_natural)


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    parts = re.split(r"(\d+)", path.name.lower())
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def assign_photos(
    files: Iterable[Path], filled: Mapping[View, Path], views: Sequence[View]
) -> dict[View, Path]:
    """Choose slots for files.

    Files named ``0`` to ``4`` go to that view. All others fill the empty slots
    in order; five or more files (a whole set) start from empty slots.

    Args:
        files: the chosen files.
        filled: slots that already hold a photo.
        views: slots in use, in order.

    Returns:
        Slots to change; files beyond the last free slot are left out.
    """
    paths = sorted(set(files), key=_natural)
    chosen = {View(int(path.stem)): path for path in paths if path.stem in {str(int(view)) for view in views}}
    others = [path for path in paths if path not in chosen.values()]
    taken = set(chosen) if len(paths) >= len(views) else {*chosen, *filled}
    free = [view for view in views if view not in taken]
    return {**chosen, **dict(zip(free, others, strict=False))}
