"""Training samples from TeethDreamer's layout (specification, sections 8.1 and 8.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from teethscape.dataset.farm.layout import INPUT, NORMAL, SPLITS, TARGET, VIEW_NAMES, jaw_in
from teethscape.dataset.portable_pickle import load
from teethscape.dental.masks import DECODE_ERRORS
from teethscape.errors import BadInputError

Floats = NDArray[np.float32]
#: The views that are learned, of the sixteen that are rendered.
VIEWS = range(8, 16)
_ADVICE = "Render the set again with: teethscape dataset render"


@dataclass(frozen=True)
class Sample:
    """One jaw as it is learned; v views, pictures of s pixels.

    Attributes:
        targets: (2v, 3, s, s) from -1 to 1, colours first, then normals in the frame of the first view.
        photos: (12, s, s) from -1 to 1, four photos.
        intrinsics: (3, 3) of the rendered pictures, as stored.
        poses: (v, 3, 4) world to camera.
        target_angles: (3, v) azimuths, elevations (radians) and distances of the targets.
        source_angles: (3, 1) the same of the occlusal photo.
    """

    targets: Floats
    photos: Floats
    intrinsics: Floats
    poses: NDArray[np.float64]
    target_angles: Floats
    source_angles: Floats


def read_splits(data: Path) -> dict[str, tuple[str, ...]]:
    """Names of the jaws in ``mv-splits.pkl``: arrays, as the published loader wants them, or lists.

    Raises:
        BadInputError: the file is absent, runs code, or is of another form.
    """
    path = data / SPLITS
    if not path.is_file():
        raise BadInputError("training_data", f"{data} has no {SPLITS}.", _ADVICE)
    content = load(path)
    try:
        found = {name: tuple(str(uid) for uid in content[name]) for name in ("train", "val")}
    except (KeyError, TypeError, IndexError) as error:
        raise BadInputError(
            "training_data", f"{path} does not hold the lists train and val ({error}).", _ADVICE
        ) from error
    if not found["train"]:
        raise BadInputError("training_data", f"{path} names no jaw to train on.", _ADVICE)
    for uid in (*found["train"], *found["val"]):
        if jaw_in(uid) is None:
            raise BadInputError(
                "training_data", f"{uid} in {path.name} says neither upper nor lower.", "Rename it."
            )
    return found


def read_meta(folder: Path) -> list[Any]:
    """K, azimuths, elevations, distances, poses of a view folder.

    Raises:
        BadInputError: the file is absent or of another form.
    """
    path = folder / "meta.pkl"
    if not path.is_file():
        raise BadInputError("training_data", f"{path} does not exist.", _ADVICE)
    content = load(path)
    if not isinstance(content, (list, tuple)) or len(content) != 5:
        raise BadInputError("training_data", f"{path} does not hold five arrays.", _ADVICE)
    return [np.asarray(part) for part in content]


def read_sample(data: Path, uid: str, picked: Sequence[int], size: int, backdrop: float = 1.0) -> Sample:
    """One jaw.

    Args:
        data: root of the layout.
        uid: name of the jaw.
        picked: which of the renders serves as each of the four photos.
        size: pixels of the pictures' sides.
        backdrop: grey level behind the teeth, 1 is white.

    Raises:
        BadInputError: a file is absent or damaged.
    """
    jaw = jaw_in(uid)
    if jaw is None:
        raise BadInputError("training_data", f"{uid} says neither upper nor lower.", "Rename it.")
    names = VIEW_NAMES[jaw]
    target, normal = (data / kind / f"{uid}_{names[0]}" for kind in (TARGET, NORMAL))
    intrinsics, *angles, poses = read_meta(target)
    turns = [poses[VIEWS[0]][:, :3] @ poses[view][:, :3].T for view in VIEWS]
    colours = [laid(read_rgba(target / f"{view:03d}.png"), size, backdrop) for view in VIEWS]
    normals = [
        laid(turned(read_rgba(normal / f"{view:03d}_normal.png"), turn), size, backdrop)
        for view, turn in zip(VIEWS, turns, strict=True)
    ]
    folders = [data / INPUT / f"{uid}_{name}" for name in names]
    photos = [
        laid(read_rgba(folder / f"{k:03d}.png"), size, backdrop)
        for folder, k in zip(folders, picked, strict=True)
    ]
    _, *seen, _ = read_meta(folders[-1])
    return Sample(
        np.stack([*colours, *normals]).transpose(0, 3, 1, 2),
        np.concatenate(photos, -1).transpose(2, 0, 1),
        intrinsics.astype(np.float32),
        poses[VIEWS.start : VIEWS.stop],
        np.stack([a[VIEWS.start : VIEWS.stop] for a in angles]).astype(np.float32),
        np.stack([a[picked[-1]][None] for a in seen]).astype(np.float32),
    )


def read_rgba(path: Path) -> Floats:
    """(h, w, 4) from 0 to 1.

    Raises:
        BadInputError: it is absent or no picture.
    """
    try:
        with Image.open(path) as image:
            return (np.asarray(image.convert("RGBA"), np.float32) / 255).astype(np.float32)
    except DECODE_ERRORS as error:
        raise BadInputError("training_data", f"{path} cannot be read ({error}).", _ADVICE) from error


def turned(rgba: Floats, turn: NDArray[np.float64]) -> Floats:
    """Normals (h, w, 4) of a view in the frame of the first one, stored alike.

    The published training turns normals of a camera that looks along -z by rotations of one that
    looks along +z; what reads the views undoes the same.
    """
    normals = (rgba[..., :3] * 2 - 1) @ turn.T
    return np.concatenate([normals * 0.5 + 0.5, rgba[..., 3:]], -1).astype(np.float32)


def laid(rgba: Floats, size: int, backdrop: float) -> Floats:
    """(size, size, 3) from -1 to 1, laid on grey; levels are cut off, not rounded, as published."""
    opacity = rgba[..., 3:]
    over = rgba[..., :3] * opacity + backdrop * (1 - opacity)
    image = Image.fromarray((over * 255).astype(np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
    return (np.asarray(image, np.float32) / 255 * 2 - 1).astype(np.float32)


def pick(rng: np.random.Generator) -> list[int]:
    """Four different renders, one per photo."""
    return [int(k) for k in rng.choice(16, 4, replace=False)]
