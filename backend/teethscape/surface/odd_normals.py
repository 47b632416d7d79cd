"""A view whose normals contradict the others is left out before a network learns from it.

Networks bend to whatever they are shown, so nothing in their training tells. The coarsest resolution of the
grid does, in seconds: every other view bears on its shape, where the hull of the masks knows no normals.
"""

from __future__ import annotations

from pathlib import Path

from teethscape.progress import AnyStage, Progress, SurfaceStage
from teethscape.surface.frame import Frame
from teethscape.surface.grid.reconstruct import Start, odd_by_normals
from teethscape.surface.session import Session
from teethscape.surface.views import Views


class _BeforeTraining:
    """A progress that shows any work as part of reading the views."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def stage(self, name: AnyStage, fraction: float, message: str = "") -> None:  # noqa: ARG002 - the protocol
        """Report a share of the comparison."""
        self._progress.stage(SurfaceStage.VIEWS, fraction, "comparing normals")

    def check_cancelled(self) -> None:
        """Ask whether to stop."""
        self._progress.check_cancelled()

    def warn(self, code: str, message: str) -> None:
        """Pass a warning on."""
        self._progress.warn(code, message)


def with_agreeing_normals(
    views: Views, start: Start, output: Path, frame: Frame, progress: Progress
) -> list[int]:
    """Numbers of the views whose normals agree: all, or all but the one that is at fault; says which.

    Args:
        views: with normals or without.
        start: makes the start at a pitch, mm.
        output: the mesh to be written; a preview may lie beside it.
        frame: of the views.
        progress: learns of the view at fault.

    Raises:
        CancelledError: the user has cancelled.
    """
    everyone = list(range(len(views)))
    if views.normals is None:
        return everyone
    session = Session(_BeforeTraining(progress), output, None, frame)
    odd = odd_by_normals(views, frame.scale, start, session)
    return [view for view in everyone if view != odd]
