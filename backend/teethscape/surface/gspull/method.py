"""The method ``gspull``: Gaussians, then a distance pulled onto them, then the surface (needs torch)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from teethscape.errors import RefusedError
from teethscape.surface.checkpoints import load_state, save_state, saved_when_stopped
from teethscape.surface.device import chosen_preset, torch_device
from teethscape.surface.grid.field import GridField
from teethscape.surface.gspull.begin import Beginning, beginning
from teethscape.surface.gspull.extract import distances, extracted
from teethscape.surface.gspull.gaussians import NAMES, DensityRules, Gaussians
from teethscape.surface.gspull.joint import Link, Tie, TieRules, cloud_loss, field_loss, pulled_centres
from teethscape.surface.gspull.pull import PullRules, PullState, learn_by_pulling
from teethscape.surface.gspull.queries import QuerySet, drawn_queries, usable
from teethscape.surface.gspull.seen import Seen, clear_views, seen_normals
from teethscape.surface.gspull.splat import rasteriser
from teethscape.surface.gspull.train import GaussianRules, GaussianTrainer
from teethscape.surface.job import Found, Job
from teethscape.surface.mesh.marching import Array
from teethscape.surface.read.dtu import is_dtu_folder
from teethscape.surface.request import Background, DiskKernel, SplatPlace

_FILE = Path(__file__).parent / "presets.json"
_BACKGROUNDS = {Background.BLACK: (0.0, 0.0, 0.0), Background.WHITE: (1.0, 1.0, 1.0), Background.RANDOM: None}
_OPACITY = 0.5
#: Weight of the pull onto disks where a preset has none and its kernel is asked for.
_ASKED = 0.1
#: Share of the budget that the Gaussians may take before pulling begins.
_HALF = 0.5
#: How far views may be apart on a normal that is believed (0.02: about 12 degrees from their mean).
_SPREAD = 0.02
#: Median distance of Gaussians from a surface that was not learnt, sides of the box: 0.1 before the first
#: pull, 0.01 after twenty.
_UNLEARNT = 0.05
#: How many of them are looked at, about.
_PROBES = 10_000


@dataclass(frozen=True, eq=False)
class _Run:
    """Everything of one training.

    Attributes:
        job: what was asked.
        settings: the preset's values.
        trainer: Gaussians.
        begun: distance and box; the cloud need not reach all of a start that is kept.
        device: where it is computed.
        cut: what a checkpoint held of the Gaussians when the budget ended their training; None: it did not.
    """

    job: Job
    settings: dict[str, Any]
    trainer: GaussianTrainer
    begun: Beginning
    device: torch.device
    cut: dict[str, Any] | None = None

    @property
    def network(self) -> nn.Module:
        """The distance."""
        return self.begun.network

    @property
    def link(self) -> Link:
        """Between the frames of Gaussians and distance."""
        return self.begun.link


def gspull(job: Job) -> Found:
    """Train GS-Pull on a job's views.

    Raises:
        MissingComponentError: torch is missing, or gsplat does not run and Gaussians are many.
        RefusedError: of opaque photos, where the time did not suffice; the checkpoint stays.
        CancelledError: the user has cancelled; the checkpoint stays.
    """
    device = torch_device(job.request.device)
    torch.manual_seed(job.request.seed)
    run = _prepared(job, device)
    state = _loaded(run)
    if state:
        _restore(run, state)
    run = replace(run, cut=state.get("cut"))
    if int(state.get("round", 0)) == 0:
        run = replace(run, cut=_stage_one(run))
        _save(run, 1, at_once=True)
    _stage_two(run, max(int(state.get("round", 1)), 1), state.get("pull"))
    if not run.job.views.has_masks:  # with masks every view tells whether the surface is whole
        _refuse_unlearnt(run)
    level = float(run.settings["level"]) * run.link.scale * job.frame.scale
    return Found(_extracted(run, float(run.settings["pitch"]), int(run.settings["nodes"])), level=level)


def _prepared(job: Job, device: torch.device) -> _Run:
    name = chosen_preset(job.request.preset, job.request.device, job.request.method).value
    settings = json.loads(_FILE.read_text("utf-8"))[name]
    shape = dict(settings["gaussians"])
    if "dense" in shape:
        shape["dense"] = tuple(shape["dense"])
    shape["density"] = DensityRules(**shape.get("density", {}))
    rules = GaussianRules(**shape, background=_BACKGROUNDS[job.request.background])
    # No checkpoint of other settings is continued.
    job = replace(job, key=f"{job.key} {settings} {job.request.disk} {job.request.splat}")
    begun = beginning(job, settings)
    cloud = Gaussians(begun.points, begun.colours, rules.harmonics).to(device)
    trainer = GaussianTrainer(cloud, job.views, rules, rasteriser(device, len(cloud), job.session.warn))
    begun = replace(begun, link=begun.link.to(device), network=begun.network.to(device))
    return _Run(job, settings, trainer, begun, device)


def _loaded(run: _Run) -> dict[str, Any]:
    """What a checkpoint holds, empty without one: how far pulling is, or where Gaussians must go on before.

    They must where the budget had cut them and now leaves them more. Pulls onto them as they were are given
    up, and the seconds of these are not counted, as if the budget had been the larger one at once.
    """
    session = run.job.session
    state = load_state(session, run.job.key, run.device) or {}
    cut = state.get("cut")
    if cut is None or session.share_of(float(cut["spent_s"])) >= _HALF:
        return state
    session.continue_after(float(cut["spent_s"]))
    return cut


def _stage_one(run: _Run) -> dict[str, Any] | None:
    """Gaussians that look like the views; of a cloud that has grown, faint ones are dropped at the end.

    Returns:
        What they go on with when a larger budget leaves them more steps; None: they have done all.
    """
    trainer, session = run.trainer, run.job.session
    steps = trainer.rules.steps
    with saved_when_stopped(lambda: _save_whole(run, 0)):
        while trainer.step_number < steps and session.budget_share < _HALF:
            session.check_cancelled()
            loss = trainer.step()
            if trainer.step_number % 10 == 0:
                session.tell(0.5 * trainer.step_number / steps, f"Gaussians, loss {loss:.3f}")
            _save(run, 0)
    cut = None
    if trainer.step_number < steps:
        cut = {"spent_s": session.spent_s, **copy.deepcopy(trainer.state())}
    # Only a cloud that has grown has Gaussians that nothing but their opacity vouches for.
    opaque, grown = trainer.cloud.opacity > _OPACITY, trainer.rules.dense[0] < steps
    if grown and int(opaque.sum()) >= len(opaque) // 4:
        trainer.cloud.replace(opaque)
    trainer.drop_outside()
    trainer.step_number = steps  # however few there were: from here on none are added
    return cut


def _stage_two(run: _Run, first: int, saved: dict[str, Any] | None) -> None:
    """Rounds of pulling, each on queries around the cloud as it is then.

    Args:
        run: network and cloud are changed.
        first: round to begin with, from 1.
        saved: what a checkpoint holds of the pulling before.
    """
    state = PullState.fresh(run.network, np.random.default_rng([run.job.request.seed, first, 1]))
    centres = None
    if saved is not None:
        state.optimiser.load_state_dict(saved["optimiser"])
        state.step, centres = int(saved["step"]), saved["centres"]
    starts = [*map(int, run.settings["rebuild"]), int(run.settings["pull_steps"])]
    for number, (begin, last) in enumerate(pairwise(starts), start=1):
        if number < first or run.job.session.is_over:
            continue
        centres = run.trainer.cloud.centres.detach().clone() if centres is None else centres
        if run.settings["restarts"] and state.step == begin:
            state = replace(PullState.fresh(run.network, state.rng), step=begin)
        _pull_round(run, (number, begin, last), centres, state)
        if state.step < last:  # the budget has ended in the middle of it
            _save(run, number, at_once=True, pull=partial(_pull_content, state, centres))
        else:
            _save(run, number + 1, at_once=True, pull=partial(_pull_content, state, None))
        centres = None


def _pull_round(run: _Run, part: tuple[int, int, int], centres: torch.Tensor, state: PullState) -> None:
    """Queries from a cloud, then pulls; in between pictures, which move the Gaussians.

    Args:
        run: network and cloud are changed.
        part: number of the round, from 1, the step that it begins with and the one that it ends before.
        centres: (n, 3) of the Gaussians when the round began, world.
        state: changed in place.
    """
    settings, session = run.settings, run.job.session
    number, begin, last = part
    first, steps = (begin, last) if settings["restarts"] else (0, int(settings["pull_steps"]))
    data, tie = _round_data(run, centres, number)
    ties, pull = _tie_rules(run), partial(_pull_content, state, centres)

    def each(step: int) -> bool:
        session.check_cancelled()
        if step >= int(settings["pictures"]) and step % int(settings["render_every"]) == 0:
            if step < ties.tied_from:
                run.trainer.step()
            else:
                run.trainer.step(lambda: cloud_loss(run.network, tie), _place(run))
        if step % 10 == 0:
            done = step / int(settings["pull_steps"])
            session.tell(0.5 + 0.5 * done, f"pulling, round {number} of {len(settings['rebuild'])}")
        session.show(lambda: _extracted(run, 4.0))
        _save(run, number, pull=pull)
        return not session.is_over

    rules = PullRules(
        steps=steps, first=first, last=last, batch=int(settings["batch"]),
        by_pairs=bool(settings["by_pairs"]), eikonal=float(settings["eikonal"]), sign=float(settings["sign"]),
        warm_up=int(settings["warm_up"]), rate=_rate(run),
        tied=lambda batch, step: field_loss(batch, tie, ties, step),
    )  # fmt: skip
    # In the middle of a round's first step its optimiser may be half made; the last round was saved.
    with saved_when_stopped(lambda: _save_whole(run, number, pull) if state.step > begin else None):
        learn_by_pulling(run.network, data, rules, each, state)


def _rate(run: _Run) -> float:
    """Factor on the published rate: a preset's own from a start that normals have made nearly right."""
    return float(run.settings["near_rate"]) if run.job.views.normals is not None else 1.0


def _place(run: _Run) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Where Gaussians are drawn, None for where they are."""
    if run.job.request.splat is SplatPlace.PLACED:
        return None
    return partial(pulled_centres, run.network, run.link)


def _tie_rules(run: _Run) -> TieRules:
    """How Gaussians and distance pull each other: as the preset says, the kernel as was asked for."""
    settings = run.settings
    return TieRules(
        kernel=run.job.request.disk or DiskKernel(settings["kernel"]),
        disk=float(settings["disk_weight"] or (_ASKED if run.job.request.disk else 0.0)),
        tied_from=int(settings["tied"]),
        turned_from=settings["turned"],
    )


def _round_data(run: _Run, centres: torch.Tensor, number: int) -> tuple[QuerySet, Tie]:
    """Queries around the centres (n, 3) that a round begins with, and how they belong to the Gaussians."""
    rng = np.random.default_rng([run.job.request.seed, number])
    world = centres.cpu().numpy().astype(np.float64)
    rows = np.arange(len(world))
    if not run.job.views.has_masks:  # nothing else keeps floaters from the queries
        rows = _boxed(run, world)
    rows = rng.permutation(rows)[: usable(len(rows)) or len(rows)]
    world = world[rows]
    points = (world - run.link.centre.cpu().numpy()) / run.link.scale
    data = drawn_queries(points, rng, int(run.settings["query_budget"]), far=_draws_far(run))
    if run.settings["sign"] and run.begun.is_started:  # a fresh network cannot tell what hides what
        seen = seen_normals(run.job.views, world, clear_views(run.job.views, world, _distance(run)))
        data = data if seen is None else replace(data, normals=_trusted(seen))
    index, places = (torch.from_numpy(a).to(run.device) for a in (rows, data.points))
    return data, Tie(run.trainer.cloud, index, places, run.link)


def _draws_far(run: _Run) -> bool:
    """Whether queries far from the cloud are drawn, too; the release does so for DTU's scans alone."""
    return run.settings["far"] == "always" or is_dtu_folder(run.job.request.views)


def _boxed(run: _Run, world: Array) -> NDArray[np.intp]:
    """Which of (n, 3) points lie within the box; all, where none does."""
    low, high = run.begun.corners
    boxed = np.flatnonzero(((world >= low) & (world <= high)).all(axis=1))
    return boxed if len(boxed) else np.arange(len(world))


def _refuse_unlearnt(run: _Run) -> None:
    """Refuse a distance that still is the sphere it began as, more or less: not zero at the Gaussians.

    Raises:
        RefusedError: most Gaussians lie far from the surface.
    """
    world = run.trainer.cloud.centres.detach().cpu().numpy().astype(np.float64)
    world = world[_boxed(run, world)]
    some = world[:: max(len(world) // _PROBES, 1)]
    off = float(np.median(np.abs(_distance(run)(some)))) / run.link.scale
    if off > _UNLEARNT:
        raise RefusedError(
            "surface_half",
            f"The time was too short: the surface is {100 * off:.0f} % of the box off what the photos show.",
            "Repeat the command with a larger --budget; it goes on where it was.",
        )


def _trusted(seen: Seen) -> NDArray[np.float32]:
    """(n, 3) normals on which the views that see a point agree, zero elsewhere."""
    return np.where((seen.spread < _SPREAD)[:, None], seen.normals, 0.0).astype(np.float32)


def _pull_content(state: PullState, centres: torch.Tensor | None) -> dict[str, Any]:
    """What a checkpoint holds of the pulling; of a round that is not over the centres of its queries too."""
    return {"optimiser": state.optimiser.state_dict(), "step": state.step, "centres": centres}


def _distance(run: _Run) -> Callable[[Array], NDArray[np.float32]]:
    """The network's distance at (n, 3) world points, world units."""
    link = run.link

    def distance(points: Array) -> NDArray[np.float32]:
        cube = link.cube(torch.from_numpy(points.astype(np.float32)).to(run.device))
        return distances(run.network, cube) * np.float32(link.scale)

    return distance


def _extracted(run: _Run, pitch: float, nodes: int = 0) -> GridField:
    """The distance on a grid, mm, as `extracted` lays it."""
    centres = run.trainer.cloud.centres.detach().cpu().numpy().astype(np.float64)
    return extracted(run.job, run.begun, centres, pitch, nodes)


def _save(
    run: _Run, number: int, at_once: bool = False, pull: Callable[[], dict[str, Any]] | None = None
) -> None:
    """Write a checkpoint when one is due; ``pull``: how far pulling is. Round 0: the Gaussians alone."""

    def state() -> dict[str, Any]:
        return {
            **run.trainer.state(),
            "network": run.network.state_dict(),
            "round": number,
            **({} if run.cut is None else {"cut": run.cut}),
            **({} if pull is None else {"pull": pull()}),
        }

    save_state(run.job.session, run.job.key, state, at_once)


def _save_whole(run: _Run, number: int, pull: Callable[[], dict[str, Any]] | None = None) -> None:
    """Write a checkpoint at once, unless the user stopped just while Gaussians came or went."""
    if len({len(getattr(run.trainer.cloud, name)) for name in NAMES}) == 1:
        _save(run, number, at_once=True, pull=pull)


def _restore(run: _Run, state: dict[str, Any]) -> None:
    run.trainer.load(state)
    if "network" in state:  # before the first pull it is the one that every run begins with
        run.network.load_state_dict(state["network"])
