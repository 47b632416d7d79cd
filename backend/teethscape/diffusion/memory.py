"""How the work is cut so that it fits the graphics processor (no torch needed to choose).

The peaks in the data file are sums of the sizes of all tensors that live at the same time
at full size in half precision (``benchmarks/generate_memory.py --simulate``). The margin is
for what such a sum cannot see: the runtime's own memory and the allocator's gaps.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from teethscape.dental.wishes import MemoryMode

_DATA = Path(__file__).parent / "data" / "memory.json"


@dataclass(frozen=True)
class Chunking:
    """How much is worked on at once; it does not change the result.

    Attributes:
        views: pictures (a view in one domain) per call of the UNet.
        together: both halves of the guidance in one call.
    """

    views: int = 4
    together: bool = True

    def __str__(self) -> str:
        halves = "both halves together" if self.together else "one half after the other"
        return f"{self.views} picture{'s' if self.views > 1 else ''} at a time, {halves}"


#: From fast and large to slow and small.
LADDER = (
    Chunking(16, True), Chunking(8, True), Chunking(4, True), Chunking(4, False), Chunking(2, False),
    Chunking(1, False),
)  # fmt: skip
#: The published arrangement.
PUBLISHED = Chunking(4, True)


@dataclass(frozen=True)
class Peaks:
    """Simulated peaks at full size in half precision, bytes.

    Attributes:
        weights: of the networks that stay on the device.
        steps: highest sum during a step, weights included, per rung of the ladder.
        margin: kept free for the runtime and the allocator.
    """

    weights: int
    steps: tuple[int, ...]
    margin: int


@cache
def peaks() -> Peaks:
    """The figures of the data file."""
    content = json.loads(_DATA.read_text("utf-8"))
    return Peaks(content["weights"], tuple(content["steps"]), content["margin"])


def choose(free: int | None, mode: MemoryMode, half: bool) -> int:
    """Rung of the ladder to begin with.

    Args:
        free: bytes that the device has free; None when nobody knows, as on a CPU.
        mode: what the user wants.
        half: in half precision; else everything takes twice the memory.
    """
    if mode is MemoryMode.SMALL:
        return len(LADDER) - 1
    if free is None:
        return LADDER.index(PUBLISHED)
    known, factor = peaks(), 1 if half else 2
    fitting = [rung for rung, need in enumerate(known.steps) if need * factor + known.margin <= free]
    return fitting[0] if fitting else len(LADDER) - 1
