"""What GS-Pull begins with: points of a data set or the start's surface, and a distance (needs torch)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from teethscape.surface.grid.field import GridField
from teethscape.surface.gspull.joint import Link
from teethscape.surface.gspull.queries import normalised
from teethscape.surface.gspull.sdf import PullNetwork
from teethscape.surface.gspull.started import StartedNetwork
from teethscape.surface.hull import hull_distance
from teethscape.surface.job import Job
from teethscape.surface.lookup import FieldLookup
from teethscape.surface.mesh.marching import Array
from teethscape.surface.start import footprint

_GREY = 0.7
#: Points that a data set must bring at least.
_FEWEST = 60
#: How far outside the masks points of a data set may lie, footprints of a pixel.
_SLACK = 2.0


@dataclass(frozen=True, eq=False)
class Beginning:
    """Cloud and distance before the first step.

    Attributes:
        points: (n, 3) world.
        colours: (n, 3) 0..1.
        corners: (2, 3) of the box that holds the object, world.
        link: between world and network.
        network: distance.
        is_started: whether it is the start's already.
    """

    points: Array
    colours: Array
    corners: Array
    link: Link
    network: nn.Module
    is_started: bool


def beginning(job: Job, settings: dict[str, Any]) -> Beginning:
    """What a job begins with, by the preset's settings; opaque photos have no hull to begin at."""
    rng = np.random.default_rng(job.request.seed)
    if not job.views.has_masks:
        return _in_the_box(job, settings, rng)
    scale = job.frame.scale
    field = job.begun()
    vertices, _ = field.surface()
    count = int(settings["points"])
    cloud = _brought(job, count, rng)
    if cloud is None:
        points = _on_start(field, vertices, count, rng) / scale
        cloud = points, np.full(points.shape, _GREY)
    corners = np.stack([vertices.min(axis=0), vertices.max(axis=0)]) / scale
    link = _link(corners)
    network: nn.Module = PullNetwork(int(settings["width"]))
    if settings["started"]:
        middle = link.centre.numpy().astype(np.float64) * scale
        network = StartedNetwork(FieldLookup.moved(field, middle, link.scale * scale), network)
    return Beginning(*cloud, corners, link, network, bool(settings["started"]))


def _in_the_box(job: Job, settings: dict[str, Any], rng: np.random.Generator) -> Beginning:
    """The published beginning: a data set's points, or random ones, and a sphere."""
    views, count = job.views, int(settings["points"])
    cloud = _brought(job, count, rng)
    if cloud is None:
        points = rng.uniform(views.low, views.high, (count, 3))
        cloud = points, np.full(points.shape, _GREY)
    corners = np.stack([views.low, views.high])
    return Beginning(*cloud, corners, _link(corners), PullNetwork(int(settings["width"])), False)


def _link(corners: Array) -> Link:
    box = normalised(corners)
    return Link(torch.tensor(box.centre, dtype=torch.float32), box.scale)


def _brought(job: Job, most: int, rng: np.random.Generator) -> tuple[Array, Array] | None:
    """The points and colours of a data set within its box and its masks, where there are enough."""
    views, points = job.views, job.views.points
    if points is None:
        return None
    inside = ((points >= views.low) & (points <= views.high)).all(axis=1)
    if views.has_masks:
        slack = _SLACK * footprint(views, 1.0)
        inside &= hull_distance(views, points) < slack
    rows = np.flatnonzero(inside)
    if len(rows) < _FEWEST:
        return None
    rows = rng.permutation(rows)[:most]
    colours = views.point_colours
    return points[rows], np.full((len(rows), 3), _GREY) if colours is None else colours[rows]


def _on_start(field: GridField, vertices: Array, count: int, rng: np.random.Generator) -> Array:
    """(n, 3) points beside the start's surface, mm.

    Args:
        field: the start, mm.
        vertices: (V, 3) of its surface, mm.
        count: how many.
        rng: draws them.
    """
    chosen = vertices[rng.integers(0, len(vertices), count)]
    return chosen + rng.normal(0, 0.1 * field.pitch, chosen.shape)
