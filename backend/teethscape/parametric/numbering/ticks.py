"""Signs of life from a search whose length is not known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")
#: After so many steps half of the bar is filled; most searches take one to three times as many.
_HALF = 40


class Ticks:
    """Counts steps and tells the share of work that they probably are.

    Args:
        on_step: called at every step with a share below 1; may raise to cancel.
    """

    def __init__(self, on_step: Callable[[float], None]) -> None:
        self._on_step, self._count = on_step, 0

    def over(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """The items, one step each."""
        for item in items:
            self._count += 1
            self._on_step(self._count / (self._count + _HALF))
            yield item
