"""Decode a picture file into upright 8-bit sRGB pixels of bounded size."""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageStat, UnidentifiedImageError

from teethscape.dental.exif import EXIF_IFD, focal_35mm
from teethscape.dental.levels import to_8bit
from teethscape.errors import BadInputError, MissingComponentError

#: Long side of the working copy, pixels.
WORKING_LONG_SIDE = 1440
#: Pictures with fewer pixels than this on their long / short side are refused.
MINIMUM_SIZE = (320, 200)
HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
_DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError, TypeError)
#: What undoes each EXIF orientation (values 5-8 also swap width and height).
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: A picture whose grey values vary less than this (standard deviation) shows nothing.
_BLANK_SPREAD = 2.0


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture.

    Attributes:
        pixels: (h, w, 3) uint8 RGB, upright after the EXIF rotation.
        original_size: width and height of the file's picture after rotation.
        focal_35mm: 35-mm equivalent focal length by the diagonal, if known.
        sha256: of the file's bytes.
        notices: what was changed on the way, in words.
    """

    pixels: NDArray[np.uint8]
    original_size: tuple[int, int]
    focal_35mm: float | None
    sha256: str
    notices: tuple[str, ...] = ()


def decode(path: Path, longest: int = WORKING_LONG_SIDE) -> Picture:
    """Read a picture of any usual format; memory stays bounded for huge files.

    Args:
        path: the file.
        longest: longer side of the pixels at most.

    Raises:
        BadInputError: missing, unreadable, damaged, not a picture, blank, or
            too small.
        MissingComponentError: a HEIC file without its reader installed.
    """
    sha256 = _digest(path)
    _prepare_heif(path)
    with warnings.catch_warnings():
        # 100-megapixel photos are welcome; twice Pillow's limit still raises.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with _opened(path) as image:
            return _decode_open(image, path, sha256, longest)


def _decode_open(image: Image.Image, path: Path, sha256: str, longest: int) -> Picture:
    stored = image.size
    if max(stored) < MINIMUM_SIZE[0] or min(stored) < MINIMUM_SIZE[1]:
        raise BadInputError(
            "photo_too_small",
            f"{path.name} has only {stored[0]} x {stored[1]} pixels.",
            "Use the original photo, at least 800 pixels wide, not a thumbnail.",
        )
    notices = _notices(image)
    focal = _focal(image)
    try:
        upright, original = _upright_rgb(image, longest)
    except MemoryError:
        raise _too_large(path) from None
    except _DECODE_ERRORS as error:
        raise BadInputError(
            "photo_damaged",
            f"{path.name} is damaged or cut short ({error}).",
            "Copy the photo from the camera again.",
        ) from error
    if max(ImageStat.Stat(upright).stddev) < _BLANK_SPREAD:
        raise BadInputError("photo_blank", f"{path.name} shows nothing.", "Choose another photo.")
    return Picture(np.asarray(upright), original, focal, sha256, notices)


def _digest(path: Path) -> str:
    """SHA-256 of the file, which also proves that it can be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except FileNotFoundError:
        raise BadInputError("file_missing", f"{path} does not exist.", "Check the path.") from None
    except PermissionError:
        raise BadInputError(
            "file_permission",
            f"{path} may not be read by this user.",
            "Give yourself permission to read the file, or copy it elsewhere.",
        ) from None
    except OSError as error:
        raise BadInputError(
            "file_unreadable", f"{path} cannot be read ({error.strerror}).", "Check the path and the drive."
        ) from error
    return digest.hexdigest()


def _opened(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except Image.DecompressionBombError:
        raise _too_large(path) from None
    except UnidentifiedImageError:
        empty = path.stat().st_size == 0
        raise BadInputError(
            "not_an_image",
            f"{path.name} is {'an empty file' if empty else 'not a picture that can be read'}.",
            "Use JPEG, PNG, TIFF, WebP, BMP or HEIC.",
        ) from None
    except _DECODE_ERRORS as error:
        raise BadInputError(
            "photo_damaged", f"{path.name} is damaged ({error}).", "Copy the photo from the camera again."
        ) from error


def _too_large(path: Path) -> BadInputError:
    return BadInputError(
        "photo_too_large",
        f"{path.name} has more pixels than can be decoded safely.",
        "Save the photo with at most 170 megapixels.",
    )


def _prepare_heif(path: Path) -> None:
    if path.suffix.lower() not in HEIF_SUFFIXES:
        return
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        raise MissingComponentError(
            "heic_reader_missing",
            f"{path.name} is a HEIC photo and its reader is not installed.",
            "Run in the engine's environment: python -m pip install pillow-heif; or save the photo as JPEG.",
        ) from None
    register_heif_opener()


def _focal(image: Image.Image) -> float | None:
    try:
        tags: Any = image.getexif().get_ifd(EXIF_IFD)
        return focal_35mm(tags, image.size)
    except _DECODE_ERRORS:
        return None  # broken EXIF data is common and harmless


def _notices(image: Image.Image) -> tuple[str, ...]:
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        return (f"The file holds {frames} pictures; the first is used.",)
    return ()


def _upright_rgb(image: Image.Image, longest: int) -> tuple[Image.Image, tuple[int, int]]:
    """Upright RGB picture of bounded size, and the original upright size."""
    stored = image.size
    profile = image.info.get("icc_profile")
    image.draft(None, (longest, longest))  # JPEG decodes smaller at once
    image.load()
    orientation = _orientation(image)  # after load: Pillow turns TIFF and HEIC by itself
    image = _plain_mode(image)
    scale = min(1.0, longest / max(stored))
    size = (max(1, round(stored[0] * scale)), max(1, round(stored[1] * scale)))
    if image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    if orientation in _TURNS:
        image = image.transpose(_TURNS[orientation])
    return _to_srgb(image, profile), (stored[1], stored[0]) if orientation >= 5 else stored


def _orientation(image: Image.Image) -> int:
    try:
        value = int(image.getexif().get(0x0112, 1))
        return value if value in _TURNS else 1
    except _DECODE_ERRORS:
        return 1


def _plain_mode(image: Image.Image) -> Image.Image:
    """Reduce exotic modes to L, RGB or CMYK."""
    if image.mode in ("L", "RGB", "CMYK", "LAB", "YCbCr"):
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(to_8bit(np.asarray(image)))
    return image.convert("L" if image.mode in ("1", "LA", "La") else "RGB")


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert by the embedded colour profile where there is a usable one."""
    if profile and b"sRGB" not in profile[:4096]:
        try:
            from PIL import ImageCms

            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
            if converted is not None:
                return converted
        except (ImportError, OSError, ValueError, TypeError, SyntaxError):
            pass  # a broken profile must not lose the photo; plain conversion follows
        except Exception as error:
            if type(error).__name__ != "PyCMSError":
                raise
    return image.convert("RGB")
