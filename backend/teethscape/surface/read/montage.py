"""The strip of generated views (TeethDreamer's output) as views.

Eight colour tiles, then eight normal tiles. A stored normal is R_8 R_i^T applied to the OpenGL-style camera
normal of view i, with OpenCV rotations: no physical frame, but the exact inverse of how they were encoded.
Source: ``teethdreamer-spec.md``, sections 5, 6.2 and 6.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from teethscape.dataset.published_views import target_cameras
from teethscape.dental.fdi import Jaw
from teethscape.dental.wishes import ForegroundName
from teethscape.errors import BadInputError
from teethscape.segmentation.foreground import foreground_method, plain_foreground
from teethscape.surface.views import FloatImage, Views, opengl_cam2world

Tile = NDArray[np.uint8]
#: Number of the first of the published views that the model draws, and how many it draws.
FIRST, COUNT = 8, 8
#: Half the side of the box that holds a jaw.
RADIUS = 0.5
#: A colour this bright and transparent is background, not tooth.
_WHITE = 250 / 255
#: Outlines of a view's colours and normals share 0.97 of what both cover, those of two views 0.24 at most.
_ONE_VIEW = 0.5


@dataclass(frozen=True)
class MontageOptions:
    """How a strip is to be read.

    Attributes:
        jaw: which jaw; None: the word *lower* or *upper* in the file's name.
        normals: the strip has normal tiles behind its colour tiles, and they are wanted.
        foreground: how tiles without opacity are cut out; None: the strip must be RGBA.
        size: side of the pictures, px; None: the tiles' own.
        published: believe all colours but transparent white, as the published code does; else those that are
            opaque, for what a foreground method has removed is black and no colour of a tooth.
    """

    jaw: Jaw | None = None
    normals: bool = True
    foreground: ForegroundName | None = None
    size: int | None = None
    published: bool = False


def read_montage_views(path: Path, options: MontageOptions) -> Views:
    """A strip as views in TeethDreamer's world.

    Raises:
        BadInputError: no strip of 16 (8 without normals) squares, normals that are none, no opacity, or no
            jaw in the name.
        MissingComponentError: rembg is asked for and not installed.
    """
    jaw = options.jaw or jaw_in_name(path)
    tiles = _tiles(path)
    _check_count(path, len(tiles), options)
    if options.normals:
        _refuse_unlike(path, tiles)
    else:
        tiles = _colour_tiles(tiles)
    tiles = [_resized(tile, options.size) for tile in _opaque(tiles, path, options)]
    views = montage_views(tiles, jaw, options.normals)
    if options.published:
        return views
    opaque = np.stack([tile[..., 3] for tile in tiles[:COUNT]]) > 127
    believed = views.foreground > 0.5 if opaque.all() else opaque  # colour tiles may come without opacity
    return replace(views, colour_mask=believed.astype(np.float32))


def _check_count(path: Path, count: int, options: MontageOptions) -> None:
    """Refuse a strip of another form.

    Raises:
        BadInputError: it has not as many tiles as it should have.
    """
    wanted = 2 * COUNT if options.normals else COUNT
    if count not in (2 * COUNT, wanted):
        colours_alone = "Give --no-normals: the strip seems to have colour tiles only."
        raise BadInputError(
            "montage_form", f"{path.name} has {count} tiles, not {wanted}.",
            colours_alone if count == COUNT else "Give the strip that the generator wrote.",
        )  # fmt: skip


def _colour_tiles(tiles: Sequence[Tile]) -> list[Tile]:
    """The colours of our eight views in a strip of 8 or 16 tiles.

    In a strip of 16 the last eight are normals where they have the outlines of the first eight. Otherwise
    they are colours of other views: an older model drew all sixteen, of which the last eight are ours.
    """
    return list(tiles[:COUNT] if _overlap(tiles) > _ONE_VIEW else tiles[-COUNT:])


def _refuse_unlike(path: Path, tiles: Sequence[Tile]) -> None:
    """Refuse a strip whose last eight tiles are no normals of its first eight; blank colours are none.

    Raises:
        BadInputError: they show other outlines.
    """
    if all(_shown(tile).any() for tile in tiles[:COUNT]) and _overlap(tiles) <= _ONE_VIEW:
        raise BadInputError(
            "montage_form",
            f"The last eight tiles of {path.name} have other outlines than the first: they are no normals.",
            "Give --no-normals for a strip of colours alone, or the strip that the generator wrote.",
        )


def _overlap(tiles: Sequence[Tile]) -> float:
    """How much of their outlines the first and the last eight tiles have in common, the median."""
    pairs = [(_shown(one), _shown(two)) for one, two in zip(tiles[:COUNT], tiles[-COUNT:], strict=True)]
    return float(np.median([(one & two).sum() / max((one | two).sum(), 1) for one, two in pairs]))


def _shown(tile: Tile) -> NDArray[np.bool_]:
    """(s, s) what a tile shows, whether it has an opacity or not."""
    return (tile[..., 3] > 127) & (plain_foreground(np.ascontiguousarray(tile[..., :3])) > 0)


def montage_views(tiles: Sequence[Tile], jaw: Jaw, with_normals: bool) -> Views:
    """Views of RGBA tiles (s, s, 4).

    Args:
        tiles: eight colour tiles, and behind them eight normal tiles. Without normals the *last* eight are
            taken as colours, as the published code does.
        jaw: chooses the cameras.
        with_normals: read the second eight as normals; the masks then come from them.

    Colours are believed as the published code believes them: all but transparent white.
    """
    stack = np.divide(np.stack(tiles), 255, dtype=np.float32)
    cameras = target_cameras(jaw, stack.shape[1])
    poses = cameras.poses[FIRST : FIRST + COUNT]
    cam2world = opengl_cam2world(poses)
    colour = stack[:COUNT] if with_normals else stack[-COUNT:]
    rgb, alpha = colour[..., :3], colour[..., 3]
    normals, foreground = None, alpha
    if with_normals:
        coded = stack[COUNT : 2 * COUNT]
        normals = decoded_normals(coded, poses, cam2world)
        foreground = (coded[..., 3] > 0.5).astype(np.float32)
    return Views(
        names=tuple(f"view {FIRST + k}" for k in range(COUNT)),
        colours=rgb,
        colour_mask=1 - ((alpha < 0.5) & (rgb > _WHITE).all(axis=-1)).astype(np.float32),
        foreground=foreground,
        normals=normals,
        intrinsics=np.repeat(cameras.intrinsics[None].astype(np.float64), COUNT, axis=0),
        cam2world=cam2world,
        jaw=jaw,
        low=np.full(3, -RADIUS),
        high=np.full(3, RADIUS),
    )


def decoded_normals(coded: FloatImage, poses: NDArray, cam2world: NDArray) -> FloatImage:
    """(n, h, w, 3) world normals of stored RGBA normals (n, h, w, 4) 0..1; zero where transparent."""
    stored = np.where(coded[..., 3:] == 0, 0, 2 * coded[..., :3] - 1)
    first = poses[0, :, :3]
    out = [
        np.clip(n @ (c2w[:, :3] @ pose[:, :3] @ first.T).T, -1, 1)
        for n, pose, c2w in zip(stored, poses, cam2world, strict=True)
    ]
    return np.stack(out).astype(np.float32)


def encoded_normals(normals: NDArray, masks: NDArray, jaw: Jaw) -> NDArray[np.uint8]:
    """The inverse of `decoded_normals`: (8, h, w, 3) world normals and (8, h, w) opacity as RGBA tiles."""
    poses = target_cameras(jaw, normals.shape[1]).poses[FIRST : FIRST + COUNT]
    first = poses[0, :, :3]
    turns = [first @ p[:, :3].T @ c[:, :3].T for p, c in zip(poses, opengl_cam2world(poses), strict=True)]
    stored = np.stack([n @ t.T for n, t in zip(normals, turns, strict=True)])
    rgba = np.concatenate([stored * 0.5 + 0.5, masks[..., None]], axis=-1)
    return np.clip(np.round(255 * rgba), 0, 255).astype(np.uint8)


def jaw_in_name(path: Path) -> Jaw:
    """The jaw that a file's name tells.

    Raises:
        BadInputError: it tells none, or both.
    """
    told = [jaw for jaw in Jaw if jaw.value in path.name.lower()]
    if len(told) != 1:
        raise BadInputError(
            "jaw_unknown", f"The name {path.name} does not tell the jaw.", "Give --jaw upper or --jaw lower."
        )
    return told[0]


def _tiles(path: Path) -> list[Tile]:
    """Tiles (s, s, 4), opaque where the file has no opacity."""
    from teethscape.pipeline.montage import read_montage

    squares = read_montage(path)  # refuses what is no picture or no row of squares
    with Image.open(path) as image:
        strip = np.asarray(image.convert("RGBA"))
    side = squares[0].shape[0]
    return list(strip.reshape(side, -1, side, 4).transpose(1, 0, 2, 3))


def _opaque(tiles: list[Tile], path: Path, options: MontageOptions) -> list[Tile]:
    """Tiles with an opacity, their own or by a method.

    The masks are those of the last eight; where these are opaque everywhere, alpha tells nothing.
    """
    has_alpha = any(tile[..., 3].min() < 255 for tile in tiles[-COUNT:])
    name = options.foreground
    if name is ForegroundName.FIT:  # cuts them out later, where the fit is known
        name = None if has_alpha else ForegroundName.PLAIN
    if name is not None:
        method = foreground_method(name)
        opacity = [method(np.ascontiguousarray(tile[..., :3])) for tile in tiles]
        shown = [np.where(a[..., None] > 0, t[..., :3], 0) for t, a in zip(tiles, opacity, strict=True)]
        return [np.dstack([t, a]).astype(np.uint8) for t, a in zip(shown, opacity, strict=True)]
    if not has_alpha:
        raise BadInputError(
            "opacity_missing",
            f"{path.name} says of no pixel whether it is tooth or background.",
            "Give an RGBA strip (teethscape segment STRIP --output OUT.png), or --foreground plain.",
        )
    return tiles


def _resized(tile: Tile, size: int | None) -> Tile:
    if size is None or tile.shape[0] == size:
        return tile
    return np.asarray(Image.fromarray(tile, "RGBA").resize((size, size), Image.Resampling.BICUBIC))
