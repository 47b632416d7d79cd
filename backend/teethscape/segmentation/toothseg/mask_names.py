"""Masks told by the names of their files and folders."""

from __future__ import annotations

import re
from pathlib import Path

#: Folders whose names begin or end with one of these words hold masks, never pictures.
_MASK_WORDS = frozenset({
    "mask", "masks", "label", "labels", "labelmap", "labelmaps", "annotation", "annotations",
    "gt", "gts", "truth", "truths", "groundtruth", "groundtruths",
})  # fmt: skip
#: So do these, unless a folder in them is called after pictures: sets like to be named by their purpose.
_PURPOSE_WORDS = frozenset({"seg", "segs", "segm", "segmentation", "segmentations", "segmented"})
_PICTURE_WORDS = frozenset({
    "image", "images", "img", "imgs", "photo", "photos", "picture", "pictures", "frames", "ray", "rays",
})  # fmt: skip
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


def is_mask_path(path: Path) -> bool:
    """True of ``0000_mask.png``, and below ``thyroid-mask``, ``labelsTr``, ``segmentation`` and the like."""
    if is_mask_name(path):
        return True
    ends = [_ends(part) for part in path.parts[:-1]]
    if any(some & _MASK_WORDS for some in ends):
        return True
    telling = [some for some in ends if some & (_PURPOSE_WORDS | _PICTURE_WORDS)]
    return bool(telling and telling[-1] & _PURPOSE_WORDS)


def is_mask_name(path: Path) -> bool:
    """True of a file whose own name begins or ends as those of masks do, such as ``0000_mask.png``."""
    return bool(_ends(path.stem) & (_MASK_WORDS | _PURPOSE_WORDS))


def _ends(name: str) -> set[str]:
    """The first and the last word of a name, in small letters; of ``no-labels`` none."""
    words = [word.lower() for word in _WORD.findall(name)]
    return set() if {"no", "without"} & set(words) else {*words[:1], *words[-1:]}
