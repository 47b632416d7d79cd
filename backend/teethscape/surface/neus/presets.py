"""Settings of NeuS from their data file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from teethscape.surface.neus.hash_grid import HashGridSpec

_FILE = Path(__file__).parent / "presets.json"


@dataclass(frozen=True)
class NeusPreset:
    """Settings of a training.

    Attributes:
        steps: optimiser steps.
        samples_per_ray: steps along a ray through the whole box.
        first_rays: rays of the first step.
        most_rays: rays of a step at most.
        warm_up: steps in which the rates rise.
        levels: of the hash grid.
        log2_table: logarithm of its table.
        base: coarsest resolution.
        finest: finest resolution.
        start_level: levels that count at the start.
        level_every: steps after which one more counts; 0: all from the start.
        rates: learning rates of hash grid, distance network, texture and sharpness.
        within_budget: a budget that ends before ``steps`` shortens every schedule with it.
        occupancy: cells along a side of the occupancy grid.
        anneal: step at which back faces are fully closed.
        sharpness: of the surface at the start, ``inv_s = exp(10 v)``.
        half_precision: mixed precision on graphics processors.
        lambdas: weights of the losses; a list is a ramp.
        smooth_points: random points of the smoothness term.
        smooth_reach: half side of the cube that they are drawn in, world units.
        smooth_step: standard deviation of the step beside them, world units.
        radius: half side of the cube that the distance's encoding covers, world units; the start sphere's
            is half of it. Rays, occupancy and extraction keep to the views' box.
        start: ``sphere``, or ``hull``: the start of the job (rough surface, hull or arch).
        held_out: views that training does not see, to stop when they no longer improve.
        patience: looks at the held-out views without improvement before training stops.
        pitch: of the extraction's grid, footprints of a pixel.
        nodes: along a side of the published extraction instead, 0: none.
    """

    steps: int
    samples_per_ray: int
    first_rays: int
    most_rays: int
    warm_up: int
    levels: int
    log2_table: int
    base: int
    finest: int
    start_level: int
    level_every: int
    rates: tuple[float, float, float, float]
    within_budget: bool
    occupancy: int
    anneal: int
    sharpness: float
    half_precision: bool
    lambdas: Mapping[str, float | list[float]]
    smooth_points: int
    smooth_reach: float
    smooth_step: float
    radius: float
    start: str
    held_out: int
    patience: int
    pitch: float
    nodes: int

    @property
    def grid(self) -> HashGridSpec:
        """Sizes of the hash grid; the published ones for the published resolutions."""
        if (self.base, self.finest, self.levels) == (32, 2049, 16):
            return HashGridSpec(log2_table=self.log2_table)
        growth = (self.finest / self.base) ** (1 / (self.levels - 1))
        return HashGridSpec(self.levels, 2, self.log2_table, self.base, growth)

    @property
    def sample_target(self) -> int:
        """Samples that a step should have."""
        return self.first_rays * self.samples_per_ray


def load_preset(name: str, with_normals: bool) -> NeusPreset:
    """A preset by name. Of views without normals a variant says what is different.

    Published weights differ there; ours begin at a hull, far from the surface, instead of nearly at it.
    """
    known = json.loads(_FILE.read_text("utf-8"))
    values = known[name] if with_normals else {**known[name], **known[f"{name}-colour"]}
    return NeusPreset(**{**values, "rates": tuple(values["rates"])})
