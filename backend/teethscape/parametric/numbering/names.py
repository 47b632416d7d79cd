"""Numbers that the user gave: no numbering may give others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


def imposed(tooth: NDArray[np.intp], names: NDArray[np.intp]) -> NDArray[np.intp]:
    """Teeth (n,) of instances, with the named ones (n,), -1 without a name, which no other instance is."""
    free = np.where(np.isin(tooth, names[names >= 0]), -1, tooth)
    return np.where(names >= 0, names, free)


@dataclass(frozen=True)
class Told:
    """What the user said of the teeth of an occlusal view.

    Attributes:
        absent: places 0..13 of the jaw that are empty.
        named: place of each instance along the arch, -1 where none was given; shorter when the rest has none.
    """

    absent: frozenset[int] = frozenset()
    named: tuple[int, ...] = ()

    def of(self, rows: Iterable[int]) -> tuple[int, ...]:
        """Places of some instances, -1 where none was given."""
        return tuple(self.named[k] if k < len(self.named) else -1 for k in rows)

    def only(self, rows: Iterable[int]) -> Told:
        """The same of some instances."""
        return replace(self, named=self.of(rows))

    def allows(self, places: Sequence[int]) -> bool:
        """Whether the places of all instances along the arch, -1 for those left out, are those given."""
        named = self.of(range(len(places)))
        clash = any(
            name < 0 and place >= 0 and place in named for place, name in zip(places, named, strict=True)
        )
        kept = all(name in (-1, place) for place, name in zip(places, named, strict=True))
        return kept and not clash and self.absent.isdisjoint(places)


NOTHING_TOLD = Told()
