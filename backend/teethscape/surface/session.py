"""What a long run needs besides its arithmetic: time, cancellation, checkpoints, a preview."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from teethscape.dental.files import write_with
from teethscape.mesh.ply import write_ply
from teethscape.mesh.solid import Solid
from teethscape.progress import Progress, SurfaceStage
from teethscape.surface.frame import Frame
from teethscape.surface.grid.field import GridField
from teethscape.surface.views import Views

#: Seconds between two checkpoints, and between two previews.
_CHECKPOINT_S, _PREVIEW_S = 60.0, 15.0
#: Seconds between two reports of what happens often.
_PULSE_S = 0.25


class Session:
    """One run of a surface method.

    Args:
        progress: whom to tell.
        output: the mesh to be written; checkpoint and preview lie beside it.
        budget_s: seconds that training may take in all, earlier runs included; None: as many as it needs.
        frame: which the preview is written in.
    """

    def __init__(self, progress: Progress, output: Path, budget_s: float | None, frame: Frame) -> None:
        self._progress, self._budget, self._frame = progress, budget_s, frame
        self.checkpoint = output.with_name(f"{output.stem}.checkpoint")
        self.preview = output.with_name(f"{output.stem}.preview.ply")
        self._began, self._before = time.monotonic(), 0.0
        self._saved = self._shown = self._began
        self._told, self._pulsed = 0.0, -_PULSE_S

    @property
    def spent_s(self) -> float:
        """Seconds of training so far, those of earlier runs included."""
        return self._before + time.monotonic() - self._began

    def continue_after(self, spent_s: float) -> None:
        """Count the seconds of an earlier run."""
        self._before = spent_s

    @property
    def is_over(self) -> bool:
        """Whether the budget is used up."""
        return self._budget is not None and self.spent_s >= self._budget

    @property
    def budget_share(self) -> float:
        """Used share of the budget, 0 without one."""
        return self.share_of(self.spent_s)

    def share_of(self, seconds: float) -> float:
        """The share of the budget that so many seconds are, at most 1; 0 without one."""
        return 0.0 if self._budget is None else min(seconds / max(self._budget, 1e-9), 1.0)

    def tell(self, fraction: float, message: str) -> None:
        """Report how far training is (never less than before), and stop where the user has cancelled.

        Raises:
            CancelledError: the user has cancelled; the last checkpoint stays.
        """
        self._told = max(fraction, self.budget_share, self._told)
        self._progress.stage(SurfaceStage.TRAIN, self._told, message)
        self._progress.check_cancelled()

    def pulse(self, fraction: float, message: str) -> None:
        """As `tell` for what happens often: reports at most a few times a second, but can always be stopped.

        Raises:
            CancelledError: as there.
        """
        now = time.monotonic()
        if fraction < 1 and now - self._pulsed < _PULSE_S:
            self.check_cancelled()
            return
        self._pulsed = now
        self.tell(fraction, message)

    def finish(self, fraction: float) -> None:
        """Report how far the mesh is finished, and stop where the user has cancelled.

        Raises:
            CancelledError: as for `tell`.
        """
        self._progress.stage(SurfaceStage.FINISH, fraction)
        self._progress.check_cancelled()

    def check_cancelled(self) -> None:
        """Stop where the user has cancelled.

        Raises:
            CancelledError: the user has cancelled; the last checkpoint stays.
        """
        self._progress.check_cancelled()

    def warn(self, code: str, message: str) -> None:
        """Tell the user something that does not stop the run."""
        self._progress.warn(code, message)

    def warn_unused(self) -> None:
        """Move a checkpoint that does not fit out of the way, for it may be of hours, and tell the user."""
        kept = self.checkpoint.with_name(f"{self.checkpoint.name}.unused")
        with suppress(FileNotFoundError):
            self.checkpoint.replace(kept)
        told = f"{self.checkpoint.name} does not fit these views and settings; the surface is begun anew"
        self.warn("checkpoint_unused", f"{told}, and the file is kept as {kept.name}.")

    def save(self, write: Callable[[BinaryIO], object], at_once: bool = False) -> None:
        """Replace the checkpoint, at most once a minute unless ``at_once``."""
        now = time.monotonic()
        if at_once or now - self._saved >= _CHECKPOINT_S:
            write_with(self.checkpoint, write)
            self._saved = now

    def show(self, make: Callable[[], GridField | None]) -> None:
        """Write a preview mesh of a field (mm, the views' axes), at most every quarter of a minute."""
        now = time.monotonic()
        if now - self._shown < _PREVIEW_S:
            return
        self._shown = now
        field = make()
        if field is not None:
            vertices, faces = field.surface()
            solid = Solid("preview", self._frame.to_ours(vertices), faces)
            write_with(self.preview, lambda stream: write_ply(stream, solid, self._frame.note))

    def clean(self) -> None:
        """Remove checkpoint and preview after the mesh was written."""
        for path in (self.checkpoint, self.preview):
            with suppress(FileNotFoundError):
                path.unlink()


def fingerprint(views: Views, *settings: object) -> str:
    """What a checkpoint belongs to: the views and the settings."""
    digest = hashlib.sha256(repr(settings).encode())
    arrays = (
        views.colours, views.colour_mask, views.foreground, views.normals, views.cam2world, views.intrinsics,
        views.points,
    )  # fmt: skip
    for array in arrays:
        if array is not None:
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
