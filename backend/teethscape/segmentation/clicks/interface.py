"""What every click engine understands and answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from teethscape.errors import UsageError

Mask = NDArray[np.bool_]
FloatImage = NDArray[np.float32]


class ClickEngineName(str, Enum):
    """A click engine."""

    NET = "net"
    SAM = "sam"

    __str__ = str.__str__


@dataclass(frozen=True)
class Clicks:
    """What the user has marked for one tooth.

    Attributes:
        points: (x, y) photo pixels, pixel centres at integers, in the order of the clicks.
        labels: per point, True adds and False removes.
        box: left, top, right, bottom in photo pixels, or None.
    """

    points: tuple[tuple[float, float], ...] = ()
    labels: tuple[bool, ...] = ()
    box: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        if len(self.points) != len(self.labels):
            raise ValueError("every point needs a label")

    @property
    def is_empty(self) -> bool:
        """True when nothing says where the tooth is."""
        return self.box is None and not any(self.labels)

    def require_any(self) -> None:
        """Refuse to guess.

        Raises:
            UsageError: nothing says where the tooth is.
        """
        if self.is_empty:
            raise UsageError(
                "no_click", "No click and no box says where the tooth is.", "Click on the tooth."
            )


@dataclass(frozen=True, eq=False)
class ClickMask:
    """The mask of one tooth.

    Attributes:
        mask: (h, w) photo pixels.
        probability: (h, w) 0-1, above one half inside the mask.
        score: how sure the engine is of the whole mask, 0-1.
        state: what the engine wants to see again with the next click on the same tooth.
    """

    mask: Mask
    probability: FloatImage
    score: float
    state: Any = field(default=None, repr=False)

    @classmethod
    def of_logits(cls, logits: FloatImage, score: float, state: Any) -> ClickMask:
        """From log-odds (h, w) at the photo's size and a network's own score."""
        probability = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
        return cls(logits > 0, probability.astype(np.float32), float(np.clip(score, 0.0, 1.0)), state)


class PreparedPhoto(Protocol):
    """A photo that is ready for clicks; made once, since that takes seconds."""

    def click(self, clicks: Clicks, previous: ClickMask | None = None) -> ClickMask:
        """The mask after the last click.

        Args:
            clicks: all clicks on this tooth so far.
            previous: the answer to the clicks before, if there was one.

        Raises:
            UsageError: nothing says where the tooth is.
        """
        ...


class ClickEngine(Protocol):
    """Makes photos ready."""

    def prepare(self, pixels: NDArray[np.uint8]) -> PreparedPhoto:
        """Make one upright photo (h, w, 3) RGB ready for clicks."""
        ...
