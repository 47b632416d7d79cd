"""Folders of rendered views (``teethscape dataset render`` and the render scripts) as views."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from teethscape.dental.fdi import Jaw
from teethscape.dental.levels import to_8bit
from teethscape.dental.masks import DECODE_ERRORS
from teethscape.errors import BadInputError
from teethscape.surface.read.cameras import first_askew
from teethscape.surface.read.montage import RADIUS
from teethscape.surface.views import Array, FloatImage, Views, opengl_cam2world

#: Stem of the metadata and ending of the pictures, of colours and of normals.
_COLOUR, _NORMAL = ("meta", ".png"), ("meta_normal", "_normal.png")
#: A published pair of folders differs in this one part of the path.
_PARTS = ("target", "normal")
#: How far poses of one camera may be apart.
_SAME = 1e-3


def is_view_folder(folder: Path) -> bool:
    """Whether a folder holds rendered views."""
    return any((folder / f"{stem}.json").is_file() for stem, _ in (_COLOUR, _NORMAL))


def read_view_folder(folder: Path, keep: Sequence[int] | None = None) -> Views:
    """Rendered views, colours and normals, in TeethDreamer's world.

    Args:
        folder: holds normals, colours or both; the other kind is looked for in the published twin
            folder (``normal`` for ``target`` and the reverse).
        keep: numbers of the views; None: all that are there.

    Raises:
        BadInputError: a picture or the metadata is missing or damaged.
    """
    normals, colours = _folder_of(folder, _NORMAL), _folder_of(folder, _COLOUR)
    source = normals or colours
    if source is None:
        raise BadInputError(
            "views_missing", f"{folder} holds no rendered views.", "Give a folder with meta.json."
        )
    meta = _meta(*source)
    numbers = list(range(len(meta.poses))) if keep is None else list(dict.fromkeys(keep))
    _refuse_spare(source, len(meta.poses))
    if normals and colours:
        _refuse_other_colours(colours, normals, meta, numbers)
    there = [n for n in numbers if n < len(meta.poses) and _picture(*source, n).is_file()]
    if keep is not None and len(there) < len(numbers):
        absent = sorted(set(numbers) - set(there))
        raise BadInputError(
            "views_missing", f"{folder} lacks view {absent[0]}.", "Render it, or leave it out."
        )
    if not there:
        raise BadInputError("views_missing", f"{folder} holds no pictures.", "Render them.")
    cam2world = opengl_cam2world(meta.poses[there])
    return _assembled(meta, there, cam2world, (normals, colours))


_Source = tuple[Path, tuple[str, str]]


def _refuse_spare(source: _Source, poses: int) -> None:
    """Refuse pictures without a pose: the metadata are of other ones.

    Raises:
        BadInputError: there is one; the message names it.
    """
    folder, (meta, ending) = source
    numbered = (file for file in folder.glob(f"[0-9][0-9][0-9]{ending}") if file.is_file())
    spare = min((file.name for file in numbered if int(file.name[:3]) >= poses), default=None)
    if spare is not None:
        told = f"{folder / meta}.json has {poses} poses, none for {spare}."
        raise BadInputError("views_damaged", told, "Render the views anew.")


def _refuse_other_colours(colours: _Source, normals: _Source, meta: _Meta, numbers: Sequence[int]) -> None:
    """Refuse colours that were rendered by other cameras than the normals, or without normals.

    Raises:
        BadInputError: they are such.
    """
    poses = _meta(*colours).poses
    if poses.shape != meta.poses.shape or np.abs(poses - meta.poses).max() > _SAME:
        told = f"The cameras of the colours in {colours[0]} are others than those of the normals."
        raise BadInputError("views_damaged", told, "Render both anew, or leave the colours out.")
    for n in numbers:
        if n < len(poses) and _picture(*colours, n).is_file() and not _picture(*normals, n).is_file():
            told = f"{_picture(*normals, n)} does not exist, but the colours of that view do."
            raise BadInputError("views_missing", told, "Render the view anew, or remove its colours.")


@dataclass(frozen=True, eq=False)
class _Meta:
    """What the metadata of a folder of views say.

    Attributes:
        poses: (n, 3, 4) world to camera, OpenCV axes.
        k: (3, 3) K, pixels.
        jaw: which is shown, where they name it.
        is_alone: the mesh was normalised by itself, as ``--normalise alone`` does.
    """

    poses: Array
    k: Array
    jaw: Jaw | None
    is_alone: bool


def _folder_of(folder: Path, kind: tuple[str, str]) -> _Source | None:
    """The folder itself or its twin, whichever has this kind of pictures."""
    parts, twins = folder.absolute().parts, [folder]
    for k in range(len(parts) - 1, -1, -1):
        if parts[k] in _PARTS:
            other = _PARTS[1 - _PARTS.index(parts[k])]
            twins.append(Path(*parts[:k], other, *parts[k + 1 :]))
            break
    return next(((place, kind) for place in twins if (place / f"{kind[0]}.json").is_file()), None)


def _meta(folder: Path, kind: tuple[str, str]) -> _Meta:
    """What the metadata of a folder say.

    Raises:
        BadInputError: they are missing or damaged, or are no cameras'.
    """
    path = folder / f"{kind[0]}.json"
    try:
        meta = json.loads(path.read_text("utf-8"))
        is_alone = meta.get("placement", {}).get("source") == "alone"
        return _Meta(_poses(meta["poses"]), _intrinsics(meta["K"]), _jaw(meta.get("jaw")), is_alone)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise BadInputError(
            "views_damaged", f"{path} is damaged ({error}).", "Render the views anew."
        ) from error


def _poses(values: Any) -> Array:
    """(n, 3, 4) world to camera.

    Raises:
        ValueError: they have another form, or turn nothing.
    """
    poses = np.array(values, np.float64)
    if poses.ndim != 3 or poses.shape[1:] != (3, 4) or not np.isfinite(poses).all():
        raise ValueError("poses is no list of 3 x 4 matrices of numbers")
    askew = first_askew(poses[:, :, :3])
    if askew is not None:
        raise ValueError(f"the pose of view {askew} is no turn and shift")
    return poses


def _intrinsics(values: Any) -> Array:
    """(3, 3) K, pixels.

    Raises:
        ValueError: it has another form, or no focal lengths.
    """
    k = np.array(values, np.float64)
    if k.shape != (3, 3) or not np.isfinite(k).all():
        raise ValueError("K is no 3 x 3 matrix of numbers")
    if not (k[0, 0] > 0 and k[1, 1] > 0):
        raise ValueError("the focal lengths in K are not above zero")
    return k


def _jaw(value: Any) -> Jaw | None:
    """The jaw that metadata name, None where they name none that we know.

    Raises:
        ValueError: it is no word.
    """
    if value is not None and not isinstance(value, str):
        raise ValueError("jaw is no word")
    return Jaw(value) if value in {jaw.value for jaw in Jaw} else None


def _picture(folder: Path, kind: tuple[str, str], number: int) -> Path:
    return folder / f"{number:03d}{kind[1]}"


def read_rgba(path: Path) -> FloatImage:
    """(h, w, 4) 0..1.

    Raises:
        BadInputError: there is no such picture, or it is damaged or far too large.
    """
    try:
        with Image.open(path) as image:
            return np.divide(np.asarray(_with_levels(image).convert("RGBA")), 255, dtype=np.float32)
    except DECODE_ERRORS as error:
        raise BadInputError(
            "views_damaged", f"{path} cannot be read ({error}).", "Render, export or copy it anew."
        ) from error


def _with_levels(image: Image.Image) -> Image.Image:
    """A picture of 8 bits; grey ones of more would be cut off at 255 of their 65535 levels."""
    if not image.mode.startswith(("I", "F")):
        return image
    return Image.fromarray(to_8bit(np.asarray(image), 65535 if image.mode.startswith("I;16") else None))


def stacked(pictures: Sequence[FloatImage], files: Sequence[Path]) -> FloatImage:
    """(n, h, w, ...) pictures of one size.

    Raises:
        BadInputError: there is none, or one has another size than most; the message names its file.
    """
    if not pictures:
        raise BadInputError("views_missing", "The set of views has no pictures.", "Make it anew.")
    sizes = [picture.shape[:2] for picture in pictures]
    usual = Counter(sizes).most_common(1)[0][0]
    for path, size in zip(files, sizes, strict=True):
        if size != usual:
            raise BadInputError(
                "views_damaged",
                f"{path} has {size[1]} x {size[0]} pixels, most others {usual[1]} x {usual[0]}.",
                "Make it anew at the others' size.",
            )
    return np.stack(pictures)


def _assembled(
    meta: _Meta, numbers: list[int], cam2world: Array, sources: tuple[_Source | None, _Source | None]
) -> Views:
    files = [[_picture(*s, n) for n in numbers] if s else [] for s in sources]
    normal, colour = ([read_rgba(path) for path in some] for some in files)
    pictures = stacked(normal or colour, files[0] or files[1])
    shade = np.zeros_like(pictures)  # nowhere a colour that may be believed
    if colour:
        shade = stacked(
            [_fitted(c, pictures.shape[1:3], path) for c, path in zip(colour, files[1], strict=True)],
            files[1],
        )
    return Views(
        names=tuple(f"view {n}" for n in numbers),
        colours=shade[..., :3],
        colour_mask=(shade[..., 3] > 0.5).astype(np.float32),
        foreground=(pictures[..., 3] > 0.5).astype(np.float32) if normal else pictures[..., 3],
        normals=_world_normals(pictures, cam2world) if normal else None,
        intrinsics=np.repeat(meta.k[None], len(numbers), axis=0),
        cam2world=cam2world,
        jaw=meta.jaw,
        is_alone=meta.is_alone,
        low=np.full(3, -RADIUS),
        high=np.full(3, RADIUS),
    )


def _fitted(picture: FloatImage, size: tuple[int, int], path: Path) -> FloatImage:
    """A colour picture at the normals' height and width.

    Raises:
        BadInputError: it has another form than they have.
    """
    (height, width), (own_height, own_width) = size, picture.shape[:2]
    if (own_height, own_width) == size:
        return picture
    if abs(own_width * height - own_height * width) > max(own_height, own_width):
        raise BadInputError(
            "views_damaged",
            f"{path} has {own_width} x {own_height} pixels, its normals {width} x {height}.",
            "Render both of the same form.",
        )
    levels = Image.fromarray((255 * picture).round().astype(np.uint8), "RGBA")
    return np.divide(
        np.asarray(levels.resize((width, height), Image.Resampling.BICUBIC)), 255, dtype=np.float32
    )


def _world_normals(pictures: NDArray[np.float32], cam2world: Array) -> FloatImage:
    """(n, h, w, 3) unit world normals of pictures in the camera's axes; zero outside the mask."""
    inside = pictures[..., 3:] > 0.5
    n = np.where(inside, 2 * pictures[..., :3] - 1, 0)
    n /= np.maximum(np.linalg.norm(n, axis=-1, keepdims=True), 1e-6)
    return np.einsum("vij,vhwj->vhwi", cam2world[:, :, :3], n * inside).astype(np.float32)
