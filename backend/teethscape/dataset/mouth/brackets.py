"""Fixed braces: a bracket on each tooth, rings that hold the wire, the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from teethscape.dataset.mouth.enamel_paint import crown_places
from teethscape.dataset.mouth.fields import in_order
from teethscape.dataset.mouth.nets import Array, Quads
from teethscape.dataset.mouth.opening import ring_grid
from teethscape.dataset.patient_crowns import Crown
from teethscape.dental.fdi import Jaw

_BOX = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
_SIDES = np.array(
    [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]], np.int32
)


@dataclass(frozen=True)
class Brace:
    """A bracket on one tooth.

    Attributes:
        fdi: the tooth.
        metal: its metal, vertices (n, 3) world mm and quads.
        elastic: the ring that holds the wire.
        slot: (3,) middle of its slot, mm.
    """

    fdi: int
    metal: tuple[Array, Quads]
    elastic: tuple[Array, Quads]
    slot: Array


def _boxes(parts: Sequence[tuple[Array, Array]]) -> tuple[Array, Quads]:
    """Boxes given by middle (3,) and half size (3,) in (mesial, outward, occlusal) axes."""
    vertices = np.vstack([middle + _BOX * half for middle, half in parts])
    faces = np.vstack([_SIDES + 8 * k for k in range(len(parts))])
    return vertices, faces.astype(np.int32)


def _frame(crown: Crown) -> tuple[Array, Array]:
    """Middle (3,) of the buccal face and axes (3, 3): columns mesial, outward, occlusal."""
    place = crown_places(crown)
    score = np.abs(place[:, 0]) + np.abs(place[:, 2] - 0.1) - 0.8 * place[:, 1]
    near = np.argsort(score)[:24]
    spot = crown.vertices[near].mean(axis=0)
    centred = crown.vertices[near] - spot
    outward = np.linalg.svd(centred)[2][2]
    outward *= np.sign(outward @ crown.axes[:, 1])
    up = crown.axes[:, 2] - outward * (crown.axes[:, 2] @ outward)
    up /= np.linalg.norm(up)
    return spot, np.stack([np.cross(outward, up), outward, up], 1)


def _torus(major: tuple[float, float], minor: float, lift: float) -> tuple[Array, Quads]:
    """A ring round the outward axis; half axes ``major`` mm, ``lift`` mm above the base."""
    turn = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)[:, None]
    around = np.linspace(0.0, 2.0 * np.pi, 8, endpoint=False)[None, :]
    radius = 1.0 + 0.0 * turn
    x = (major[0] * radius + minor * np.cos(around)) * np.cos(turn)
    z = (major[1] * radius + minor * np.cos(around)) * np.sin(turn)
    y = lift + minor * np.sin(around) + 0.0 * turn
    faces = ring_grid(25, 8)
    return np.stack([x, y, z], -1).reshape(-1, 3), (faces % (24 * 8)).astype(np.int32)


def brace(crown: Crown) -> Brace:
    """The bracket of one tooth."""
    spot, axes = _frame(crown)
    wide = 1.05 if crown.fdi in (31, 32, 41, 42) else 1.45
    base = (np.array([0.0, 0.1, 0.0]), np.array([wide + 0.15, 0.35, 1.45]))
    wings = [
        (np.array([side * 0.62 * wide, 1.05, height]), np.array([0.36 * wide, 0.6, 0.5]))
        for side in (-1.0, 1.0)
        for height in (-0.95, 0.95)
    ]
    floor = (np.array([0.0, 0.6, 0.0]), np.array([wide * 0.95, 0.25, 1.2]))
    metal, faces = _boxes([base, floor, *wings])
    ring, ring_faces = _torus((wide + 0.05, 1.35), 0.24, 1.0)
    slot = spot + axes @ np.array([0.0, 1.15, 0.0])
    return Brace(crown.fdi, (spot + metal @ axes.T, faces), (spot + ring @ axes.T, ring_faces), slot)


def braces(crowns: Sequence[Crown], jaw: Jaw) -> list[Brace]:
    """Brackets on all teeth of a jaw but the second molars, from right to left."""
    return [brace(c) for c in in_order(crowns, jaw) if c.fdi % 10 <= 6]


def wire(found: Sequence[Brace]) -> tuple[Array, Quads]:
    """A wire of 0.5 mm through the slots of a jaw's brackets."""
    slots = np.array([b.slot for b in found])
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(slots, axis=0), axis=1))])
    even = np.arange(-1.5, length[-1] + 1.5, 0.7)
    path = np.stack([np.interp(even, length, slots[:, k]) for k in range(3)], 1)
    for _ in range(2):
        path[1:-1] = 0.5 * path[1:-1] + 0.25 * (path[2:] + path[:-2])
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(along, np.array([0.0, 0.0, 1.0]))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(along, side)
    turn = np.linspace(0.0, 2.0 * np.pi, 8, endpoint=False)[None, :, None]
    rows = path[:, None] + 0.26 * (np.cos(turn) * side[:, None] + np.sin(turn) * up[:, None])
    return rows.reshape(-1, 3), ring_grid(len(path), 8)
