"""COLMAP's sparse models, text and binary: cameras, poses, points.

Format: COLMAP's documentation, "Output format"; little-endian binary, poses world to camera as quaternion
(w, x, y, z) and translation with OpenCV axes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import BinaryIO

import numpy as np
from scipy.spatial.transform import Rotation

from teethscape.errors import BadInputError
from teethscape.surface.read.cameras import fitting
from teethscape.surface.read.cloud import read_cloud
from teethscape.surface.read.pictures import read_pictures
from teethscape.surface.views import Array, Views, opengl_cam2world

#: Camera models by their numbers in binary files, and the parameters of those without distortion.
_MODELS = (
    "SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "OPENCV_FISHEYE", "FULL_OPENCV", "FOV",
    "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE", "THIN_PRISM_FISHEYE", "RAD_TAN_THIN_PRISM_FISHEYE",
)  # fmt: skip
_COUNTS = {"SIMPLE_PINHOLE": 3, "PINHOLE": 4}
_MARGIN = 0.1
#: Percentiles of the points between which the object is taken to lie.
_INNER = (1, 99)


@dataclass(frozen=True, eq=False)
class SparseModel:
    """What COLMAP found.

    Attributes:
        names: file of each image.
        sizes: (n, 2) width and height that the intrinsics belong to, px.
        intrinsics: (n, 3, 3).
        poses: (n, 3, 4) world to camera, OpenCV axes.
        points: (m, 3).
        colours: (m, 3) 0..255.
    """

    names: tuple[str, ...]
    sizes: Array
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
        BadInputError: the model or a picture is damaged, missing or distorted, or pictures differ in size.
    """
    model = read_sparse(folder)
    stack = read_pictures([folder / "images" / name for name in model.names])
    points, colours = cloud_of(folder, model)
    low, high = (np.percentile(points, q, axis=0) for q in _INNER)
    margin = _MARGIN * (high - low).max()
    return Views(
        names=tuple(f"view {number}" for number in range(len(stack))),
        colours=stack[..., :3],
        colour_mask=(stack[..., 3] > 0.5).astype(np.float32),
        foreground=stack[..., 3],
        normals=None,
        intrinsics=fitting(model.intrinsics, model.sizes, model.names, (stack.shape[2], stack.shape[1])),
        cam2world=opengl_cam2world(model.poses),
        jaw=None,
        low=low - margin,
        high=high + margin,
        points=points,
        point_colours=colours,
    )


def cloud_of(folder: Path, model: SparseModel) -> tuple[Array, Array | None]:
    """Points (m, 3) and colours (m, 3) 0..1: the dense ones of a folder, else the sparse ones.

    Raises:
        BadInputError: there are none, or their file is damaged.
    """
    place = _place(folder) or folder
    for path in (folder / "dense" / "fused.ply", place / "points3D.ply"):
        if path.is_file():
            cloud = read_cloud(path, "views_damaged", "Export it anew, or remove it.")
            points, colours = cloud.points, cloud.colours
            break
    else:
        points, colours = model.points, model.colours / 255
    if not len(points) or not np.isfinite(points).all() or not np.ptp(points, axis=0).any():
        raise BadInputError(
            "views_damaged",
            f"{place} has no points, or all at one place; they tell where the object is.",
            "Run COLMAP's mapper.",
        )
    return points, colours


def read_sparse(folder: Path) -> SparseModel:
    """The sparse model of a folder, images in the order of their names.

    Raises:
        BadInputError: there is none, it is damaged or without images, or its cameras have distortion.
    """
    place = _place(folder)
    if place is None:
        raise BadInputError("views_missing", f"{folder} has no sparse model.", "Run COLMAP's mapper.")
    binary = (place / "cameras.bin").is_file()
    try:
        return _joined(*(_binary_model(place) if binary else _text_model(place)), place)
    except (OSError, ValueError, IndexError, OverflowError, struct.error) as error:
        raise BadInputError(
            "views_damaged", f"{place} is damaged ({error}).", "Export the model anew."
        ) from error


#: Width, height and K.
_Camera = tuple[int, int, Array]
_Image = tuple[str, int, Array]
_Parts = tuple[dict[int, _Camera], list[_Image], list[tuple[float, ...]]]


def _joined(
    cameras: dict[int, _Camera], images: list[_Image], points: list[tuple[float, ...]], place: Path
) -> SparseModel:
    """The parts of a model in one.

    Raises:
        BadInputError: it has no images.
        ValueError: an image's camera is missing, two images are one, or a number is none.
    """
    if not images:
        raise BadInputError("views_missing", f"{place} has no registered images.", "Run COLMAP's mapper.")
    unknown = next((name for name, camera, _ in images if camera not in cameras), None)
    if unknown is not None:
        raise ValueError(f"the camera of {unknown} is missing")
    images = sorted(images, key=lambda image: image[0])
    twice = next((a[0] for a, b in pairwise(images) if a[0] == b[0]), None)
    if twice is not None:
        raise ValueError(f"two images are named {twice}")
    of_images = [cameras[camera] for _, camera, _ in images]
    table = np.array(points, np.float64).reshape(-1, 6)
    poses, intrinsics = np.array([pose for _, _, pose in images]), np.array([k for _, _, k in of_images])
    if not (np.isfinite(poses).all() and np.isfinite(intrinsics).all()):
        raise ValueError("a pose or a camera holds no numbers")
    if not (intrinsics[:, [0, 1], [0, 1]] > 0).all():
        raise ValueError("a camera's focal length is not above zero")
    return SparseModel(
        names=tuple(name for name, _, _ in images),
        sizes=np.array([size for *size, _ in of_images], np.float64),
        intrinsics=intrinsics,
        poses=poses,
        points=table[:, :3],
        colours=table[:, 3:],
    )


def _matrix(model: str, values: tuple[float, ...]) -> Array:
    fx, fy, cx, cy = (values[0], *values) if model == "SIMPLE_PINHOLE" else values
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


def pose_of(quaternion: tuple[float, ...], shift: tuple[float, ...]) -> Array:
    """(3, 4) world to camera of a quaternion of any length (w, x, y, z) and a translation."""
    w, x, y, z = quaternion
    return np.column_stack([Rotation.from_quat([x, y, z, w]).as_matrix(), shift])


def _known(model: str, place: Path) -> str:
    if model not in _COUNTS:
        raise BadInputError(
            "camera_distorted",
            f"The cameras of {place} are of the model {model}, which has distortion.",
            "Run COLMAP's image_undistorter, and give the folder that it writes.",
        )
    return model


def _text_model(place: Path) -> _Parts:
    def lines(name: str) -> list[str]:
        text = (place / f"{name}.txt").read_text("utf-8-sig")  # some editors mark their encoding
        return [line.strip() for line in text.split("\n") if not line.startswith("#")]

    def rows(name: str) -> list[list[str]]:
        return [line.split() for line in lines(name) if line]

    cameras = {}
    for number, model, width, height, *values in rows("cameras"):
        k = _matrix(_known(model, place), tuple(map(float, values)))
        cameras[int(number)] = int(width), int(height), k
    images = [_image(*pair) for pair in zip_longest(*2 * [iter(lines("images"))], fillvalue="") if pair[0]]
    points = (
        [tuple(map(float, row[1:7])) for row in rows("points3D")]
        if (place / "points3D.txt").is_file()
        else []
    )
    return cameras, images, points


def _image(line: str, points: str) -> _Image:
    """An image of its two lines; the second, its points, may be empty.

    Raises:
        ValueError: they are no such lines.
    """
    words = line.split(maxsplit=9)  # the name may have spaces
    if len(words) < 10 or (points and not points.split()[-1].lstrip("-").isdecimal()):
        raise ValueError("images.txt has other than two lines for each image, its second one the points")
    numbers = tuple(map(float, words[1:8]))
    return words[9], int(words[8]), pose_of(numbers[:4], numbers[4:])


def _take(stream: BinaryIO, form: str) -> tuple:
    form = "<" + form
    return struct.unpack(form, stream.read(struct.calcsize(form)))


def _name(stream: BinaryIO) -> str:
    """A text that a zero ends.

    Raises:
        ValueError: the file ends within it.
    """
    letters = b""
    while (letter := stream.read(1)) != b"\0":
        if not letter:
            raise ValueError("the file ends within a name")
        letters += letter
    return letters.decode("utf-8")


def _binary_model(place: Path) -> _Parts:
    cameras, images, points = {}, [], []
    with (place / "cameras.bin").open("rb") as stream:
        for _ in range(_take(stream, "Q")[0]):
            number, model, width, height = _take(stream, "iiQQ")
            name = _known(_MODELS[model] if 0 <= model < len(_MODELS) else f"number {model}", place)
            cameras[number] = width, height, _matrix(name, _take(stream, f"{_COUNTS[name]}d"))
    with (place / "images.bin").open("rb") as stream:
        for _ in range(_take(stream, "Q")[0]):
            _, *numbers, camera = _take(stream, "i7di")
            name = _name(stream)
            stream.seek(24 * _take(stream, "Q")[0], 1)
            images.append((name, camera, pose_of(tuple(numbers[:4]), tuple(numbers[4:]))))
    if (place / "points3D.bin").is_file():
        with (place / "points3D.bin").open("rb") as stream:
            for _ in range(_take(stream, "Q")[0]):
                _, x, y, z, red, green, blue, _, track = _take(stream, "Q3d3BdQ")
                stream.seek(8 * track, 1)
                points.append((x, y, z, red, green, blue))
    return cameras, images, points
