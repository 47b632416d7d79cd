"""Known lengths: measured tooth widths and arch widths that fix the scale.

Definitions, shared by the fit, ``teethscape measure`` and the documentation:

* the width of a tooth is the largest extent along the tooth's own mesiodistal
  axis, the artificial neck cap left out;
* the width of an arch is the distance between the tips of two teeth, a tip
  being the point farthest along the tooth's own occlusal axis.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from teethscape.dental import fdi
from teethscape.errors import UsageError

_PATTERN = re.compile(r"^\s*(\d\d)\s*(?:-\s*(\d\d)\s*)?=\s*(\d+(?:[.,]\d+)?)\s*(?:mm)?\s*$")
#: Plausible mesiodistal widths of a permanent tooth, mm.
_WIDTH_RANGE = (3.0, 16.0)
#: Plausible distances between two teeth of one jaw, mm.
_ARCH_RANGE = (3.0, 90.0)


@dataclass(frozen=True)
class KnownLength:
    """A length measured on the patient or on a cast.

    Attributes:
        teeth: one FDI number (width of that tooth) or two (arch width).
        mm: the measured length.
    """

    teeth: tuple[int, ...]
    mm: float

    @property
    def is_width(self) -> bool:
        """True for the width of one tooth, false for an arch width."""
        return len(self.teeth) == 1

    def __str__(self) -> str:
        return f"{'-'.join(map(str, self.teeth))}={self.mm:g}"


def parse_known_length(text: str) -> KnownLength:
    """Read ``11=8.6`` (tooth width) or ``33-43=26.5`` (arch width), in mm.

    Raises:
        UsageError: the text has another form, names a tooth that does not
            exist, or gives a length that no mouth has.
    """
    match = _PATTERN.match(text)
    if match is None:
        raise UsageError(
            "known_length_form",
            f"'{text}' is not a known length.",
            "Write a tooth and its width in mm, such as 11=8.6, or an arch width such as 33-43=26.5.",
        )
    teeth = tuple(int(number) for number in match.group(1, 2) if number)
    length = KnownLength(teeth, float(match.group(3).replace(",", ".")))
    _check(length, text)
    return length


def parse_known_lengths(texts: Iterable[str]) -> tuple[KnownLength, ...]:
    """Read several known lengths and refuse contradictions."""
    found: dict[tuple[int, ...], KnownLength] = {}
    for text in texts:
        length = parse_known_length(text)
        key = tuple(sorted(length.teeth))
        if key in found and found[key].mm != length.mm:
            raise UsageError(
                "known_length_twice",
                f"{length} contradicts {found[key]}.",
                "Give every length once.",
            )
        found[key] = length
    return tuple(found.values())


def _check(length: KnownLength, text: str) -> None:
    for tooth in length.teeth:
        if tooth not in fdi.TEETH:
            raise UsageError(
                "known_length_tooth",
                f"'{text}' names tooth {tooth}, which the tooth model does not have.",
                "Use FDI numbers 11-17, 21-27, 31-37 or 41-47.",
            )
    if len({fdi.jaw_of(tooth) for tooth in length.teeth}) > 1 or len(set(length.teeth)) < len(length.teeth):
        raise UsageError(
            "known_length_pair",
            f"'{text}' does not name two different teeth of one jaw.",
            "An arch width is measured between two teeth of the same jaw, such as 33-43.",
        )
    low, high = _WIDTH_RANGE if length.is_width else _ARCH_RANGE
    if not low <= length.mm <= high:
        raise UsageError(
            "known_length_range",
            f"{length.mm:g} mm in '{text}' is outside {low:g} to {high:g} mm.",
            "Give the length in millimetres.",
        )
