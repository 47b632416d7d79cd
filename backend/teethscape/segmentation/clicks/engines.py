"""Click engines by name."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from teethscape.segmentation.clicks.interface import ClickEngine, ClickEngineName
from teethscape.segmentation.clicks.squared import SquaredEngine


def make_engine(name: ClickEngineName, published: bool = False, weights: Path | None = None) -> ClickEngine:
    """Load an engine.

    Args:
        name: which one.
        published: ask SAM as TeethDreamer's tools do, for one mask from all clicks on the photo in a
            square; else the first click takes the best of three, and later ones start from the mask before.
        weights: SAM: an installed model's name or a file; None: the smallest that is installed.

    Raises:
        MissingComponentError: its libraries or its weights are not installed.
    """
    if name is ClickEngineName.SAM:
        sam = _sam(not published, weights)
        return SquaredEngine(sam) if published else sam
    from teethscape.segmentation.clicks.net_engine import NetEngine

    return NetEngine()


def _sam(several: bool, weights: Path | None) -> ClickEngine:
    """SAM through transformers, or through its own package where only that can be had."""
    from teethscape.segmentation.clicks.sam_engine import SamEngine, weights_of
    from teethscape.segmentation.clicks.sam_original import OriginalSamEngine, original_imports

    if importlib.util.find_spec("transformers") is None and original_imports():
        return OriginalSamEngine.load(weights_of(weights), several)
    return SamEngine.load(weights_of(weights), several)
