"""Real spherical harmonics up to the third degree: how a Gaussian's colour changes with the direction.

Source: the textbook's real harmonics with the Condon-Shortley phase, in Cartesian form, ordered by degree and
within it from -degree to degree, as clouds of 3D Gaussians are stored.
"""

from __future__ import annotations

from math import pi, sqrt

import torch
from torch import Tensor

#: Greatest degree that is known.
MOST = 3


def count(degree: int) -> int:
    """How many harmonics there are up to a degree."""
    return (degree + 1) ** 2


def basis(directions: Tensor, degree: int) -> Tensor:
    """Values of all harmonics up to a degree.

    Args:
        directions: (n, 3) of any length.
        degree: 0 to 3.

    Returns:
        (n, (degree + 1)²).
    """
    x, y, z = torch.nn.functional.normalize(directions, dim=1).unbind(dim=1)
    rows = [torch.full_like(x, sqrt(1 / (4 * pi)))]
    if degree >= 1:
        rows += [sqrt(3 / (4 * pi)) * value for value in (-y, z, -x)]
    if degree >= 2:
        rows += _second(x, y, z)
    if degree >= MOST:
        rows += _third(x, y, z)
    return torch.stack(rows, dim=1)


def _second(x: Tensor, y: Tensor, z: Tensor) -> list[Tensor]:
    """The five of the second degree."""
    mixed, along = sqrt(15 / (4 * pi)), sqrt(5 / (16 * pi))
    return [
        mixed * x * y,
        -mixed * y * z,
        along * (3 * z * z - 1),
        -mixed * x * z,
        mixed / 2 * (x * x - y * y),
    ]


def _third(x: Tensor, y: Tensor, z: Tensor) -> list[Tensor]:
    """The seven of the third degree."""
    outer, middle, inner = sqrt(35 / (32 * pi)), sqrt(105 / (4 * pi)), sqrt(21 / (32 * pi))
    return [
        -outer * y * (3 * x * x - y * y),
        middle * x * y * z,
        -inner * y * (5 * z * z - 1),
        sqrt(7 / (16 * pi)) * z * (5 * z * z - 3),
        -inner * x * (5 * z * z - 1),
        middle / 2 * z * (x * x - y * y),
        -outer * x * (x * x - 3 * y * y),
    ]
