"""The method ``gspull``: Gaussians, then a distance pulled onto them, then the surface (needs torch)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from teethscape.surface.checkpoints import load_state, save_state
from teethscape.surface.device import torch_device
from teethscape.surface.grid.field import GridField
from teethscape.surface.gspull.gaussians import NAMES, DensityRules, Gaussians
from teethscape.surface.gspull.joint import Link, Tie, TieRules, cloud_loss, field_loss
from teethscape.surface.gspull.pull import PullRules, PullState, learn_by_pulling
from teethscape.surface.gspull.queries import QuerySet, drawn_queries, normalised, usable
from teethscape.surface.gspull.sdf import PullNetwork
from teethscape.surface.gspull.seen import Seen, clear_views, seen_normals
from teethscape.surface.gspull.splat import rasteriser
from teethscape.surface.gspull.started import FieldLookup, StartedNetwork
from teethscape.surface.gspull.sweep import swept
from teethscape.surface.gspull.train import GaussianRules, GaussianTrainer
from teethscape.surface.hull import hull_distance
from teethscape.surface.make import Found, Job
from teethscape.surface.mesh.marching import Array
from teethscape.surface.mesh.sampling import sampled
from teethscape.surface.request import Background, DiskKernel
from teethscape.surface.start import footprint

_FILE = Path(__file__).parent / "presets.json"
_BACKGROUNDS = {Background.BLACK: (0.0, 0.0, 0.0), Background.WHITE: (1.0, 1.0, 1.0), Background.RANDOM: None}
#: Of the grid of the start, footprints of a pixel: on a coarser one crowns lose height.
_START_PITCH = 1.0
_OPACITY = 0.5
_GREY = 0.7
_CHUNK = 1 << 16
#: How far views may be apart on a normal that is believed (0.02: about 12 degrees from their mean).
_SPREAD = 0.02
#: Points that the sweep must find at least, as a share of those that are wanted.
_ENOUGH = 0.1


@dataclass(frozen=True, eq=False)
class _Run:
    """Everything of one training.

    Attributes:
        job: what was asked.
        settings: the preset's values.
        trainer: Gaussians.
        network: distance.
        link: between their frames.
        device: where it is computed.
        corners: (2, 3) of the start's box, world; the cloud need not reach all of a start that is kept.
    """

    job: Job
    settings: dict[str, Any]
    trainer: GaussianTrainer
    network: nn.Module
    link: Link
    device: torch.device
    corners: Array


def gspull(job: Job) -> Found:
    """Train GS-Pull on a job's views.

    Raises:
        MissingComponentError: torch is missing, or gsplat does not run and Gaussians are many.
        CancelledError: the user has cancelled; the checkpoint stays.
    """
    device = torch_device(job.request.device)
    torch.manual_seed(job.request.seed)
    run = _prepared(job, device)
    state = load_state(job.session, job.key, device) or {}
    if state:
        _restore(run, state)
    if int(state.get("round", 0)) == 0:
        _stage_one(run)
        _save(run, 1, at_once=True)
    _stage_two(run, max(int(state.get("round", 1)), 1), state.get("pull"))
    return Found(_extracted(run, float(run.settings["pitch"])), np.ones(len(job.views)))


def _prepared(job: Job, device: torch.device) -> _Run:
    settings = json.loads(_FILE.read_text("utf-8"))[job.request.preset.value]
    shape = dict(settings["gaussians"])
    if "dense" in shape:
        shape["dense"] = tuple(shape["dense"])
    shape["density"] = DensityRules(**shape.get("density", {}))
    rules = GaussianRules(**shape, background=_BACKGROUNDS[job.request.background])
    scale = job.frame.scale
    field = job.start(job.views, _START_PITCH * footprint(job.views, scale))
    vertices, _ = field.surface()
    rng = np.random.default_rng(job.request.seed)
    points = _first_points(job, settings, (field, vertices), rng)
    cloud = Gaussians(points, np.full(points.shape, _GREY)).to(device)
    box = normalised(vertices / scale)
    link = Link(torch.tensor(box.centre, dtype=torch.float32, device=device), box.scale)
    corners = np.stack([vertices.min(axis=0), vertices.max(axis=0)]) / scale
    network = _network(settings, field, link, scale).to(device)
    trainer = GaussianTrainer(cloud, job.views, rules, rasteriser(device, len(cloud), job.session.warn))
    return _Run(job, settings, trainer, network, link, device, corners)


def _first_points(
    job: Job, settings: dict[str, Any], start: tuple[GridField, Array], rng: np.random.Generator
) -> Array:
    """(n, 3) world points that the cloud begins with: on the start, or where normals agree within it.

    Args:
        job: views and scale.
        settings: of the preset.
        start: its field, and (V, 3) vertices of its surface, mm.
        rng: draws the points.
    """
    field, vertices = start
    count, scale = int(settings["points"]), job.frame.scale
    if settings["swept"]:
        some = vertices[rng.integers(0, len(vertices), int(settings["swept"]))]
        cloud = some / scale, field.slopes(some)
        pixel = footprint(job.views, scale) / scale
        found = swept(job.views, cloud, lambda points: field.at(points * scale) / scale, pixel)
        if found is not None and len(found) > _ENOUGH * count:
            return found[rng.permutation(len(found))[:count]]
    chosen = vertices[rng.integers(0, len(vertices), count)]
    return (chosen + rng.normal(0, 0.1 * field.pitch, chosen.shape)) / scale


def _network(settings: dict[str, Any], field: GridField, link: Link, scale: float) -> nn.Module:
    """The published network, or by the preset one that begins as the start's distance (hull or arch)."""
    network = PullNetwork(int(settings["width"]))
    if not settings["started"]:
        return network
    side = link.scale * scale
    low = field.low / side - link.centre.cpu().numpy() / link.scale
    return StartedNetwork(
        FieldLookup((field.values / np.float32(side)).astype(np.float32), low, field.pitch / side), network
    )


def _stage_one(run: _Run) -> None:
    """Gaussians that look like the views; of a cloud that has grown, faint ones are dropped at the end."""
    trainer, session = run.trainer, run.job.session
    steps = trainer.rules.steps
    while trainer.step_number < steps and session.budget_share < 0.5:
        loss = trainer.step()
        if trainer.step_number % 10 == 0:
            session.tell(0.5 * trainer.step_number / steps, f"Gaussians, loss {loss:.3f}")
        _save(run, 0)
    # Only a cloud that has grown has Gaussians that nothing but their opacity vouches for.
    opaque, grown = trainer.cloud.opacity > _OPACITY, trainer.rules.dense[0] < steps
    if grown and int(opaque.sum()) >= len(opaque) // 4:
        trainer.cloud.replace(opaque)
    trainer.drop_outside()
    trainer.step_number = steps  # however few there were: from here on none are added


def _stage_two(run: _Run, first: int, saved: dict[str, Any] | None) -> None:
    """Rounds of pulling, each on queries around the cloud as it is then.

    Args:
        run: network and cloud are changed.
        first: round to begin with, from 1.
        saved: what a checkpoint holds of the pulling before.
    """
    state = PullState.fresh(run.network, np.random.default_rng([run.job.request.seed, first]))
    centres = None
    if saved is not None:
        state.optimiser.load_state_dict(saved["optimiser"])
        state.step, centres = int(saved["step"]), saved["centres"]
    starts = [*map(int, run.settings["rebuild"]), int(run.settings["pull_steps"])]
    for number, (_, last) in enumerate(pairwise(starts), start=1):
        if number < first or run.job.session.is_over:
            continue
        centres = run.trainer.cloud.centres.detach().clone() if centres is None else centres
        _pull_round(run, (number, last), centres, state)
        centres = None
        _save(run, number + 1, at_once=True, pull=lambda: _pull_content(state, None))


def _pull_round(run: _Run, part: tuple[int, int], centres: torch.Tensor, state: PullState) -> None:
    """Queries from a cloud, then pulls; in between pictures, which move the Gaussians.

    Args:
        run: network and cloud are changed.
        part: number of the round, from 1, and its last step.
        centres: (n, 3) of the Gaussians when the round began, world.
        state: changed in place.
    """
    settings, session = run.settings, run.job.session
    number, last = part
    data, tie = _round_data(run, centres, number)
    ties = _tie_rules(run)

    def each(step: int) -> bool:
        if step >= int(settings["pictures"]) and step % int(settings["render_every"]) == 0:
            tied = step >= ties.tied_from
            run.trainer.step((lambda: cloud_loss(run.network, tie)) if tied else None)
        if step % 10 == 0:
            done = step / int(settings["pull_steps"])
            session.tell(0.5 + 0.5 * done, f"pulling, round {number} of {len(settings['rebuild'])}")
        session.show(lambda: _extracted(run, 4.0))
        _save(run, number, pull=lambda: _pull_content(state, centres))
        return not session.is_over

    rules = PullRules(
        steps=int(settings["pull_steps"]), last=last, batch=int(settings["batch"]),
        by_pairs=bool(settings["by_pairs"]), eikonal=float(settings["eikonal"]), sign=float(settings["sign"]),
        warm_up=int(settings["warm_up"]), tied=lambda batch, step: field_loss(batch, tie, ties, step),
    )  # fmt: skip
    learn_by_pulling(run.network, data, rules, each, state)


def _tie_rules(run: _Run) -> TieRules:
    """How Gaussians and distance pull each other: as the preset says, the kernel as was asked for."""
    settings = run.settings
    return TieRules(
        kernel=run.job.request.disk or DiskKernel(settings["kernel"]),
        disk=float(settings["disk_weight"]),
        tied_from=int(settings["tied"]),
        turned_from=int(settings["turned"]),
    )


def _round_data(run: _Run, centres: torch.Tensor, number: int) -> tuple[QuerySet, Tie]:
    """Queries around the centres (n, 3) that a round begins with, and how they belong to the Gaussians."""
    rng = np.random.default_rng([run.job.request.seed, number])
    rows = rng.permutation(len(centres))[: usable(len(centres)) or len(centres)]
    world = centres.cpu().numpy().astype(np.float64)[rows]
    points = (world - run.link.centre.cpu().numpy()) / run.link.scale
    data = drawn_queries(points, rng, int(run.settings["query_budget"]))
    if run.settings["sign"] and run.settings["started"]:  # a fresh network cannot tell what hides what
        seen = seen_normals(run.job.views, world, clear_views(run.job.views, world, _distance(run)))
        data = data if seen is None else replace(data, normals=_trusted(seen))
    places = (torch.from_numpy(a).to(run.device) for a in (rows, data.points))
    return data, Tie(run.trainer.cloud, *places, run.link)


def _trusted(seen: Seen) -> NDArray[np.float32]:
    """(n, 3) normals on which the views that see a point agree, zero elsewhere."""
    return np.where((seen.spread < _SPREAD)[:, None], seen.normals, 0.0).astype(np.float32)


def _pull_content(state: PullState, centres: torch.Tensor | None) -> dict[str, Any]:
    """What a checkpoint holds of the pulling; of a round that is not over the centres of its queries too."""
    return {"optimiser": state.optimiser.state_dict(), "step": state.step, "centres": centres}


def _distance(run: _Run) -> Callable[[Array], NDArray[np.float32]]:
    """The network's distance at (n, 3) world points, world units."""
    link = run.link

    @torch.no_grad()
    def distance(points: Array) -> NDArray[np.float32]:
        cube = link.cube(torch.from_numpy(points.astype(np.float32)).to(run.device))
        return torch.cat([run.network(p).cpu() for p in cube.split(_CHUNK)]).numpy() * np.float32(link.scale)

    return distance


def _extracted(run: _Run, pitch: float) -> GridField:
    """The distance on a grid around cloud and start, mm; ``pitch`` in footprints of a pixel."""
    scale, side = run.job.frame.scale, run.link.scale * run.job.frame.scale
    centre = run.link.centre.cpu().numpy().astype(np.float64) * scale
    step = pitch * footprint(run.job.views, scale)
    cloud = run.trainer.cloud.centres.detach().cpu().numpy().astype(np.float64)
    if run.settings["started"]:
        cloud = np.concatenate([cloud, run.corners])
    low, high = cloud.min(axis=0) * scale - 4 * step, cloud.max(axis=0) * scale + 4 * step
    counts = np.ceil((high - low) / step).astype(int) + 1

    @torch.no_grad()
    def field(points: NDArray[np.float32]) -> NDArray[np.float32]:
        cube = torch.from_numpy(((points - centre) / side).astype(np.float32))
        return torch.cat([run.network(p.to(run.device)).cpu() for p in cube.split(_CHUNK)]).numpy()

    values = sampled(field, low, low + step * (counts - 1), counts) * np.float32(side)
    found = GridField(values, low, step)
    if not run.settings["started"]:
        return found
    # Far from the cloud nothing was learnt; what no mask allows is no surface.
    limit = hull_distance(run.job.views, found.nodes() / scale) * scale - 2.5 * footprint(
        run.job.views, scale
    )
    return GridField(np.maximum(values, limit.reshape(values.shape)).astype(np.float32), low, step)


def _save(
    run: _Run, number: int, at_once: bool = False, pull: Callable[[], dict[str, Any]] | None = None
) -> None:
    """Write a checkpoint when one is due; ``pull``: how far pulling is. Round 0: the Gaussians alone."""

    def state() -> dict[str, Any]:
        cloud = {name: getattr(run.trainer.cloud, name).detach() for name in NAMES}
        return {
            "cloud": cloud,
            "network": run.network.state_dict(),
            "round": number,
            "step": run.trainer.step_number,
            **({} if pull is None else {"pull": pull()}),
        }

    save_state(run.job.session, run.job.key, state, at_once)


def _restore(run: _Run, state: dict[str, Any]) -> None:
    for name in NAMES:
        setattr(run.trainer.cloud, name, torch.nn.Parameter(state["cloud"][name]))
    run.network.load_state_dict(state["network"])
    run.trainer.step_number = int(state["step"])
    run.trainer.renew()
