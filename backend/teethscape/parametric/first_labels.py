"""Labels for the first fit, drawn with the rough teeth that the numbering found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental.masks import at_size
from teethscape.dental.views import View
from teethscape.parametric.arch import Arch
from teethscape.parametric.camera import Camera
from teethscape.parametric.expected import expected_teeth
from teethscape.parametric.interface import Sight
from teethscape.parametric.observations import UNNUMBERED
from teethscape.parametric.result import Numbered

#: Width, px at the size of the sight, of the brush that spreads pieces without a number over their borders.
_SPREAD = 7

IntImage = NDArray[np.int32]


def drawn_by_numbering(
    numbered: Numbered,
    pieces: Mapping[View, IntImage],
    arch: Arch,
    cameras: Mapping[View, Camera],
    sight: Mapping[View, Sight],
) -> Numbered:
    """Labels drawn anew before the first fit, with the rough teeth that the numbering found.

    A label that has a number says where its tooth is; the rough model adds what it lacks, the teeth that
    have no label, and whose the smaller pieces are where several got one number.

    Args:
        numbered: the numbers.
        pieces: (h, w) ids of the labels as they were cut, any size.
        arch: rough teeth.
        cameras: a rough camera per view.
        sight: what the network saw in each photo.
    """
    drawn = {}
    for view, ids in pieces.items():
        size = sight[view].size
        rough = expected_teeth(arch, numbered.present, view, cameras[view].resized(*size))
        own = _largest_pieces(ids, numbered.numbering[view], size)
        drawn[view] = sight[view].redrawn(np.where(own > 0, own, rough).astype(np.int32), rough=True)
    return replace(numbered, labels=drawn)


def doubted(numbered: Numbered, pieces: Mapping[View, IntImage]) -> dict[View, IntImage]:
    """Labels for the first fit, with ``UNNUMBERED`` where a tooth was drawn over a piece without a number.

    The numbering could not tell whose such a piece is, so it must not pull at the fit, and where it borders
    on a tooth nobody knows that tooth's outline.  The fitted model tells.

    Args:
        numbered: labels drawn by :func:`drawn_by_numbering`.
        pieces: (h, w) ids of the labels as they were cut, any size.
    """
    out = {}
    for view, labels in numbered.labels.items():
        ids = at_size(pieces[view], labels.shape[::-1])
        unknown = np.isin(ids, [0, *numbered.numbering[view]], invert=True).astype(np.uint8)
        loose = cv2.dilate(unknown, np.ones((_SPREAD, _SPREAD), np.uint8)) > 0
        out[view] = np.where(loose & (labels > 0), UNNUMBERED, labels).astype(np.int32)
    return out


def _largest_pieces(ids: IntImage, numbers: Mapping[int, int], size: tuple[int, int]) -> IntImage:
    """(h, w) FDI number of every tooth's largest piece at a size (width, height), 0 elsewhere."""
    areas = np.bincount(ids.ravel(), minlength=max(numbers, default=0) + 1)
    largest = {fdi: i for i, fdi in sorted(numbers.items(), key=lambda pair: areas[pair[0]])}
    table = np.zeros(len(areas), np.int32)
    table[list(largest.values())] = list(largest)
    return table[at_size(ids, size)]
