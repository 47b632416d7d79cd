"""Photos of a jaw's teeth as the network takes them, and its views as a strip (sections 1.3 and 2.15)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from teethscape.dental.masks import DECODE_ERRORS
from teethscape.dental.wishes import Backdrop
from teethscape.errors import BadInputError

Floats = NDArray[np.float32]
#: End of the name of a strip of views.
MONTAGE_ENDING = "_cond_000_000_000_000.png"


def read_picture(path: Path, backdrop: Backdrop) -> Image.Image:
    """A masked photo as RGB or RGBA.

    Raises:
        BadInputError: it is absent or no picture, or shows nothing.
    """
    try:
        with Image.open(path) as image:
            picture = image.convert("RGBA" if "A" in image.getbands() or image.mode == "P" else "RGB")
    except FileNotFoundError:
        raise BadInputError("file_missing", f"{path} does not exist.", "Check the path.") from None
    except DECODE_ERRORS as error:
        raise BadInputError(
            "not_an_image", f"{path} is not a picture that can be read ({error}).", "Use PNG."
        ) from error
    shown = picture.getchannel("A") if picture.mode == "RGBA" else picture
    if shown.getbbox() is None:
        raise BadInputError(
            "mask_empty", f"{path} shows no tooth: it is black all over.", "Mask the photo's teeth again."
        )
    return _with_opacity(picture) if backdrop is Backdrop.WHITE else picture


def _with_opacity(picture: Image.Image) -> Image.Image:
    """Pure black made transparent where a picture has no opacity of its own."""
    if picture.mode == "RGBA":
        return picture
    pixels = np.asarray(picture)
    opacity = np.where(pixels.any(-1), 255, 0).astype(np.uint8)
    return Image.fromarray(np.dstack([pixels, opacity]), "RGBA")


def network_input(picture: Image.Image, size: int, crop: int = -1, white: bool = True) -> Floats:
    """(size, size, 3) colours from -1 to 1.

    Args:
        picture: RGB or RGBA.
        size: pixels of the side.
        crop: -1 for the whole picture; else pixels of the longer side of what is opaque (needs RGBA).
        white: lay pictures with opacity on white, else on black.
    """
    square = _whole(picture, size) if crop < 0 else _cropped(picture, size, crop)
    values = (np.asarray(square, np.float32) / 255).astype(np.float32)
    if values.shape[-1] == 4:
        opacity = values[..., 3:]
        values = values[..., :3] * opacity + (np.float32(1) - opacity) * np.float32(white)
    return values * np.float32(2) - np.float32(1)


def _whole(picture: Image.Image, size: int) -> Image.Image:
    side = max(picture.size)
    square = Image.new(picture.mode, (side, side))
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square.resize((size, size), Image.Resampling.BICUBIC)


def _cropped(picture: Image.Image, size: int, crop: int) -> Image.Image:
    """The published box leaves out the last row and column of what is opaque; so does this one."""
    rows, columns = np.nonzero(np.asarray(picture)[..., 3])
    part = picture.crop((int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())))
    scale = crop / max(part.size)
    part = part.resize((int(scale * part.width), int(scale * part.height)), Image.Resampling.BICUBIC)
    square = Image.new("RGBA", (size, size))
    square.paste(part, ((size - part.width) // 2, (size - part.height) // 2))
    return square


def montage(views: Floats) -> NDArray[np.uint8]:
    """(h, n * w, 3) views side by side.

    Args:
        views: (n, 3, h, w) from -1 to 1; values outside are cut.
    """
    levels = ((np.clip(views, -1, 1) * 0.5 + 0.5) * 255).astype(np.uint8)
    count, channels, height, width = levels.shape
    return levels.transpose(2, 0, 3, 1).reshape(height, count * width, channels)
