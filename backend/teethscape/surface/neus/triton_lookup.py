"""The hash grid's look-up as one Triton kernel per direction (needs triton and a graphics processor).

The same numbers as ``hash_grid.Lookup`` without its tables of corners and weights in memory. With
``TRITON_INTERPRET=1`` the kernels run on a processor, slowly: that is how they are tested.
"""

# Triton compiles the kernels: their arguments are pointers and blocks, its loops are unrolled, and none has a
# Python type.
# ruff: noqa: ANN001, ANN202, PLR0913
# pyright: reportMissingImports=false, reportIndexIssue=false, reportArgumentType=false
# pyright: reportGeneralTypeIssues=false
from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from teethscape.surface.neus.hash_grid import Shape

#: Positions per program.
_BLOCK = 128


@triton.jit
def _level(sizes, scales, level):
    """Scale, nodes along an edge, entries, first row, and whether all nodes have a row of their own."""
    edge, entries = tl.load(sizes + 3 * level), tl.load(sizes + 3 * level + 1)
    dense = edge * edge * edge <= entries
    offset = tl.load(sizes + 3 * level + 2)
    return tl.load(scales + level), edge.to(tl.uint32), entries.to(tl.uint32), offset, dense


@triton.jit
def _place(unit, i, live, scale, axis: tl.constexpr):
    """Node below a position along an axis, and how far beyond it the position lies, in cells."""
    place = tl.load(unit + 3 * i + axis, live, 0.0) * scale + 0.5
    low = tl.floor(place)
    return low.to(tl.int32).to(tl.uint32), place - low


@triton.jit
def _cell(unit, i, live, scale):
    """Nodes below positions along all axes, and how far beyond them the positions lie, in cells."""
    ix, fx = _place(unit, i, live, scale, 0)
    iy, fy = _place(unit, i, live, scale, 1)
    iz, fz = _place(unit, i, live, scale, 2)
    return ix, iy, iz, fx, fy, fz


@triton.jit
def _row(ix, iy, iz, edge, entries, dense, c: tl.constexpr):
    """Row of corner c of a cell within its level; x is the lowest bit of c."""
    x, y, z = ix + (c & 1), iy + ((c >> 1) & 1), iz + ((c >> 2) & 1)
    hashed = x ^ (y * 2654435761).to(tl.uint32) ^ (z * 805459861).to(tl.uint32)
    return (tl.where(dense, x + y * edge + z * edge * edge, hashed) % entries).to(tl.int64)


@triton.jit
def _weight(inside, bit: tl.constexpr):
    """Weight of a corner along an axis, and its derivative."""
    if bit:
        return inside, 1.0
    else:  # noqa: RET505 - Triton wants one return per branch
        return 1 - inside, -1.0


@triton.jit
def _weights(fx, fy, fz, c: tl.constexpr):
    """Weights of corner c along all axes, each with its derivative."""
    wx, sx = _weight(fx, c & 1)
    wy, sy = _weight(fy, (c >> 1) & 1)
    wz, sz = _weight(fz, (c >> 2) & 1)
    return wx, sx, wy, sy, wz, sz


@triton.jit
def _look_up(table, unit, scales, sizes, values, slopes, n, levels, F: tl.constexpr, BLOCK: tl.constexpr):
    """Values (n, levels, F) and slopes (n, levels, F, 3) of a block of positions at one level."""
    level = tl.program_id(1)
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    live = i < n
    scale, edge, entries, offset, dense = _level(sizes, scales, level)
    ix, iy, iz, fx, fy, fz = _cell(unit, i, live, scale)
    for f in tl.static_range(F):
        value = tl.full((BLOCK,), 0.0, tl.float32)
        dx, dy, dz = value, value, value
        for c in tl.static_range(8):
            row = _row(ix, iy, iz, edge, entries, dense, c) + offset
            found = tl.load(table + row * F + f, live, 0.0)
            wx, sx, wy, sy, wz, sz = _weights(fx, fy, fz, c)
            value += wx * wy * wz * found
            dx += wy * wz * found * sx
            dy += wx * wz * found * sy
            dz += wx * wy * found * sz
        place = (i.to(tl.int64) * levels + level) * F + f
        tl.store(values + place, value, live)
        tl.store(slopes + 3 * place, dx * scale, live)
        tl.store(slopes + 3 * place + 1, dy * scale, live)
        tl.store(slopes + 3 * place + 2, dz * scale, live)


@triton.jit
def _spread(unit, scales, sizes, of_value, of_slope, out, n, levels, F: tl.constexpr, BLOCK: tl.constexpr):
    """Add the gradients of a block of positions at one level to the table's."""
    level = tl.program_id(1)
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    live = i < n
    scale, edge, entries, offset, dense = _level(sizes, scales, level)
    ix, iy, iz, fx, fy, fz = _cell(unit, i, live, scale)
    for f in tl.static_range(F):
        place = (i.to(tl.int64) * levels + level) * F + f
        value = tl.load(of_value + place, live, 0.0)
        dx = tl.load(of_slope + 3 * place, live, 0.0) * scale
        dy = tl.load(of_slope + 3 * place + 1, live, 0.0) * scale
        dz = tl.load(of_slope + 3 * place + 2, live, 0.0) * scale
        for c in tl.static_range(8):
            row = _row(ix, iy, iz, edge, entries, dense, c) + offset
            wx, sx, wy, sy, wz, sz = _weights(fx, fy, fz, c)
            part = wx * wy * wz * value + wy * wz * sx * dx + wx * wz * sy * dy + wx * wy * sz * dz
            tl.atomic_add(out + row * F + f, part, live)


class TritonLookup(torch.autograd.Function):
    """As ``hash_grid.Lookup``; differentiable to the table alone."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, unit: Tensor, shapes: list[Shape]) -> Any:
        """(n, levels * f) and (n, levels * f, 3) at (n, 3) positions."""
        n, levels, f = len(unit), len(shapes), table.shape[1]
        unit = unit.contiguous()
        scales = unit.new_tensor([shape[0] for shape in shapes])
        sizes = torch.tensor([shape[1:] for shape in shapes], dtype=torch.int64, device=unit.device)
        values, slopes = unit.new_empty((n, levels * f)), unit.new_empty((n, levels * f, 3))
        if n:
            grid = (triton.cdiv(n, _BLOCK), levels)
            _look_up[grid](table.detach(), unit, scales, sizes, values, slopes, n, levels, f, _BLOCK)
        ctx.save_for_backward(unit, scales, sizes)
        ctx.size = table.shape
        return values, slopes

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Spread gradients back onto the corners."""
        unit, scales, sizes = ctx.saved_tensors
        n, levels, out = len(unit), len(scales), unit.new_zeros(ctx.size)
        if n:
            of_value, of_slope = (grad.contiguous() for grad in grads)
            grid = (triton.cdiv(n, _BLOCK), levels)
            _spread[grid](unit, scales, sizes, of_value, of_slope, out, n, levels, ctx.size[1], _BLOCK)
        return out, None, None
