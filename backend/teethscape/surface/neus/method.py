"""The method ``neus``: train, stop in time, extract."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from teethscape.errors import ResourceError
from teethscape.surface.checkpoints import load_state, save_state, saved_when_stopped
from teethscape.surface.device import chosen_preset, torch_device
from teethscape.surface.grid.field import GridField, sampled_field
from teethscape.surface.job import Found, Job
from teethscape.surface.lookup import FieldLookup
from teethscape.surface.mesh.marching import Array
from teethscape.surface.mesh.sampling import Field, sampled, surface_box
from teethscape.surface.neus.batches import RayBank
from teethscape.surface.neus.extract import numpy_field, surface_colours
from teethscape.surface.neus.presets import load_preset
from teethscape.surface.neus.train import Trainer
from teethscape.surface.neus.watch import Watch
from teethscape.surface.session import Session
from teethscape.surface.start import MOST_NODES, bounded_pitch, footprint, roomy_pitch

#: Cells along a side when the surface is first looked for, and nodes along one at most: large pictures would
#: ask for more than memory holds.
_ROUGH, _MOST_NODES = 64, 512
#: Of a cell: what rounding may add to a whole number of them.
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Cube:
    """How the box of the views (mm, views' axes) becomes the cube of half side 0.5.

    Attributes:
        middle: (3,) mm.
        side: longest side, mm.
        half: (3,) half the box, cube units.
    """

    middle: Array
    side: float
    half: Array

    def mm(self, points: Array) -> Array:
        """(n, 3) cube units to mm."""
        return points * self.side + self.middle

    def unit(self, points: Array) -> NDArray[np.float32]:
        """(n, 3) mm to cube units."""
        return ((points - self.middle) / self.side).astype(np.float32)


def cube_of(job: Job) -> Cube:
    """The cube of a job's views."""
    low, high = job.views.low * job.frame.scale, job.views.high * job.frame.scale
    side = float((high - low).max())
    return Cube((low + high) / 2, side, (high - low) / side / 2)


def neus(job: Job) -> Found:
    """Train NeuS on a job's views.

    Raises:
        MissingComponentError: torch, a device or a hash grid is missing.
        ResourceError: the graphics processor has too little memory.
        CancelledError: the user has cancelled; the checkpoint stays.
    """
    device = torch_device(job.request.device)
    torch.manual_seed(job.request.seed)
    preset = load_preset(
        chosen_preset(job.request.preset, job.request.device, job.request.method).value,
        job.views.normals is not None,
    )
    cube = cube_of(job)
    moves = cube.middle / job.frame.scale, cube.side / job.frame.scale
    held = _held_out(len(job.views), preset.held_out)
    kept = [k for k in range(len(job.views)) if k not in held]
    trainer = Trainer(preset, RayBank(job.views.subset(kept), moves, device), job.request.hash_grid)
    job = replace(job, key=checkpoint_key(job.key, trainer))
    watch = Watch(RayBank(job.views.subset(held), moves, device) if held else None, preset.patience)
    if preset.start == "hull":
        _begin(trainer, job, cube)
    state = load_state(job.session, job.key, device)
    if state is not None:
        trainer.load(state)
        watch.load(state["watch"])
    with saved_when_stopped(lambda: _save_begun(trainer, watch, job)):
        _train(trainer, watch, job, cube)
    watch.bring_back(trainer)
    model = trainer.model

    def colours(points: Array) -> NDArray[np.uint8]:
        return np.round(255 * surface_colours(model, cube.unit(points))).astype(np.uint8)

    field = published(trainer, job, cube) if preset.nodes else extracted(trainer, job, cube, preset.pitch)
    return Found(field, colours)


def checkpoint_key(key: str, trainer: Trainer) -> str:
    """What a checkpoint must say to be continued: the job's key, sizes and rates, and how its grid lies.

    Where it was trained does not matter, nor by which of the grids of one layout.
    """
    return f"{key} {trainer.preset} {trainer.model.geometry.encoding.layout}"


def _held_out(count: int, wanted: int) -> list[int]:
    """Views in the middle of the list, fewer than a quarter of them."""
    wanted = min(wanted, count // 4)
    return [count // 2 + k for k in range(wanted)]


def _begin(trainer: Trainer, job: Job, cube: Cube) -> None:
    """Let the distance begin as the start of the job."""
    start = FieldLookup.moved(job.begun(), cube.middle, cube.side)
    trainer.model.geometry.begin_at(start.to(trainer.device))


def _train(trainer: Trainer, watch: Watch, job: Job, cube: Cube) -> None:
    """Steps until the preset, the budget or the held-out views say enough."""
    preset = trainer.preset
    while trainer.step_number < preset.steps and not job.session.is_over and not watch.is_over:
        loss = _step(trainer, job.session)
        watch.look(trainer)  # before the user can stop it: a look that is missed is not made up for
        number = trainer.step_number
        job.session.pulse(number / preset.steps, f"step {number}, loss {loss:.3f}")
        job.session.show(lambda: extracted(trainer, job, cube, 4.0))
        _save(trainer, watch, job)
    _save(trainer, watch, job, at_once=True)


def _save(trainer: Trainer, watch: Watch, job: Job, at_once: bool = False) -> None:
    """Write a checkpoint when one is due."""
    save_state(job.session, job.key, lambda: {**trainer.state(), "watch": watch.state()}, at_once)


def _save_begun(trainer: Trainer, watch: Watch, job: Job) -> None:
    """Write a checkpoint at once, unless the optimiser may be in the middle of its first step."""
    if trainer.step_number:
        _save(trainer, watch, job, at_once=True)


def _step(trainer: Trainer, session: Session) -> float:
    """A step, with fewer rays where the graphics processor cannot hold so many; its loss.

    Raises:
        ResourceError: it can hold hardly any.
    """
    while True:
        with suppress(torch.OutOfMemoryError):
            return trainer.step(session.budget_share)
        # The error held the step's tensors; it is forgotten by now, so that their memory is free.
        if not trainer.spare_memory():
            raise ResourceError(
                "card_memory",
                f"The graphics processor has too little memory even for {trainer.rays} rays.",
                "Close other programs that use it, or give --device cpu --preset small, or --method grid.",
            )
        session.warn("memory_short", f"Too little memory on the card: going on with {trainer.rays} rays.")


def extracted(trainer: Trainer, job: Job, cube: Cube, pitch: float) -> GridField:
    """The distance on a grid around what is inside, mm; ``pitch`` in footprints of a pixel.

    Inside is what a first look at 65 nodes a side finds to be nearer to the surface than two of them.
    """
    low, high = cube.mm(-cube.half), cube.mm(cube.half)
    step = pitch * footprint(job.views, job.frame.scale)
    field = numpy_field(trainer.model)
    each = job.session.check_cancelled
    rough = sampled(field, -cube.half, cube.half, np.full(3, _ROUGH + 1), each)
    inside = np.argwhere(rough < 2 / _ROUGH)
    if len(inside):
        corner = (high - low) / _ROUGH
        low, high = low + corner * (inside.min(axis=0) - 1), low + corner * (inside.max(axis=0) + 1)
        low, high = np.maximum(low, cube.mm(-cube.half)), np.minimum(high, cube.mm(cube.half))
    step = bounded_pitch(step, float((high - low).max()), _MOST_NODES)
    step = roomy_pitch(step, high - low, MOST_NODES)
    return _on_grid(field, cube, (low, high, step), each)


def published(trainer: Trainer, job: Job, cube: Cube) -> GridField:
    """The distance on a grid as the published extraction lays it, mm.

    The whole cube of the encoding is looked through first, also where no ray was, then the box of what was
    found there (``teethdreamer-spec.md``, section 6.8). The longest side of that has the published nodes;
    along the others they lie as near to each other and not nearer, for our cells are cubes.
    """
    nodes, session = trainer.preset.nodes, job.session
    field, corner = numpy_field(trainer.model), np.full(3, trainer.preset.radius)
    session.tell(1.0, "looking for the surface")
    box = surface_box(field, -corner, corner, np.full(3, nodes), session.check_cancelled)
    if box is None:  # nothing but inside or outside: a look tells which
        return extracted(trainer, job, cube, trainer.preset.pitch)
    session.tell(1.0, "sampling the surface")
    low, high = map(cube.mm, box)
    step = float((high - low).max()) / (nodes - 1)
    return _on_grid(field, cube, (low, high, step), session.check_cancelled)


def _on_grid(
    field: Field, cube: Cube, box: tuple[Array, Array, float], each: Callable[[], None]
) -> GridField:
    """A distance, cube units, at nodes some step apart from one corner to the other or beyond, mm."""
    low, high, step = box
    counts = np.ceil((high - low) / step - _ROUNDING).astype(int) + 1
    side = np.float32(cube.side)
    return sampled_field(lambda p: field(cube.unit(p.astype(np.float64))) * side, low, step, counts, each)
