"""What both ways of running Segment Anything share: how they ask it, and what they say without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from teethscape.errors import BadInputError, MissingComponentError
from teethscape.segmentation.clicks.interface import ClickMask, Clicks


def asked(several: bool, clicks: Clicks, previous: ClickMask | None) -> tuple[bool, Any]:
    """Whether to ask for three masks, and the mask to start from.

    Args:
        several: on the first click take the best of three masks; the published tool for
            TeethDreamer's masks always takes the single one, and starts anew with each click.
        clicks: all clicks so far.
        previous: the answer to the clicks before, if there was one.
    """
    first = len(clicks.points) <= 1 and clicks.box is None
    return several and first, None if previous is None or not several else previous.state


def sam_missing(error: ImportError) -> MissingComponentError:
    """A package that SAM needs is not installed."""
    return MissingComponentError(
        "sam_missing",
        f"Clicks with SAM need PyTorch and transformers ({error.name} is missing).",
        "Run in the engine's environment: python -m pip install torch transformers safetensors",
    )


def no_sam(weights: Path, why: str = "") -> BadInputError:
    """A file holds another network."""
    return BadInputError(
        "weights_differ",
        f"{weights.name} holds no SAM{why}.",
        "Run: teethscape weights install sam-vit-b",
    )
