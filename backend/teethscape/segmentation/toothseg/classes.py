"""What the planes of a network mean, and the truth of each plane from label images."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw, is_permanent, is_primary, jaw_of
from teethscape.errors import BadInputError
from teethscape.segmentation.toothseg.index import Item, MaskKind

_FILE = Path(__file__).parent / "data" / "classes.json"
FloatImage = NDArray[np.float32]


@dataclass(frozen=True)
class Classes:
    """A set of classes.

    Attributes:
        name: as ``--classes`` says.
        planes: what each plane of the network shows; plane 0 of several is the background.
        colours: RGB of each plane in overlays.
    """

    name: str
    planes: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]

    @property
    def foreground(self) -> tuple[int, ...]:
        """Numbers of the planes that show something."""
        return (0,) if len(self.planes) == 1 else tuple(range(1, len(self.planes)))

    def decided(self, chances: FloatImage) -> NDArray[np.uint8]:
        """Label image (h, w) of probabilities (planes, h, w): 0 nothing, else 1 and up."""
        if len(self.planes) == 1:
            return (chances[0] >= 0.5).astype(np.uint8)
        return chances.argmax(axis=0).astype(np.uint8)

    def mask_of(self, labels: NDArray[np.uint8], plane: int) -> NDArray[np.bool_]:
        """Where a label image shows a plane."""
        return labels == (1 if len(self.planes) == 1 else plane)


@cache
def class_sets() -> dict[str, Classes]:
    """All sets by their name."""
    known = json.loads(_FILE.read_text("utf-8"))
    return {
        name: Classes(name, tuple(entry["planes"]), tuple((r, g, b) for r, g, b in entry["colours"]))
        for name, entry in known.items()
    }


def truth_labels(
    item: Item, mask: NDArray[np.int32], gum: NDArray[np.int32] | None, classes: Classes
) -> NDArray:
    """Label image (h, w) uint8 of an item in the numbering of `Classes.decided`.

    Args:
        item: tells what the mask's values mean.
        mask: (h, w) the mask as it stands in its file.
        gum: (h, w) gum labels, when the classes have gum.
        classes: what to tell apart.

    Raises:
        BadInputError: the mask holds values without a meaning, or does not know what the classes need.
    """
    _refuse_unknown(item, mask)
    teeth = mask > (127 if item.kind is MaskKind.WHITE else 0)
    if classes.name == "teeth":
        return teeth.astype(np.uint8)
    if item.kind not in (MaskKind.FDI, MaskKind.JAWS):
        raise _lacking(item, "jaws", "Give masks with FDI numbers or jaws, or --classes teeth.")
    upper = _upper(mask) if item.kind is MaskKind.FDI else mask == 1
    first = len(classes.planes) - 2
    labels = np.where(teeth, np.where(upper, first, first + 1), 0).astype(np.uint8)
    if "gum" in classes.planes:
        if gum is None:
            raise _lacking(item, "gums", "Give labelled gums, or --classes jaws.")
        labels[(gum > 0) & ~teeth] = classes.planes.index("gum")
    return labels


def _refuse_unknown(item: Item, mask: NDArray[np.int32]) -> None:
    """Refuse values that the mask's kind does not know; a mask may be empty."""
    found = [int(value) for value in np.unique(mask) if value]
    unknown = [value for value in found if not _KNOWN[item.kind](value)]
    if item.kind is MaskKind.WHITE and found and found[-1] > 127:
        return  # the grey of blurred borders
    if unknown:
        some = ", ".join(map(str, unknown[:5])) + (" ..." if len(unknown) > 5 else "")
        raise BadInputError(
            "mask_values",
            f"The mask of {item.pair_id} holds the values {some}; {_MEANINGS[item.kind]}.",
            "Say what the values mean with --mask-values white, labels, fdi or jaws.",
        )


_KNOWN: dict[MaskKind, Callable[[int], bool]] = {
    MaskKind.WHITE: lambda value: value > 127,
    MaskKind.LABELS: lambda value: value > 0,
    MaskKind.FDI: lambda value: is_permanent(value) or is_primary(value),
    MaskKind.JAWS: lambda value: value in (1, 2),
}
_MEANINGS = {
    MaskKind.WHITE: "a white mask shows what is above 127, which is nothing here",
    MaskKind.LABELS: "labels are positive",
    MaskKind.FDI: "these are no FDI tooth numbers",
    MaskKind.JAWS: "jaws are 1 (upper) and 2 (lower)",
}


def _lacking(item: Item, what: str, advice: str) -> BadInputError:
    return BadInputError("mask_kind", f"The mask of {item.pair_id} does not tell {what} apart.", advice)


def _upper(mask: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Where FDI numbers are of the upper jaw."""
    numbers = [int(value) for value in np.unique(mask) if value]
    return np.isin(mask, [number for number in numbers if jaw_of(number) is Jaw.UPPER])
