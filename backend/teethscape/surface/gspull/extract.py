"""The distance that GS-Pull has learnt on a grid, from which its surface is taken (needs torch)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from teethscape.surface.grid.field import GridField, sampled_field
from teethscape.surface.gspull.begin import Beginning
from teethscape.surface.hull import hull_mm
from teethscape.surface.job import Job
from teethscape.surface.mesh.marching import Array
from teethscape.surface.start import MOST_NODES, footprint, roomy_pitch

#: Nodes along the longest side of the grid, at most, where it is not the published one.
_NODES = 600
#: Of the cube that the published extraction samples, in longest sides of the box; it is cut to the box then.
_PUBLISHED_SIDE = 1.2
#: Pitches around the box.
_MARGIN = 4
#: How far outside the hull of the masks the surface may lie, footprints of a pixel.
_SLACK = 2.5
#: Points that the network is asked for together.
_CHUNK = 1 << 16


def extracted(job: Job, begun: Beginning, centres: Array, pitch: float, nodes: int = 0) -> GridField:
    """The distance on a grid around cloud and start, mm.

    Source of the published grid: ``gspull-spec.md``, section 6.

    Args:
        job: what was asked.
        begun: the network as it is by now, and the box of the start.
        centres: (n, 3) of the Gaussians, world.
        pitch: of the grid, footprints of a pixel; more where memory asks for it.
        nodes: not 0: they lie as near to each other as so many along a side of the published cube instead.
    """
    scale, side = job.frame.scale, begun.link.scale * job.frame.scale
    low, high = (corner * scale for corner in _box(job, begun, centres))
    step = max(pitch * footprint(job.views, scale), float((high - low).max()) / _NODES)
    if nodes:
        step = _PUBLISHED_SIDE * side / (nodes - 1)
    low, high = low - _MARGIN * step, high + _MARGIN * step
    step = step if nodes else roomy_pitch(step, high - low, MOST_NODES)
    counts = np.ceil((high - low) / step).astype(int) + 1
    middle = begun.link.centre.cpu().numpy().astype(np.float64) * scale

    def field(points: NDArray[np.float32]) -> NDArray[np.float32]:
        cube = torch.from_numpy(((points - middle) / side).astype(np.float32))
        return distances(begun.network, cube.to(begun.link.centre.device)) * np.float32(side)

    found = sampled_field(field, low, step, counts, job.session.check_cancelled)
    if begun.is_started:
        return found
    # Far from the cloud nothing was learnt; what no mask allows is no surface.
    hull, slack = hull_mm(job.views, scale), _SLACK * footprint(job.views, scale)
    limit = found.evaluated(lambda points: hull(points) - slack)
    return replace(found, values=np.maximum(found.values, limit, out=limit))


@torch.no_grad()
def distances(network: nn.Module, cube: torch.Tensor) -> NDArray[np.float32]:
    """(n,) what a network says at (n, 3) points, cube units; some of them at a time."""
    return torch.cat([network(points).cpu() for points in cube.split(_CHUNK)]).numpy()


def _box(job: Job, begun: Beginning, centres: Array) -> tuple[Array, Array]:
    """Two corners (3,) of what holds the cloud, and the start where it is kept, world."""
    points = begun.corners
    if job.views.has_masks:
        points = np.concatenate([centres, points]) if begun.is_started else centres
    return points.min(axis=0), points.max(axis=0)
