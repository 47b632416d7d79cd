"""Where a tooth type stands: left laid on right, anatomical axes, mean place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from teethscape.dental.fdi import mirrored
from teethscape.parametric.train_prior_source import PublishedModel, PublishedTooth
from teethscape.parametric.train_prior_surface import area_vectors, vertex_normals

FloatArray = NDArray[np.float64]
_ROUNDS = 40


@dataclass(frozen=True)
class Similarity:
    """x -> scale * turn @ x + shift, for rows of points."""

    scale: float
    turn: FloatArray
    shift: FloatArray

    def __call__(self, points: FloatArray) -> FloatArray:
        """Move points (..., 3)."""
        return self.scale * points @ self.turn.T + self.shift

    def directions(self, vectors: FloatArray) -> FloatArray:
        """Turn and scale vectors (..., 3) without the shift."""
        return self.scale * vectors @ self.turn.T


@dataclass(frozen=True)
class TypeFrame:
    """The common frame of a right crown and its mirrored left twin.

    Attributes:
        axes: (3, 3) columns mesial, buccal, occlusal of the right tooth, world.
        centre: (3,) mean place of the right tooth in its jaw's frame, mm.
        from_right: jaw frame -> local coordinates, for the right model.
        from_left: the same for the mirrored left model.
    """

    axes: FloatArray
    centre: FloatArray
    from_right: Similarity
    from_left: Similarity


def type_frames(model: PublishedModel, types: tuple[int, ...]) -> dict[int, TypeFrame]:
    """Frames of all tooth types.

    Args:
        model: the published model.
        types: right-side FDI numbers, each quadrant from mesial to distal.
    """
    pairs = {t: (model.teeth[t], model.teeth[mirrored(t)].mirrored()) for t in types}
    centres = {t: (right.centre + left.centre) / 2 for t, (right, left) in pairs.items()}
    return {t: _frame(*pairs[t], centres[t], _towards_midline(t, centres)) for t in types}


def _towards_midline(tooth: int, centres: dict[int, FloatArray]) -> FloatArray:
    """Tangent of the arch at a tooth, pointing mesially."""
    mesial, distal = tooth - 1, tooth + 1
    before = centres[mesial] if mesial in centres else centres[tooth] * [-1, 1, 1]
    after = centres.get(distal, centres[tooth])
    return before - after


def _frame(right: PublishedTooth, left: PublishedTooth, centre: FloatArray, tangent: FloatArray) -> TypeFrame:
    axes = _anatomical_axes(_apical(right) + _apical(left), tangent, centre)
    onto = register(left.vertices - left.centre, left.faces, right.vertices - right.centre, right.faces)
    half = Rotation.from_matrix(onto.turn).as_rotvec() / 2
    back, forth = (Rotation.from_rotvec(sign * half).as_matrix() for sign in (-1, 1))
    root = np.sqrt(onto.scale)
    right_turn, left_turn = axes.T @ back, axes.T @ forth
    offset = right_turn @ onto.shift / root / 2
    return TypeFrame(
        axes,
        centre,
        Similarity(1 / root, right_turn, -right_turn @ right.centre / root - offset),
        Similarity(root, left_turn, -root * left_turn @ left.centre + offset),
    )


def _apical(tooth: PublishedTooth) -> FloatArray:
    """Unit mean normal of the neck cap."""
    total = area_vectors(tooth.vertices, tooth.faces)[tooth.cap[tooth.faces].all(axis=1)].sum(axis=0)
    return total / np.linalg.norm(total)


def _anatomical_axes(apical: FloatArray, tangent: FloatArray, centre: FloatArray) -> FloatArray:
    """Occlusal = away from the cap, mesial along the arch, buccal outwards.

    Args:
        apical: (3,) normal of the neck cap.
        tangent: (3,) mesial direction of the arch.
        centre: (3,) the tooth's place; the arch's middle is the frame's origin.
    """
    occlusal = -apical / np.linalg.norm(apical)
    mesial = tangent - occlusal * (tangent @ occlusal)
    mesial /= np.linalg.norm(mesial)
    buccal = np.cross(occlusal, mesial)
    outwards = buccal @ (centre * [1, 1, 0] - [0, 5.0, 0])
    return np.column_stack([mesial, buccal if outwards > 0 else -buccal, occlusal])


def register(
    moving: FloatArray, moving_faces: NDArray, fixed: FloatArray, fixed_faces: NDArray
) -> Similarity:
    """Similarity that lays one crown on another, point to plane, both ways.

    Args:
        moving: (N, 3) vertices, centred, mm; moved by the result.
        moving_faces: (M, 3).
        fixed: (N', 3) vertices, centred, mm.
        fixed_faces: (M', 3).
    """
    guess = Similarity(1.0, np.eye(3), np.zeros(3))
    normals = vertex_normals(fixed, fixed_faces)
    moving_normals = vertex_normals(moving, moving_faces)
    tree = KDTree(fixed)
    for _ in range(_ROUNDS):
        placed, turned = guess(moving), moving_normals @ guess.turn.T
        here = tree.query(placed)[1]
        there = KDTree(placed).query(fixed)[1]
        points = np.vstack([placed, placed[there]])
        targets = np.vstack([fixed[here], fixed])
        planes = np.vstack([normals[here], turned[there]])
        guess = _improved(guess, points, targets, planes)
    return guess


def _improved(guess: Similarity, points: FloatArray, targets: FloatArray, planes: FloatArray) -> Similarity:
    """One Gauss-Newton step of the point-to-plane distance."""
    gap = np.einsum("ni,ni->n", targets - points, planes)
    table = np.column_stack([np.cross(points, planes), planes, np.einsum("ni,ni->n", points, planes)])
    step = np.linalg.lstsq(table, gap, rcond=None)[0]
    turn = Rotation.from_rotvec(step[:3]).as_matrix()
    grow = np.exp(step[6])
    return Similarity(guess.scale * grow, turn @ guess.turn, grow * turn @ guess.shift + step[3:6])
