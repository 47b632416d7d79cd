"""Gauss-Newton steps of the grid's values near the surface, from coarse to fine."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from teethscape.surface.grid.borders import border_rows
from teethscape.surface.grid.field import GridField
from teethscape.surface.grid.looks import Look
from teethscape.surface.grid.rows import Rows, compared, normal_rows, robust_residual, seen_points, stacked
from teethscape.surface.grid.stereo import Sight, stereo_rows
from teethscape.surface.mesh.marching import Array


@dataclass(frozen=True)
class SolveRules:
    """Weights of a solution.

    Attributes:
        band: half width of the nodes that are solved for, nodes.
        bend: weight of second differences of a step, per residual of normals that is usual.
        bend_by_noise: how much larger it is per noise of the normals beyond ``still``; residuals tell too
            little of it, for slopes of the pictures, and offsets by them, are noisier than normals.
        still: noise that pictures without any are thought to have.
        shape_share: share of it that holds for the values themselves. All of it would lay what is round,
            and thin edges most, too deep wherever no border holds it against the normals.
        stay: weight of keeping each value.
        border: weight of the masks' borders.
        iterations: of conjugate gradients.
        largest_step: how far the surface may move at once, nodes.
        is_near: the surface is nearly right: what views tell to be far off is a mismatch of them.
    """

    band: float = 3.0
    bend: float = 0.3
    bend_by_noise: float = 5.5
    still: float = 0.03
    shape_share: float = 0.15
    stay: float = 0.02
    border: float = 8.0
    iterations: int = 60
    largest_step: float = 1.5
    is_near: bool = False


def stepped(field: GridField, looks: list[Look], rules: SolveRules) -> GridField:
    """The field after one step.

    Args:
        field: the present one.
        looks: views.
        rules: weights.
    """
    mesh = field.surface()
    seen, depths = zip(*(seen_points(look, mesh) for look in looks), strict=True)
    found = [compared(look, field, some) for look, some in zip(looks, seen, strict=True)]
    robust = robust_residual(found)
    sights = [Sight(look, depth) for look, depth in zip(looks, depths, strict=True)]
    rows: list[Rows] = []
    for own, (sight, some) in enumerate(zip(sights, found, strict=True)):
        rows.append(normal_rows(sight.look, some, robust))
        rows.append(border_rows(sight, field, rules.border, robust))
        rows.append(stereo_rows(sights, own, field, some.seen.points, rules.is_near))
    noise = max(float(np.median([look.noise for look in looks])) - rules.still, 0.0)
    bend = rules.bend * robust * (1 + rules.bend_by_noise * noise)
    return _solved(field, rows, replace(rules, bend=bend))


def _solved(field: GridField, rows: list[Rows], rules: SolveRules) -> GridField:
    flat = field.values.ravel().astype(np.float64)
    active = np.abs(field.values) < rules.band * field.pitch
    active = np.asarray(ndimage.binary_dilation(active), bool).ravel()
    matrix, wanted = stacked(rows, flat.size)
    bends = _bends(active.reshape(field.values.shape), field) * rules.bend
    number = np.flatnonzero(active)
    data, bend = matrix[:, number], bends[:, number]
    start = flat[number]
    left = (
        data.T @ data + bend.T @ bend + sparse.identity(len(number)) * (rules.stay / field.pitch) ** 2
    ).tocsr()
    residual = data.T @ (wanted - matrix @ flat) - rules.shape_share * (bend.T @ (bends @ flat))
    step = _conjugate_gradients(left, residual, rules.iterations)
    most = rules.largest_step * field.pitch
    flat[number] = start + np.clip(step, -most, most)
    values = flat.reshape(field.values.shape).astype(np.float32)
    return replace(field, values=values).redistanced(rules.band)


def _bends(active: NDArray[np.bool_], field: GridField) -> sparse.csr_matrix:
    """Second differences along the axes around active nodes, in units of slope."""
    rows, size = [], field.values.size
    for axis, step in enumerate(field.steps):
        middle = active.copy()
        edge: list[slice | int] = [slice(None)] * 3
        for end in (0, -1):
            edge[axis] = end
            middle[tuple(edge)] = False
        node = np.flatnonzero(middle)
        columns = np.column_stack([node - step, node, node + step]).ravel()
        weights = np.tile([1.0, -2.0, 1.0], len(node)) / field.pitch
        pointer = np.arange(0, len(columns) + 1, 3)
        rows.append(sparse.csr_matrix((weights, columns, pointer), shape=(len(node), size)))
    return sparse.csr_matrix(sparse.vstack(rows))


def _conjugate_gradients(matrix: sparse.csr_matrix, right: Array, iterations: int) -> Array:
    """Approximate solution with a diagonal preconditioner."""
    inverse = 1.0 / np.maximum(matrix.diagonal(), 1e-12)
    found, rest = np.zeros_like(right), right.copy()
    way = inverse * rest
    power = first = float(rest @ way)
    for _ in range(iterations):
        turned = matrix @ way
        step = power / max(float(way @ turned), 1e-300)
        found += step * way
        rest -= step * turned
        scaled = inverse * rest
        last, power = power, float(rest @ scaled)
        if power < 1e-8 * first:
            break
        way = scaled + (power / last) * way
    return found
