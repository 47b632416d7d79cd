"""The unfinished views that a running job writes, as a picture for its panel."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import bpy.utils.previews
import numpy as np
from numpy.typing import NDArray

from ..backend.client import JobView
from ..photos.thumbnails import read_pixels

log = logging.getLogger(__name__)

#: A strip holds so many square tiles side by side: eight colour views, then the same as normals.
_TILES = 16
#: Tiles of the picture in a row; two rows of colours stand over two rows of normals.
_PER_ROW = 4
#: Longest side of a strip that is shown, so that the picture is a quarter of it wide, px.
_STRIP_PX = 2048
_NAME = "unfinished"


@dataclass
class UnfinishedViews:
    """What the panel shows; filled by the timer, never while drawing.

    Attributes:
        jaw: the jaw that is painted, such as ``upper``; empty when there is no picture.
        icon: number of the picture; Blender without a window gives none.
    """

    jaw: str = ""
    icon: int = 0
    _shown: tuple[Path, int] | None = None
    _previews: bpy.utils.previews.ImagePreviewCollection | None = None

    def refresh(self, job: JobView | None) -> bool:
        """Show the newest strip of a job that paints, and nothing when none does.

        Returns:
            Whether the picture has changed.
        """
        newest = None if job is None or job.state.is_over or job.stage != "paint" else _newest(job.case)
        if newest is None:
            return self.clear()
        if newest == self._shown:
            return False
        self._shown = newest  # a damaged one is not read again and again
        try:
            self._show(newest[0])
        except (OSError, RuntimeError) as error:  # the finished strip may have replaced it this moment
            log.debug("no picture of unfinished views: %s", error)
            return False
        return True

    def clear(self) -> bool:
        """Free the picture; whether there was one."""
        was = bool(self.jaw)
        if self._previews is not None:
            bpy.utils.previews.remove(self._previews)
        self.jaw, self.icon, self._shown, self._previews = "", 0, None, None
        return was

    def _show(self, strip: Path) -> None:
        pixels = as_grid(read_pixels(strip, _STRIP_PX)[0])
        if self._previews is None:
            self._previews = bpy.utils.previews.new()
        preview = self._previews.get(_NAME) or self._previews.new(_NAME)
        height, width, _ = pixels.shape
        preview.image_size = (width, height)
        opaque = np.dstack([pixels, np.ones((height, width), np.float32)])
        preview.image_pixels_float.foreach_set(opaque[::-1].ravel())
        self.jaw, self.icon = strip.stem.rpartition("_")[2], preview.icon_id


def as_grid(strip: NDArray[np.float32]) -> NDArray[np.float32]:
    """The tiles of a strip (s, 16 s, 3) as a square (4 s, 4 s, 3), in the order of reading.

    Raises:
        RuntimeError: it has not sixteen square tiles.
    """
    side, width, _ = strip.shape
    if width != _TILES * side:
        raise RuntimeError(f"{width} x {side} pixels are no strip of {_TILES} square tiles")
    rows = strip.reshape(side, _TILES // _PER_ROW, _PER_ROW * side, 3).transpose(1, 0, 2, 3)
    return rows.reshape(-1, _PER_ROW * side, 3)


def _newest(case: Path) -> tuple[Path, int] | None:
    """The strip that was written last, and when (ns)."""
    found = []
    for path in (case / "views" / "preview").glob("*.png"):
        try:
            found.append((path.stat().st_mtime_ns, path))
        except OSError:  # gone this moment
            continue
    return max(found)[::-1] if found else None


#: The one picture of this Blender: its engine paints one case at a time.
unfinished = UnfinishedViews()
