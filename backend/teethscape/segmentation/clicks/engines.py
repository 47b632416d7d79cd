"""Click engines by name."""

from __future__ import annotations

from teethscape.segmentation.clicks.interface import ClickEngine, ClickEngineName


def make_engine(name: ClickEngineName) -> ClickEngine:
    """Load an engine.

    Raises:
        MissingComponentError: its libraries or its weights are not installed.
    """
    if name is ClickEngineName.SAM:
        from teethscape.segmentation.clicks.sam_engine import SamEngine

        return SamEngine.load()
    from teethscape.segmentation.clicks.net_engine import NetEngine

    return NetEngine()
