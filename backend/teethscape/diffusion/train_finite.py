"""What a training must not go on with: a loss, weights or moments without bounds (needs torch)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import torch
from torch import Tensor

from teethscape.errors import BadInputError
from teethscape.segmentation.toothseg.training import diverged

#: The trained network is written in half precision; a larger weight would be infinite there.
LARGEST_WEIGHT = torch.finfo(torch.float16).max
_LARGEST = torch.finfo(torch.float32).max
#: Steps in a row that may be left out for their loss with scaled gradients; a smaller scale mends no loss.
_MOST_LEFT_OUT = 20


@dataclass
class LossWatch:
    """Looks at the loss of every step.

    Attributes:
        resume: the last save, which the advice tells of.
        scaled: gradients are scaled (fp16); the scaler then leaves out a step that has no numbers.
        left_out: such steps in a row so far.
    """

    resume: Path
    scaled: bool = False
    left_out: int = 0

    def require(self, loss: float, step: int) -> None:
        """Look at a loss, the same one in all processes.

        Raises:
            BadInputError: the training cannot go on.
        """
        self.left_out = 0 if isfinite(loss) else self.left_out + 1
        if self.left_out >= (_MOST_LEFT_OUT if self.scaled else 1):
            raise stopped(f"In step {step} the loss", self.resume)


def stopped(what: str, resume: Path) -> BadInputError:
    """What a training ends with."""
    saved = f"the last save in {resume.parent} is whole and is where it goes on"
    advice = f"Give a smaller --rate; {saved}." if resume.is_file() else "Give a smaller --rate."
    return diverged(f"{what} became infinite or no numbers.", advice)


def are_numbers(tensors: Iterable[Tensor], largest: float = _LARGEST) -> bool:
    """Whether all elements lie within bounds; of parted tensors those of this process."""
    return all(_within(tensor, largest) for tensor in tensors)


def _within(tensor: Tensor, largest: float) -> bool:
    part: Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor  # type: ignore[operator]
    if not part.numel():
        return True
    least, most = part.detach().aminmax()  # both are NaN where one element is; builds no second tensor
    return -largest <= float(least) and float(most) <= largest
