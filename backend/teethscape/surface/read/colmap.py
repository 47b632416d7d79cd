"""COLMAP's sparse models, text and binary: cameras, poses, points.

Format: COLMAP's documentation, "Output format"; little-endian binary, poses world to camera as quaternion
(w, x, y, z) and translation with OpenCV axes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from scipy.spatial.transform import Rotation

from teethscape.errors import BadInputError
from teethscape.surface.read.folder import read_rgba, stacked
from teethscape.surface.views import Array, Views, opengl_cam2world

#: Number, name and parameters of the camera models without distortion (others are refused).
_MODELS = {0: ("SIMPLE_PINHOLE", 3), 1: ("PINHOLE", 4)}
_COUNTS = dict(_MODELS.values())
_MARGIN = 0.1


@dataclass(frozen=True, eq=False)
class SparseModel:
    """What COLMAP found.

    Attributes:
        names: file of each image.
        intrinsics: (n, 3, 3).
        poses: (n, 3, 4) world to camera, OpenCV axes.
        points: (m, 3).
        colours: (m, 3) 0..255.
    """

    names: tuple[str, ...]
    intrinsics: Array
    poses: Array
    points: Array
    colours: Array


def is_colmap_folder(folder: Path) -> bool:
    """Whether a folder has ``images`` and a sparse model."""
    return (folder / "images").is_dir() and _place(folder) is not None


def _place(folder: Path) -> Path | None:
    for place in (folder / "sparse" / "0", folder / "sparse"):
        if any((place / f"cameras{ending}").is_file() for ending in (".bin", ".txt")):
            return place
    return None


def read_colmap(folder: Path) -> Views:
    """Views of a COLMAP folder in its own world; the box is that of the points, with a margin.

    Raises:
        BadInputError: the model or a picture is damaged, distorted, or pictures differ in size.
    """
    model = read_sparse(folder)
    files = [folder / "images" / name for name in model.names]
    stack = stacked([read_rgba(path) for path in files], files)
    low, high = (np.percentile(model.points, q, axis=0) for q in (1, 99))
    margin = _MARGIN * (high - low).max()
    return Views(
        names=tuple(f"view {number}" for number in range(len(files))),
        colours=stack[..., :3],
        colour_mask=np.ones(stack.shape[:3], np.float32),
        foreground=stack[..., 3],
        normals=None,
        intrinsics=model.intrinsics,
        cam2world=opengl_cam2world(model.poses),
        jaw=None,
        low=low - margin,
        high=high + margin,
    )


def read_sparse(folder: Path) -> SparseModel:
    """The sparse model of a folder, images in the order of their names.

    Raises:
        BadInputError: there is none, it is damaged, or its cameras have distortion.
    """
    place = _place(folder)
    if place is None:
        raise BadInputError("views_missing", f"{folder} has no sparse model.", "Run COLMAP's mapper.")
    binary = (place / "cameras.bin").is_file()
    try:
        parts = _binary_model(place) if binary else _text_model(place)
    except (OSError, ValueError, KeyError, IndexError, struct.error) as error:
        raise BadInputError(
            "views_damaged", f"{place} is damaged ({error}).", "Export the model anew."
        ) from error
    cameras, images, points = parts
    images = sorted(images, key=lambda image: image[0])
    table = np.array(points, np.float64).reshape(-1, 6)
    return SparseModel(
        names=tuple(name for name, _, _ in images),
        intrinsics=np.array([cameras[camera] for _, camera, _ in images]),
        poses=np.array([pose for _, _, pose in images]),
        points=table[:, :3],
        colours=table[:, 3:],
    )


_Parts = tuple[dict[int, Array], list[tuple[str, int, Array]], list[tuple[float, ...]]]


def _matrix(model: str, values: tuple[float, ...]) -> Array:
    fx, fy, cx, cy = (values[0], *values) if model == "SIMPLE_PINHOLE" else values
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


def pose_of(quaternion: tuple[float, ...], shift: tuple[float, ...]) -> Array:
    """(3, 4) world to camera of a quaternion of any length (w, x, y, z) and a translation."""
    w, x, y, z = quaternion
    return np.column_stack([Rotation.from_quat([x, y, z, w]).as_matrix(), shift])


def _known(model: str) -> str:
    if model not in _COUNTS:
        raise ValueError(f"camera model {model} has distortion; undistort the pictures")
    return model


def _text_model(place: Path) -> _Parts:
    def rows(name: str) -> list[list[str]]:
        lines = (place / f"{name}.txt").read_text("utf-8").splitlines()
        return [line.split() for line in lines if line.strip() and not line.startswith("#")]

    cameras = {}
    for number, model, _, _, *values in rows("cameras"):
        cameras[int(number)] = _matrix(_known(model), tuple(map(float, values)))
    # Two lines an image; the second, its points, may be empty.
    lines = [
        line for line in (place / "images.txt").read_text("utf-8").splitlines() if not line.startswith("#")
    ]
    images = []
    for line in lines[::2]:
        words = line.split()
        if len(words) >= 10:
            numbers = tuple(map(float, words[1:8]))
            images.append((" ".join(words[9:]), int(words[8]), pose_of(numbers[:4], numbers[4:])))
    points = (
        [tuple(map(float, row[1:7])) for row in rows("points3D")]
        if (place / "points3D.txt").is_file()
        else []
    )
    return cameras, images, points


def _take(stream: BinaryIO, form: str) -> tuple:
    form = "<" + form
    return struct.unpack(form, stream.read(struct.calcsize(form)))


def _binary_model(place: Path) -> _Parts:
    cameras, images, points = {}, [], []
    with (place / "cameras.bin").open("rb") as stream:
        for _ in range(_take(stream, "Q")[0]):
            number, model, _, _ = _take(stream, "iiQQ")
            name, count = _MODELS.get(model, (f"number {model}", 0))
            cameras[number] = _matrix(_known(name), _take(stream, f"{count}d"))
    with (place / "images.bin").open("rb") as stream:
        for _ in range(_take(stream, "Q")[0]):
            _, *numbers, camera = _take(stream, "i7di")
            name = b"".join(iter(lambda: stream.read(1), b"\0")).decode("utf-8")
            stream.seek(24 * _take(stream, "Q")[0], 1)
            images.append((name, camera, pose_of(tuple(numbers[:4]), tuple(numbers[4:]))))
    if (place / "points3D.bin").is_file():
        with (place / "points3D.bin").open("rb") as stream:
            for _ in range(_take(stream, "Q")[0]):
                _, x, y, z, red, green, blue, _, track = _take(stream, "Q3d3BdQ")
                stream.seek(8 * track, 1)
                points.append((x, y, z, red, green, blue))
    return cameras, images, points
