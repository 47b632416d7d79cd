"""Our topology laid over a tooth type, and left matched to right.

The template's directions are bent so that its ring lies on the neck's border and
its triangles cover the mean crown evenly.  The left model is then reached along
the same directions plus a smooth displacement chosen so that its shape modes are
explained as well as possible by the right model's: correspondence is decided by
overlap in shape space, since the published points do not correspond.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.parametric.train_prior_frames import TypeFrame
from teethscape.parametric.train_prior_source import PublishedTooth
from teethscape.parametric.train_prior_surface import InnerFrame, StarSurface, area_vectors, star_centre
from teethscape.parametric.train_prior_template import RING, RING_ANGLE, Template

FloatArray = NDArray[np.float64]
#: The neck's border: where the smoothed normal leaves the apical direction by 50 degrees.
_NECK_COSINE = float(np.cos(np.radians(50)))
_RELAX_ROUNDS = 250
_FOURIER_ORDER = 4
_MATCH_ROUNDS = 4
_STEP = 0.02
#: Weight of the mean crowns' distance against the modes', and of small moves (rad).
_MEAN_WEIGHT = 1.0
_MOVE_SIGMA = 0.05


@dataclass(frozen=True)
class LocalModel:
    """A published model in local coordinates: (mesial, buccal, occlusal) mm."""

    surface: StarSurface
    modes: FloatArray

    def fields(self, directions: FloatArray) -> FloatArray:
        """(1 + K, n, 3): mean points and modes where the rays leave the crown."""
        points = self.surface.cast(directions)
        return np.concatenate([points.of(self.surface.vertices)[None], points.of(self.modes)])


@dataclass(frozen=True)
class Matched:
    """Both sides on our topology.

    Attributes:
        right: (1 + K, V, 3) mean and modes of the right model, mm.
        left: the same of the mirrored left model, in correspondence.
        unexplained: share of the left modes' variance outside the right ones'
            span, before and after the matching.
    """

    right: FloatArray
    left: FloatArray
    unexplained: tuple[float, float]


def match_sides(right: PublishedTooth, left: PublishedTooth, frame: TypeFrame, template: Template) -> Matched:
    """Sample both sides' published models in correspondence on our topology.

    Args:
        right: the right tooth's model.
        left: its twin's, mirrored to the right.
        frame: the type's common frame.
        template: our topology.
    """
    first, second = local_models(right, left, frame)
    directions = _fitted_directions(first, second, template)
    moved, before, after = _matched_directions(first, second, directions)
    return Matched(first.fields(directions), second.fields(moved), (before, after))


def local_models(
    right: PublishedTooth, left: PublishedTooth, frame: TypeFrame
) -> tuple[LocalModel, LocalModel]:
    """Both models in local coordinates, seen from one common inner point."""
    flip = np.linalg.det(frame.axes) < 0
    sides = ((right, frame.from_right), (left, frame.from_left))
    faces = [side.faces[:, ::-1] if flip else side.faces for side, _ in sides]
    vertices = [move(side.vertices) for side, move in sides]
    modes = [move.directions(side.modes) for side, move in sides]
    inner = _inner_frame(
        np.vstack(vertices),
        np.vstack([faces[0], faces[1] + len(vertices[0])]),
        np.concatenate([right.cap, left.cap]),
    )
    first, second = (
        LocalModel(StarSurface(v, f, inner), m) for v, f, m in zip(vertices, faces, modes, strict=True)
    )
    return first, second


def _inner_frame(vertices: FloatArray, faces: NDArray[np.int64], cap: NDArray[np.bool_]) -> InnerFrame:
    """Inner point of both crowns; the apical pole is the middle of the cap as seen from it."""
    centre = star_centre(vertices, faces)
    own = faces[cap[faces].all(axis=1)]
    sight = vertices[own].mean(axis=1) - centre
    distance = np.linalg.norm(sight, axis=1)
    solid_angle = np.einsum("fi,fi->f", area_vectors(vertices, own), sight) / distance**3
    occlusal = -_unit((solid_angle / distance) @ sight)
    buccal = _unit(np.cross(occlusal, [1.0, 0, 0]))
    return InnerFrame(centre, np.column_stack([np.cross(buccal, occlusal), buccal, occlusal]))


def _fitted_directions(first: LocalModel, second: LocalModel, template: Template) -> FloatArray:
    """Directions that put the ring on the neck and spread the rest evenly."""
    neck = _neck_series(first, second)
    directions = _bent(template.directions, neck)
    for _ in range(_RELAX_ROUNDS):
        points = (first.surface.points(directions) + second.surface.points(directions)) / 2
        directions = _unit(_evened(first.surface.frame.seen(points), template))
        directions[:RING] = _on_neck(directions[:RING], neck)
    return directions


def _neck_series(first: LocalModel, second: LocalModel) -> FloatArray:
    """Fourier coefficients of the border's angle from the apical pole over the azimuth."""
    turn = 2 * np.pi * np.arange(90) / 90
    angles = (_neck_angles(first, turn) + _neck_angles(second, turn)) / 2
    return np.asarray(np.linalg.lstsq(_fourier(turn), angles, rcond=None)[0], np.float64)


def _neck_angles(model: LocalModel, turn: FloatArray) -> FloatArray:
    """Angle at which each meridian leaves the cap, radians."""
    tilt = np.radians(np.arange(10, 140, 0.5))
    grid = _direction(np.repeat(turn, len(tilt)), np.tile(tilt, len(turn)))
    normals = model.surface.cast(grid).of(model.surface.smooth_normals())
    apical = -_unit(normals)[:, 2].reshape(len(turn), len(tilt))
    return tilt[np.argmax(apical < _NECK_COSINE, axis=1)]


def _bent(directions: FloatArray, neck: FloatArray) -> FloatArray:
    """Template directions with the ring's zone stretched to the neck."""
    turn, tilt = _angles(directions)
    border = _fourier(turn) @ neck
    inside = tilt <= RING_ANGLE + 1e-9
    stretched = np.where(
        inside,
        tilt / RING_ANGLE * border,
        np.pi - (np.pi - tilt) / (np.pi - RING_ANGLE) * (np.pi - border),
    )
    return _direction(turn, stretched)


def _on_neck(directions: FloatArray, neck: FloatArray) -> FloatArray:
    """Ring directions put back on the border after sliding along it."""
    turn, _ = _angles(directions)
    return _direction(turn, _fourier(turn) @ neck)


def _evened(points: FloatArray, template: Template) -> FloatArray:
    """One relaxation step: to the area-weighted centre of the own faces; ring along itself."""
    corners = points[template.faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(cross, axis=1)
    total, weight = np.zeros_like(points), np.zeros(len(points))
    np.add.at(total, template.faces.ravel(), np.repeat(corners.mean(axis=1) * area[:, None], 3, axis=0))
    np.add.at(weight, template.faces.ravel(), np.repeat(area, 3))
    target = total / weight[:, None]
    ring = points[template.ring]
    target[template.ring] = (np.roll(ring, 1, axis=0) + np.roll(ring, -1, axis=0)) / 2
    return points + 0.7 * (target - points)


def _matched_directions(
    first: LocalModel, second: LocalModel, directions: FloatArray
) -> tuple[FloatArray, float, float]:
    """Directions on the left that maximise the overlap of both sides' modes."""
    right = first.fields(directions)
    span = _orthonormal(right[1:].reshape(len(right) - 1, -1))
    basis = _tangent_basis(directions)
    moved = directions
    before = _unexplained(second.fields(directions)[1:], span)
    for _ in range(_MATCH_ROUNDS):
        moved = _unit(moved + np.tensordot(_matching_step(second, right, span, moved, basis), basis, axes=1))
    return moved, before, _unexplained(second.fields(moved)[1:], span)


def _matching_step(
    second: LocalModel, right: FloatArray, span: FloatArray, directions: FloatArray, basis: FloatArray
) -> FloatArray:
    """Coefficients (B,) of one Gauss-Newton step of the displacement."""
    here = second.fields(directions)
    slopes = []
    for move in basis:
        there = second.fields(_unit(directions + _STEP * move))
        slopes.append(_residuals(there - here, span) / _STEP)
    table = np.stack(slopes, axis=1)
    gap = here.copy()
    gap[0] -= right[0]
    normal = table.T @ table
    ridge = np.eye(len(basis)) * np.trace(normal) / len(basis) * _MOVE_SIGMA
    return -np.linalg.solve(normal + ridge, table.T @ _residuals(gap, span))


def _residuals(fields: FloatArray, span: FloatArray) -> FloatArray:
    """Mean difference and the part of the modes outside the span, as one vector."""
    modes = fields[1:].reshape(len(fields) - 1, -1)
    outside = modes - (modes @ span) @ span.T
    return np.concatenate([_MEAN_WEIGHT * fields[0].ravel(), outside.ravel()])


def _unexplained(modes: FloatArray, span: FloatArray) -> float:
    flat = modes.reshape(len(modes), -1)
    outside = flat - (flat @ span) @ span.T
    return float((outside**2).sum() / (flat**2).sum())


def _orthonormal(rows: FloatArray) -> FloatArray:
    return np.linalg.qr(rows.T)[0]


def _tangent_basis(directions: FloatArray) -> FloatArray:
    """(B, V, 3) smooth tangent fields on the sphere, polynomials up to degree three."""
    x, y, z = directions.T
    powers = [(i, j, k) for i in range(4) for j in range(4 - i) for k in range(4 - i - j)]
    values = np.linalg.qr(np.column_stack([x**i * y**j * z**k for i, j, k in powers if k < 2]))[0]
    values *= np.sqrt(len(directions))
    fields = np.einsum("vb,cd->bcvd", values, np.eye(3)).reshape(-1, len(directions), 3)
    return fields - np.einsum("bvd,vd->bv", fields, directions)[:, :, None] * directions


def _angles(directions: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Azimuth and angle from the apical pole, radians."""
    turn = np.arctan2(directions[:, 1], directions[:, 0])
    return turn, np.arccos(np.clip(-directions[:, 2], -1, 1))


def _direction(turn: FloatArray, tilt: FloatArray) -> FloatArray:
    return np.column_stack([np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), -np.cos(tilt)])


def _fourier(turn: FloatArray) -> FloatArray:
    orders = np.arange(1, _FOURIER_ORDER + 1)
    return np.column_stack(
        [np.ones(len(turn)), np.cos(np.outer(turn, orders)), np.sin(np.outer(turn, orders))]
    )


def _unit(v: FloatArray) -> FloatArray:
    return v / np.linalg.norm(v, axis=-1, keepdims=True)
