"""A strip of generated views (tiles side by side) becomes RGBA: TeethDreamer's ``seg_foreground``.

Tiles are squares of the strip's height; specification, section 5. By clicks the opacity is
0 or 255 and colours stay; rembg gives soft opacity and removes the colours of what is gone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from teethscape.dental.files import write_with
from teethscape.dental.masks import DECODE_ERRORS
from teethscape.dental.wishes import ForegroundName
from teethscape.errors import BadInputError, UsageError
from teethscape.progress import Progress, Stage
from teethscape.segmentation.clicks.engines import make_engine
from teethscape.segmentation.clicks.interface import ClickEngineName
from teethscape.segmentation.clicks.points_file import read_points, require_inside
from teethscape.segmentation.foreground import foreground_method


def read_montage(path: Path) -> list[NDArray[np.uint8]]:
    """Its tiles (s, s, 3) RGB from left to right.

    Raises:
        BadInputError: it is no picture, or its width is no multiple of its height.
    """
    try:
        with Image.open(path) as image:
            # By way of RGBA, else Pillow complains of palettes with opacity.
            strip = np.asarray(image.convert("RGBA").convert("RGB"))
    except FileNotFoundError:
        raise BadInputError("file_missing", f"{path} does not exist.", "Check the path.") from None
    except DECODE_ERRORS as error:
        raise BadInputError(
            "not_an_image", f"{path.name} is not a picture that can be read ({error}).", "Use PNG."
        ) from error
    side = strip.shape[0]
    if strip.shape[1] % side:
        raise BadInputError(
            "montage_form",
            f"{path.name} is {strip.shape[1]} x {side} pixels, no row of squares.",
            "Give the strip of square views that the generator wrote.",
        )
    return list(strip.reshape(side, -1, side, 3).transpose(1, 0, 2, 3).copy())


def foreground_by_method(
    path: Path, output: Path, name: ForegroundName, progress: Progress
) -> dict[str, Any]:
    """Write the strip with the opacity that a method finds."""
    _require_apart(path, output)
    method, tiles = foreground_method(name), read_montage(path)
    out = []
    for number, tile in enumerate(tiles):
        progress.stage(Stage.SEGMENT, number / len(tiles), "finding the foreground")
        opacity = method(tile)
        colours = np.where(opacity[..., None] > 0, tile, 0) if name is ForegroundName.REMBG else tile
        out.append(np.dstack([colours, opacity]))
    return _write(output, out, progress)


def foreground_by_clicks(
    path: Path, output: Path, points: Path, engine: ClickEngineName, progress: Progress
) -> dict[str, Any]:
    """Write the strip with the opacity that clicks give; a tile's marks are united.

    Tiles without a click become wholly transparent.
    """
    _require_apart(path, output)
    marks, tiles = read_points(points), read_montage(path)
    for number, teeth in marks.photos.items():
        if number >= len(tiles):
            raise BadInputError(
                "points_form",
                f"{points.name} names tile {number}, but {path.name} has {len(tiles)}.",
                "Count the tiles from 0.",
            )
        require_inside(points, number, (tiles[number].shape[1], tiles[number].shape[0]), teeth)
    drawer = make_engine(engine, published=True)
    out = []
    for number, tile in enumerate(tiles):
        progress.stage(Stage.SEGMENT, number / len(tiles), "drawing masks")
        teeth = marks.photos.get(number, ())
        mask = np.zeros(tile.shape[:2], bool)
        if teeth:
            photo = drawer.prepare(tile)
            for mark in teeth:
                mask |= photo.click(mark.clicks).mask
        out.append(np.dstack([tile, np.where(mask, 255, 0).astype(np.uint8)]))
    return _write(output, out, progress)


def _require_apart(path: Path, output: Path) -> None:
    """Refuse to replace the strip by its own result."""
    if path.resolve() == output.resolve():
        raise UsageError("same_folder", f"The result would replace {path}.", "Give another file.")


def _write(output: Path, tiles: list[NDArray[np.uint8]], progress: Progress) -> dict[str, Any]:
    image = Image.fromarray(np.concatenate(tiles, axis=1).astype(np.uint8), "RGBA")
    write_with(output, lambda stream: image.save(stream, "PNG"))
    progress.stage(Stage.SEGMENT, 1.0)
    shares = [round(float((tile[..., 3] > 127).mean()), 4) for tile in tiles]
    return {"output": str(output), "tiles": len(tiles), "foreground_share": shares}
