"""Points with or without colours from a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from teethscape.errors import BadInputError
from teethscape.surface.views import Array


@dataclass(frozen=True, eq=False)
class Cloud:
    """Points of a file.

    Attributes:
        points: (n, 3) in its units and axes.
        colours: (n, 3) 0..1; None where it has none.
        is_bare: no faces join them.
    """

    points: Array
    colours: Array | None
    is_bare: bool


def read_cloud(path: Path, code: str, advice: str) -> Cloud:
    """The points of a file, or the vertices of a mesh.

    Args:
        path: a point cloud or a mesh.
        code: of the error when it cannot be read.
        advice: what to do then.

    Raises:
        BadInputError: it is missing or damaged, or a point of it is nowhere.
    """
    import trimesh

    try:
        found: Any = trimesh.load(path)
        points = np.asarray(found.vertices, np.float64).reshape(-1, 3)
    except (
        ValueError,
        OSError,
        AttributeError,
        KeyError,
        IndexError,
        TypeError,
        NotImplementedError,
    ) as error:
        raise BadInputError(code, f"{path} cannot be read ({error}).", advice) from error
    if not np.isfinite(points).all():
        raise BadInputError(code, f"{path} holds points whose coordinates are no numbers.", advice)
    shades = np.asarray(getattr(found, "colors", np.zeros(0)), np.float64)
    has_colours = shades.ndim == 2 and shades.shape[0] == len(points) and shades.shape[1] >= 3
    return Cloud(points, shades[:, :3] / 255 if has_colours else None, not len(getattr(found, "faces", ())))
