"""What `doctor` says about the full profile: device, attention, free memory, how long views take."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib import util

#: Products and sums of painting one jaw: 200 steps of 7.07e12 (specification of TeethDreamer, section 9).
_JAW_WORK = 200 * 7.07e12
_SIDE, _ROUNDS = 2048, 8


@dataclass(frozen=True)
class CardReport:
    """The device that the teethdreamer engine would use.

    Attributes:
        device: its name.
        torch: PyTorch's version.
        attention: which attention would run.
        free_bytes: memory that is free; None when nobody knows.
        portions: how the work would be cut to fit.
        minutes: least time for one jaw, from the speed of matrix products just measured.
    """

    device: str
    torch: str
    attention: str
    free_bytes: int | None
    portions: str
    minutes: float

    def words(self) -> str:
        """One line for people."""
        free = "" if self.free_bytes is None else f", {self.free_bytes / 1e9:.1f} GB free"
        return (
            f"{self.device}, torch {self.torch}, attention by {self.attention}{free}; {self.portions}; "
            f"a jaw takes at least {self.minutes:.0f} min (200 steps)"
        )


def examine_card() -> CardReport | None:
    """Look at the device; None without PyTorch."""
    if util.find_spec("torch") is None:
        return None
    import torch

    from teethscape.dental.request import Device
    from teethscape.dental.wishes import MemoryMode, Precision
    from teethscape.diffusion.card import attention, choose_card
    from teethscape.diffusion.memory import LADDER, choose

    card = choose_card(Device.AUTO, Precision.AUTO)
    free = card.free_bytes()
    portions = str(LADDER[choose(free, MemoryMode.AUTO, card.half)])
    minutes = _JAW_WORK / _products_per_second(card.device, card.dtype) / 60
    return CardReport(card.describe(), torch.__version__, attention(card.device), free, portions, minutes)


def _products_per_second(device: object, dtype: object) -> float:
    """Products and sums per second of large matrix products; takes well under a second."""
    import torch

    side = _SIDE if str(device) == "cuda" else _SIDE // 4
    rounds = _ROUNDS * 8 if str(device) == "cuda" else _ROUNDS
    matrix = torch.ones(side, side, device=device, dtype=dtype)  # type: ignore[arg-type]
    torch.mm(matrix, matrix)  # the first one sets things up
    _wait(device)
    start = time.monotonic()
    for _ in range(rounds):
        torch.mm(matrix, matrix)
    _wait(device)
    return 2 * side**3 * rounds / max(time.monotonic() - start, 1e-9)


def _wait(device: object) -> None:
    """Until the device has done what it was given."""
    import torch

    if str(device) == "cuda":
        torch.cuda.synchronize()
