"""Procedural gums: a collar round every neck, papillae, ridge, palate and floor of the mouth."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.dataset.patient_crowns import Crown
from teethscape.dataset.random_crowns import along_arch
from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.parametric.prior import load_prior
from teethscape.parametric.rotation import FloatArray

ANGLES = 36
Mesh = tuple[FloatArray, NDArray[np.int32]]


@dataclass(frozen=True)
class GumStyle:
    """Looks of the gums of one patient, in mm.

    Attributes:
        cover: how far the margin lies occlusal of the neck.
        thickness: buccolingual thickness of the margin.
        papilla: height of the papillae above the neck.
        bulge: radius of the alveolar ridge.
        vault: height of the palate above the necks.
    """

    cover: float
    thickness: float
    papilla: float
    bulge: float
    vault: float


def sample_gum_style(rng: np.random.Generator) -> GumStyle:
    """Healthy, receding and swollen gums."""
    return GumStyle(
        cover=float(rng.normal(0.15, 0.35)),
        thickness=float(rng.uniform(0.3, 0.9)),
        papilla=float(rng.uniform(0.3, 2.8)),
        bulge=float(rng.uniform(4.0, 5.5)),
        vault=float(rng.uniform(8.0, 16.0)),
    )


def grid_faces(rows: int, columns: int, closed: bool) -> NDArray[np.int32]:
    """Triangles of a grid of vertices, row by row; ``closed`` joins the last column to the first."""
    r = np.arange(rows - 1)[:, None]
    c = np.arange(columns if closed else columns - 1)[None, :]
    a, b = r * columns + c, r * columns + (c + 1) % columns
    quads = np.stack([a, b, a + columns, b + columns], -1).reshape(-1, 4)
    return np.vstack([quads[:, [0, 2, 1]], quads[:, [1, 2, 3]]]).astype(np.int32)


def join(meshes: list[Mesh]) -> Mesh:
    """One mesh of several."""
    offsets = np.cumsum([0] + [len(v) for v, _ in meshes[:-1]])
    faces = [f + o for (_, f), o in zip(meshes, offsets, strict=True)]
    return np.vstack([v for v, _ in meshes]), np.vstack(faces).astype(np.int32)


def neck_ring(crown: Crown) -> FloatArray:
    """(36, 3) world points of the crown's neck line at even angles about its long axis."""
    rim = crown.vertices[load_prior().neck]
    centre = rim.mean(axis=0)
    local = (rim - centre) @ crown.axes
    angle = np.arctan2(local[:, 1], local[:, 0])
    order = np.argsort(angle)
    target = np.linspace(-np.pi, np.pi, ANGLES, endpoint=False)
    values = [np.interp(target, angle[order], local[order, k], period=2 * np.pi) for k in range(3)]
    ring = np.stack(values, 1)
    for _ in range(2):
        ring = 0.5 * ring + 0.25 * (np.roll(ring, 1, 0) + np.roll(ring, -1, 0))
    return ring @ crown.axes.T + centre


def _collar(crown: Crown, style: GumStyle, rng: np.random.Generator) -> Mesh:
    """Gum margin of one tooth: rings from the crevice to the ridge."""
    ring = neck_ring(crown)
    centre = ring.mean(axis=0)
    local = (ring - centre) @ crown.axes
    flat = local[:, :2] / np.linalg.norm(local[:, :2], axis=1, keepdims=True)
    angle = np.linspace(-np.pi, np.pi, ANGLES, endpoint=False)
    wave = 0.15 * np.sin(angle + rng.uniform(0, 7)) + 0.1 * np.sin(2 * angle + rng.uniform(0, 7))
    cover = style.cover + wave + 0.4 * style.papilla * np.abs(np.cos(angle)) ** 4 + rng.normal(0, 0.2)
    outward = (-0.8, 0.55, 1.0, 1.2, 1.6, 1.8)
    height = (-0.4, 0.0, -0.5, -1.8, -5.0, -9.0)
    rows = []
    for out, up in zip(outward, height, strict=True):
        row = local.copy()
        row[:, :2] += flat * (out if out < 0 else out * style.thickness)
        row[:, 2] += up + cover
        rows.append(row @ crown.axes.T + centre)
    faces = grid_faces(len(rows), ANGLES, closed=True)
    left_handed = np.linalg.det(crown.axes) < 0
    return np.vstack(rows), faces if left_handed else faces[:, ::-1]


def ellipsoid(centre: FloatArray, axes: FloatArray, radii: FloatArray) -> Mesh:
    """Ellipsoid of 10 x 16 vertices with its axes as columns."""
    polar = np.linspace(0.05, np.pi - 0.05, 10)
    around = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    p, a = np.meshgrid(polar, around, indexing="ij")
    unit = np.stack([np.sin(p) * np.cos(a), np.sin(p) * np.sin(a), np.cos(p)], -1).reshape(-1, 3)
    faces = grid_faces(10, 16, closed=True)
    return (unit * radii) @ axes.T + centre, faces if np.linalg.det(axes) > 0 else faces[:, ::-1]


def _papilla(one: Crown, two: Crown, style: GumStyle, rng: np.random.Generator) -> Mesh:
    """Gum between two neighbours, ending ``style.papilla`` above their necks."""
    a, b = neck_ring(one), neck_ring(two)
    middle = (a.mean(axis=0) + b.mean(axis=0)) / 2
    along = b.mean(axis=0) - a.mean(axis=0)
    gap = float(np.linalg.norm(along))
    up = one.axes[:, 2] + two.axes[:, 2]
    up /= np.linalg.norm(up)
    along -= up * (along @ up)
    along /= np.linalg.norm(along)
    height = 4.0
    top = style.papilla + rng.normal(0, 0.3)
    across = np.asarray(np.cross(up, along), float)
    depth = 0.42 * np.ptp((np.vstack([a, b]) - middle) @ across)
    width = 0.22 * gap + 0.4 if gap < 11 else 0.4 * gap
    axes = np.stack([along, across, up], 1)
    return ellipsoid(middle + up * (top - height), axes, np.array([width, depth, height]))


def _ridge_line(crowns: list[Crown], apical: float) -> tuple[FloatArray, FloatArray]:
    """(n, 3) points ``apical`` mm below the necks along the arch, beyond both ends, and the mean up axis."""
    up = np.mean([c.axes[:, 2] for c in crowns], axis=0)
    up /= np.linalg.norm(up)
    points = np.array([neck_ring(c).mean(axis=0) for c in crowns]) - up * apical
    points = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    even = np.linspace(0, length[-1], max(int(length[-1] / 2.0), 8))
    return np.stack([np.interp(even, length, points[:, k]) for k in range(3)], 1), up


def _ridge(crowns: list[Crown], style: GumStyle) -> list[Mesh]:
    """Overlapping ellipsoids along the arch, in two storeys."""
    meshes = []
    for apical, factor in ((5.0, 1.0), (11.0, 1.25)):
        line, up = _ridge_line(crowns, apical)
        radii = style.bulge * factor * np.array([1.0, 1.0, 1.0])
        meshes += [ellipsoid(p, np.eye(3), radii) for p in line]
    del up
    return meshes


def _inner(crowns: list[Crown], style: GumStyle, rng: np.random.Generator) -> Mesh:
    """Palate, or tongue and floor of the mouth, spanned between the two sides of the arch."""
    line, up = _ridge_line(crowns, 3.0)
    half = len(line) // 2
    right, left = line[:half], line[::-1][:half]
    upper = jaw_of(crowns[0].fdi) is Jaw.UPPER
    back = (right[0] - right[min(6, half - 1)] + left[0] - left[min(6, half - 1)]) / 2
    steps = np.linspace(1.5, 0.25, 4)[:, None]
    right = np.vstack([right[0] + steps * back, right])
    left = np.vstack([left[0] + steps * back, left])
    across = np.linspace(0, 1, 25)
    dome = 1 - (2 * across - 1) ** 2
    rise = -style.vault * dome[None, :] * np.minimum(np.arange(len(right)) / 3 + 1, 3)[::-1][:, None] / 3
    if not upper:
        bump = rng.uniform(0.4, 1.6) * style.vault * np.exp(-(((across - 0.5) / 0.25) ** 2))
        fore = np.clip(1.2 - np.arange(len(right)) / (0.7 * len(right)), 0, 1)[:, None]
        rise = 0.7 * rise + bump[None, :] * fore
    grid = right[:, None] * (1 - across[None, :, None]) + left[:, None] * across[None, :, None]
    ruffle = rng.normal(0, 0.12, (len(right), 1, 1)) * np.ones((1, 25, 1))
    grid = grid + up * (rise[..., None] + ruffle)
    faces = grid_faces(len(right), 25, closed=False)
    return grid.reshape(-1, 3), np.vstack([faces, faces[:, ::-1]])


def gum_mesh(crowns: list[Crown], jaw: Jaw, style: GumStyle, rng: np.random.Generator) -> Mesh:
    """Everything soft that is attached to one jaw; overlapping pieces, outward faces."""
    teeth = along_arch(crowns, jaw)
    pieces = [_collar(crown, style, rng) for crown in teeth]
    pieces += [_papilla(a, b, style, rng) for a, b in itertools.pairwise(teeth)]
    pieces += _ridge(teeth, style)
    pieces.append(_inner(teeth, style, rng))
    return join(pieces)
