"""The method ``gspull``: Gaussians, then a distance pulled onto them, then the surface (needs torch)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from teethscape.surface.checkpoints import load_state, save_state
from teethscape.surface.device import chosen_preset, torch_device
from teethscape.surface.grid.field import GridField
from teethscape.surface.gspull.gaussians import NAMES, Gaussians
from teethscape.surface.gspull.joint import Link, coupling_loss
from teethscape.surface.gspull.losses import DiskKernel
from teethscape.surface.gspull.pull import PullRules, PullState, learn_by_pulling
from teethscape.surface.gspull.queries import QuerySet, drawn_queries
from teethscape.surface.gspull.sdf import PullNetwork
from teethscape.surface.gspull.seen import Seen, clear_views, seen_normals
from teethscape.surface.gspull.started import FieldLookup, StartedNetwork
from teethscape.surface.gspull.sweep import swept
from teethscape.surface.gspull.train import GaussianRules, GaussianTrainer
from teethscape.surface.hull import hull_distance
from teethscape.surface.make import Found, Job
from teethscape.surface.mesh.marching import Array
from teethscape.surface.mesh.sampling import sampled
from teethscape.surface.request import Background
from teethscape.surface.start import bounded_pitch, footprint

_FILE = Path(__file__).parent / "presets.json"
_BACKGROUNDS = {Background.BLACK: (0.0, 0.0, 0.0), Background.WHITE: (1.0, 1.0, 1.0), Background.RANDOM: None}
#: Of the grid of the start, footprints of a pixel: on a coarser one crowns lose height.
_START_PITCH = 1.0
#: Nodes along a side of any grid at most: large pictures would ask for more than memory holds.
_MOST_NODES = 512
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
        MissingComponentError: torch, or on a graphics processor gsplat, is missing.
        CancelledError: the user has cancelled; the checkpoint stays.
    """
    device = torch_device(job.request.device)
    torch.manual_seed(job.request.seed)
    run = _prepared(job, device)
    state, first = load_state(job.session, job.key, device), 0
    if state is not None:
        _restore(run, state)
        first = int(state["round"])
    if first == 0:
        _stage_one(run)
        _save(run, 1, at_once=True)
    rounds = int(run.settings["rebuild"])
    half_done = None if state is None else state.get("pull")
    for number in range(max(first, 1), rounds + 1):
        if job.session.is_over:
            break
        _pull_round(run, number, rounds, half_done)
        half_done = None
        _save(run, number + 1, at_once=True)
    return Found(_extracted(run, float(run.settings["pitch"])), np.ones(len(job.views)))


def _prepared(job: Job, device: torch.device) -> _Run:
    name = chosen_preset(job.request.preset, job.request.device).value
    settings = json.loads(_FILE.read_text("utf-8"))[name]
    shape = dict(settings["gaussians"])
    if "dense" in shape:
        shape["dense"] = tuple(shape["dense"])
    rules = GaussianRules(**shape, background=_BACKGROUNDS[job.request.background])
    scale = job.frame.scale
    extent = float((job.views.high - job.views.low).max()) * scale
    pitch = bounded_pitch(_START_PITCH * footprint(job.views, scale), extent, _MOST_NODES)
    field = job.start(job.views, pitch)
    vertices, _ = field.surface()
    rng = np.random.default_rng(job.request.seed)
    points = _first_points(job, settings, (field, vertices), rng)
    cloud = Gaussians(points, np.full(points.shape, _GREY)).to(device)
    low, high = vertices.min(axis=0) / scale, vertices.max(axis=0) / scale
    link = Link(torch.tensor((low + high) / 2, dtype=torch.float32, device=device), float((high - low).max()))
    network = _network(settings, field, link, scale).to(device)
    trainer = GaussianTrainer(cloud, job.views, rules)
    return _Run(job, settings, trainer, network, link, device, np.stack([low, high]))


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
        session.check_cancelled()
        loss = trainer.step()
        if trainer.step_number % 10 == 0:
            session.tell(0.5 * trainer.step_number / steps, f"Gaussians, loss {loss:.3f}")
        _save(run, 0)
    # Only a cloud that has grown has Gaussians that nothing but their opacity vouches for.
    opaque, grown = trainer.cloud.opacity > _OPACITY, trainer.rules.dense[0] < steps
    if grown and int(opaque.sum()) >= len(opaque) // 4:
        trainer.cloud.replace(opaque)
    trainer.drop_outside()


def _pull_round(run: _Run, number: int, rounds: int, half_done: dict[str, Any] | None) -> None:
    """Queries from the cloud as it is now, then pulls; in between pictures, which move the cloud.

    Args:
        run: network and cloud are changed.
        number: of the round, from 1.
        rounds: of all.
        half_done: what a checkpoint holds of the round that it was written in.
    """
    settings, session = run.settings, run.job.session
    cloud = run.trainer.cloud.centres.detach().clone() if half_done is None else half_done["centres"]
    data, state = _round_data(run, cloud, number)
    if half_done is not None:
        state.optimiser.load_state_dict(half_done["optimiser"])
        state.step = int(half_done["step"])
    steps = int(settings["pull_steps"]) // rounds
    disk = DiskKernel(settings["kernel"]), float(settings["disk_weight"])

    def each(step: int) -> bool:
        session.check_cancelled()
        if number > 1 and step % int(settings["render_every"]) == 0:
            run.trainer.step(lambda: coupling_loss(run.network, run.trainer.cloud, run.link, disk))
        if step % 10 == 0:
            done = (number - 1 + step / steps) / rounds
            session.tell(0.5 + 0.5 * done, f"pulling, round {number} of {rounds}")
        session.show(lambda: _extracted(run, 4.0))
        _save(run, number, pull=lambda: _pull_content(state, cloud))
        return not session.is_over

    rules = PullRules(
        steps=steps, batch=int(settings["batch"]), eikonal=float(settings["eikonal"]),
        sign=float(settings["sign"]), warm_up=max(steps // 20, 1),
    )  # fmt: skip
    learn_by_pulling(run.network, data, rules, each, state)


def _round_data(run: _Run, cloud: torch.Tensor, number: int) -> tuple[QuerySet, PullState]:
    """Queries around the centres (n, 3) that a round begins with, and its state before the first step."""
    world = cloud.cpu().numpy().astype(np.float64)
    points = (world - run.link.centre.cpu().numpy()) / run.link.scale
    rng = np.random.default_rng([run.job.request.seed, number])
    data = drawn_queries(points, rng, int(run.settings["query_budget"]))
    if run.settings["sign"] and run.settings["started"]:  # a fresh network cannot tell what hides what
        seen = seen_normals(run.job.views, world, clear_views(run.job.views, world, _distance(run)))
        data = data if seen is None else replace(data, normals=_trusted(seen))
    return data, PullState.fresh(run.network, rng)


def _trusted(seen: Seen) -> NDArray[np.float32]:
    """(n, 3) normals on which the views that see a point agree, zero elsewhere."""
    return np.where((seen.spread < _SPREAD)[:, None], seen.normals, 0.0).astype(np.float32)


def _pull_content(state: PullState, cloud: torch.Tensor) -> dict[str, Any]:
    """What a checkpoint holds of a round that is not over: its queries are drawn again from its centres."""
    return {"optimiser": state.optimiser.state_dict(), "step": state.step, "centres": cloud}


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
    step = bounded_pitch(step, float((high - low).max()), _MOST_NODES)
    counts = np.ceil((high - low) / step - 1e-6).astype(int) + 1

    @torch.no_grad()
    def field(points: NDArray[np.float32]) -> NDArray[np.float32]:
        cube = torch.from_numpy(((points - centre) / side).astype(np.float32))
        return torch.cat([run.network(p.to(run.device)).cpu() for p in cube.split(_CHUNK)]).numpy()

    high = low + step * (counts - 1)
    values = sampled(field, low, high, counts, run.job.session.check_cancelled) * np.float32(side)
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
    """Write a checkpoint when one is due; ``pull``: how far its round is. Round 0: the Gaussians alone."""

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
    run.trainer.drop_outside()
