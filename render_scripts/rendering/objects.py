"""What a mesh file is to the scripts: its id, its jaw, the other jaw beside it, its place in space."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw
from teethscape.errors import BadInputError, RefusedError, UsageError

Array = NDArray[np.float64]

SUFFIXES = (".obj", ".ply", ".stl", ".glb")
#: How far outside the unit cube a normalised jaw may reach: rounding in a text file.
_TOLERANCE = 1e-3
#: A jaw fills most of the pair's box, so its own largest extent is not far below 1.
_LEAST_EXTENT = 0.5


class Normalise(str, Enum):
    """What to do with an object that is not normalised."""

    PAIR = "pair"
    ALONE = "alone"
    REFUSE = "refuse"
    NEVER = "never"

    __str__ = str.__str__


class JawChoice(str, Enum):
    """The jaw of the objects, or to be read from their names."""

    AUTO = "auto"
    UPPER = "upper"
    LOWER = "lower"

    __str__ = str.__str__


@dataclass(frozen=True)
class DentalObject:
    """A mesh file that is rendered under the id ``uid``."""

    path: Path
    uid: str
    jaw: Jaw


@dataclass(frozen=True)
class Placement:
    """Moves a file's vertices into the unit cube: ``(x - centre) * scale``.

    Attributes:
        centre: (3,) in the file's units.
        scale: unit cubes per unit of the file.
        source: ``as given``, ``pair`` or ``alone``.
    """

    centre: list[float]
    scale: float
    source: str


AS_GIVEN = Placement([0.0, 0.0, 0.0], 1.0, "as given")


def uid_of(path: Path) -> str:
    """Published id of a file: folder and stem, such as ``XXX_norm_upper``."""
    return f"{path.resolve().parent.name}_{path.stem}"


def describe(paths: tuple[Path, ...], choice: JawChoice) -> list[DentalObject]:
    """Files as objects, in the order given.

    Raises:
        UsageError: two files have the same id.
        BadInputError: a name tells no jaw.
    """
    seen: dict[str, Path] = {}
    for path in paths:
        if path != seen.setdefault(uid_of(path), path):
            raise UsageError(
                "uid_twice",
                f"{path} and {seen[uid_of(path)]} would both be called {uid_of(path)}.",
                "Rename one of the folders or files.",
            )
    return [DentalObject(path, uid, jaw_of_file(path, choice)) for uid, path in seen.items()]


def jaw_of_file(path: Path, choice: JawChoice) -> Jaw:
    """Jaw by choice, else by the word ``upper`` or ``lower`` in the file's or the folder's name.

    Raises:
        BadInputError: neither or both words are there.
    """
    if choice is not JawChoice.AUTO:
        return Jaw(choice.value)
    for name in (path.stem.lower(), path.resolve().parent.name.lower()):
        named = [jaw for jaw in Jaw if jaw.value in name]
        if len(named) == 1:
            return named[0]
    raise BadInputError(
        "jaw_unknown",
        f"The name of {path} does not tell which jaw it is.",
        "Put 'upper' or 'lower' into the file's name, or give --jaw.",
    )


def looks_normalised(vertices: Array) -> bool:
    """True where (n, 3) vertices fill the unit cube about the origin as one jaw of a pair does."""
    extent = np.ptp(vertices, axis=0).max()
    inside = np.abs(vertices).max() <= 0.5 + _TOLERANCE
    return bool(inside and extent >= _LEAST_EXTENT)


def box_placement(vertices: Array, source: str) -> Placement:
    """Placement that centres the box of (n, 3) vertices and makes its largest extent 1."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    return Placement(((low + high) / 2).tolist(), float(1.0 / (high - low).max()), source)


def not_normalised(path: Path, advice: str) -> RefusedError:
    """The refusal to render an object whose size and place nobody knows."""
    return RefusedError("object_not_normalised", f"{path} is not normalised.", advice)
