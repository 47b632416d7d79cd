"""Thumbnails and checks of the slots, kept in memory for the panels to draw."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import bpy
import bpy.utils.previews
import numpy as np
from numpy.typing import NDArray

from ..backend.teethscape.dental.views import View
from . import orientation
from .check import PhotoCheck, check_photo, find_twins, no_preview, unreadable

if TYPE_CHECKING:
    from ..properties import TEETH_PG_photo_slot, TEETH_PG_scene

log = logging.getLogger(__name__)

_LONG_SIDE_PX = 512
_ICON_PX = 256


@dataclass
class PhotoShelf:
    """What panels show of the slots; filled by operators, never while drawing.

    Attributes:
        checks: what was found, by view.
        icons: icon numbers of the thumbnails, by view.
        twins: views whose photo is the same picture as an earlier view's.
    """

    checks: dict[View, PhotoCheck] = field(default_factory=dict)
    icons: dict[View, int] = field(default_factory=dict)
    twins: dict[View, View] = field(default_factory=dict)
    _shown: dict[View, tuple] = field(default_factory=dict)
    _previews: bpy.utils.previews.ImagePreviewCollection | None = None

    def refresh(self, settings: TEETH_PG_scene) -> None:
        """Bring thumbnails and checks up to date with the slots that changed."""
        for view in View:
            slot = settings.slot(view)
            key = (slot.filepath, slot.quarter_turns, slot.mirrored)
            if self._shown.get(view) != key:
                self._show(view, slot)
                self._shown[view] = key
        self.twins = find_twins(self.checks)

    def clear(self) -> None:
        """Forget everything and free the thumbnails."""
        for known in (self.checks, self.icons, self.twins, self._shown):
            known.clear()
        if self._previews is not None:
            bpy.utils.previews.remove(self._previews)
            self._previews = None

    def _show(self, view: View, slot: TEETH_PG_photo_slot) -> None:
        self.checks.pop(view, None)
        self.icons.pop(view, None)
        if not slot.filepath:
            return
        path = Path(bpy.path.abspath(slot.filepath))
        if path.suffix.lower() in (".heic", ".heif"):
            self.checks[view] = no_preview()
            return
        try:
            pixels, size = _load(path)
        except (OSError, RuntimeError) as error:
            log.info("no thumbnail of %s: %s", path, error)
            self.checks[view] = unreadable(
                "The file is missing." if not path.exists() else "Not a readable picture."
            )
            return
        pixels = orientation.turn(pixels, slot.quarter_turns, slot.mirrored)
        size = size if slot.quarter_turns % 2 == 0 else size[::-1]
        self.checks[view] = check_photo(pixels, size)
        self.icons[view] = self._icon(view, pixels)

    def _icon(self, view: View, pixels: NDArray[np.float32]) -> int:
        if self._previews is None:
            self._previews = bpy.utils.previews.new()
        name = view.slug
        preview = self._previews.get(name) or self._previews.new(name)
        square = _letterbox(pixels)
        preview.image_size = (_ICON_PX, _ICON_PX)
        preview.image_pixels_float.foreach_set(square[::-1].ravel())
        return preview.icon_id


#: The one shelf of this Blender: slots of the scene that is shown.
shelf = PhotoShelf()


def _load(path: Path) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """Upright pixels (h, w, 3) of a scaled copy, row 0 on top, and the original's size.

    Raises:
        RuntimeError: Blender cannot read the file.
    """
    pixels, (width, height) = read_pixels(path, _LONG_SIDE_PX)
    way = orientation.exif_orientation(path)
    return orientation.upright(pixels, way), (width, height) if way < 5 else (height, width)


def read_pixels(path: Path, long_side: int) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """Pixels (h, w, 3) from 0 to 1 of a scaled copy, row 0 on top, and the original's width and height.

    Args:
        path: a picture file; nothing of it stays in Blender's data.
        long_side: of the copy at the most, px.

    Raises:
        RuntimeError: Blender cannot read the file.
    """
    image = bpy.data.images.load(str(path))
    try:
        width, height = image.size
        if not width or not height:
            raise RuntimeError("not a picture")
        scale = min(1.0, long_side / max(width, height))
        image.scale(max(1, round(width * scale)), max(1, round(height * scale)))
        flat = np.empty(len(image.pixels), np.float32)
        image.pixels.foreach_get(flat)
        pixels = flat.reshape(image.size[1], image.size[0], image.channels)[::-1, :, :3]
    finally:
        bpy.data.images.remove(image)
    if pixels.shape[2] < 3:
        pixels = np.repeat(pixels[:, :, :1], 3, axis=2)
    return pixels, (width, height)


def _letterbox(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The picture within a transparent square, (256, 256, 4), row 0 on top."""
    height, width, _ = pixels.shape
    scale = _ICON_PX / max(height, width)
    tall, wide = max(1, int(height * scale)), max(1, int(width * scale))
    rows = (np.arange(tall) / scale).astype(int).clip(0, height - 1)
    columns = (np.arange(wide) / scale).astype(int).clip(0, width - 1)
    square = np.zeros((_ICON_PX, _ICON_PX, 4), np.float32)
    top, left = (_ICON_PX - tall) // 2, (_ICON_PX - wide) // 2
    square[top : top + tall, left : left + wide, :3] = pixels[rows][:, columns]
    square[top : top + tall, left : left + wide, 3] = 1.0
    return square
