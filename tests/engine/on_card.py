"""What computes on a graphics processor, on a pretended one: ``python on_card.py NAME``, one of ``CHECKS``.

Prints how many tensors there were on the card.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pretended_card import NAME, MixedError, OnCard, begin


def strict() -> None:
    """The card refuses what CUDA refuses."""
    ours, others = torch.ones(3, device=NAME), torch.ones(3)
    refused = 0
    for mixing in (
        lambda: ours + others,
        lambda: torch.stack([ours, others]),
        lambda: ours.numpy(),
        lambda: np.asarray(ours),
        lambda: torch.rand(3, device=NAME, generator=torch.Generator()),
    ):
        try:
            mixing()
        except (MixedError, TypeError):
            refused += 1
    assert refused == 5
    assert (ours * 2 + others.to(NAME))[torch.tensor([0, 2])].cpu().tolist() == [3.0, 3.0]


def _tiny() -> Any:
    from teethscape.diffusion.config import TINY
    from teethscape.diffusion.start import fresh

    torch.manual_seed(5)
    network = fresh(TINY)
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():  # every layer does something
                parameter.normal_(std=0.05)
    return network


def paint() -> None:
    """Views from photos in two portions, the second time with some of them held."""
    from diffusion.photos import Told, photos

    from teethscape.dental.fdi import Jaws
    from teethscape.dental.wishes import Backdrop
    from teethscape.diffusion.card import Card
    from teethscape.diffusion.held import Held
    from teethscape.diffusion.painter import Painter, Recipe, Watching
    from teethscape.diffusion.sources import read_source
    from teethscape.progress import NoProgress
    from teethscape.segmentation.clicks.pictures import Background, write_pictures

    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder), "p", photos(), Background.BLACK)
        jaw = read_source(Path(folder), Jaws.UPPER, Backdrop.AS_GIVEN, NoProgress())[0]
    views = None
    for rung in (0, 3):  # all pictures at once; four at a time, one half of the guidance after the other
        painter = Painter(_tiny(), Card(torch.device(NAME), torch.float32), rung)
        held = None if views is None else Held(views, frozenset({0}))
        views = painter.paint(jaw, Recipe(steps=2), Watching(Told(), shows=1), held)
        assert np.isfinite(views).all()


def learn() -> None:
    """A step of TeethDreamer's training."""
    from diffusion.training_set import write_set

    from teethscape.diffusion.train_batches import Jaws
    from teethscape.diffusion.train_ema import Smoothed
    from teethscape.diffusion.train_settings import Settings
    from teethscape.diffusion.train_step import TrainingStep, batch_of, groups

    network = _tiny().to(NAME)
    size = network.config.image_size
    with tempfile.TemporaryDirectory() as folder:
        jaws = Jaws(write_set(Path(folder), size), ("p_norm_upper",), size, Settings())
        batch = batch_of([jaws[jaws.place(0)]], size).to(torch.device(NAME))
    parts = groups(network, 1e-3, True)
    optimiser, smoothed = torch.optim.AdamW(parts), Smoothed(network, 0.5)
    colours, normals = TrainingStep(network)(batch, torch.Generator().manual_seed(0))
    (colours + normals).backward()
    optimiser.step()
    smoothed.follow(network, 1)
    assert float((colours + normals).detach()) > 0


def _job(folder: Path, method: Any) -> Any:
    from surface.scene import SCALE, arch_mesh, views_of

    from teethscape.dental.units import ScaleRecord, ScaleSource
    from teethscape.dental.wishes import Preset
    from teethscape.mesh.solid import FileNote
    from teethscape.progress import NoProgress
    from teethscape.surface.frame import Frame
    from teethscape.surface.job import Job, start_of
    from teethscape.surface.request import SurfaceRequest
    from teethscape.surface.session import Session

    views = views_of(*arch_mesh(), size=32)
    frame = Frame(SCALE, np.zeros(3), True, FileNote(ScaleRecord(ScaleSource.ESTIMATED, 0.05)))
    request = SurfaceRequest(Path("v"), folder / "m.ply", method, Preset.SMALL)
    session = Session(NoProgress(), request.output, None, frame)
    return Job(request, views, frame, start_of(views, frame), session, "k")


def neus() -> None:
    """NeuS from start to surface, with every loss that its preset has and the held-out view."""
    from teethscape.dental.wishes import SurfaceMethod
    from teethscape.surface.neus import method

    load = method.load_preset
    sizes: dict[str, Any] = {
        "steps": 12, "first_rays": 16, "most_rays": 16, "samples_per_ray": 16, "occupancy": 8, "held_out": 1,
        "patience": 2,
    }  # fmt: skip
    method.load_preset = lambda name, with_normals: replace(load(name, with_normals), **sizes)
    method._START_STEPS = 3
    method.torch_device = lambda choice: torch.device(NAME)
    with tempfile.TemporaryDirectory() as folder:
        found = method.neus(_job(Path(folder), SurfaceMethod.NEUS))
    assert np.isfinite(found.field.values).all()
    assert found.colours is not None
    assert found.colours(np.zeros((4, 3))).shape == (4, 3)


def gspull() -> None:
    """GS-Pull, Gaussians that come and go, with harmonics, drawn where the distance pulls them."""
    from teethscape.dental.wishes import SurfaceMethod
    from teethscape.surface.gspull import method
    from teethscape.surface.request import SplatPlace

    settings = json.loads(method._FILE.read_text("utf-8"))["small"]
    settings |= {
        "points": 200, "pull_steps": 12, "query_budget": 2000, "batch": 200, "render_every": 2,
        "rebuild": [0, 6], "pictures": 3, "tied": 3, "turned": 6, "warm_up": 2,
    }  # fmt: skip
    settings["gaussians"] |= {"steps": 12, "dense": [4, 9, 2], "harmonics": 1}
    method.torch_device = lambda choice: torch.device(NAME)
    with tempfile.TemporaryDirectory() as folder:
        method._FILE = Path(folder) / "presets.json"
        method._FILE.write_text(json.dumps({"small": settings}), "utf-8")
        job = _job(Path(folder), SurfaceMethod.GSPULL)
        found = method.gspull(replace(job, request=replace(job.request, splat=SplatPlace.PULLED)))
    assert np.isfinite(found.field.values).all()


CHECKS: dict[str, Callable[[], None]] = {
    check.__name__: check for check in (strict, paint, learn, neus, gspull)
}

if __name__ == "__main__":
    begin()
    CHECKS[sys.argv[1]]()
    sys.stdout.write(f"{OnCard.made}\n")
