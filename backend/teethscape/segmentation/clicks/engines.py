"""Click engines by name."""

from __future__ import annotations

import importlib.util

from teethscape.segmentation.clicks.interface import ClickEngine, ClickEngineName


def make_engine(name: ClickEngineName, published: bool = False) -> ClickEngine:
    """Load an engine.

    Args:
        name: which one.
        published: ask SAM for one mask from all clicks, as TeethDreamer's tools do; else the first click
            takes the best of three, and later ones start from the mask before.

    Raises:
        MissingComponentError: its libraries or its weights are not installed.
    """
    if name is ClickEngineName.SAM:
        return _sam(several=not published)
    from teethscape.segmentation.clicks.net_engine import NetEngine

    return NetEngine()


def _sam(several: bool) -> ClickEngine:
    """SAM through transformers, or through its own package where only that can be had."""
    from teethscape.segmentation.clicks.sam_engine import SamEngine, smallest_installed
    from teethscape.segmentation.clicks.sam_original import OriginalSamEngine, original_imports

    if importlib.util.find_spec("transformers") is None and original_imports():
        return OriginalSamEngine.load(smallest_installed(), several)
    return SamEngine.load(several=several)
