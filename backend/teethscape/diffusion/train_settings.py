"""How the teethdreamer engine's networks are trained; no torch is needed to read it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any


class Strategy(str, Enum):
    """How several processes share a training; it does not change what is learned.

    Each learns from its share of the batch. ``ddp``: each holds everything; ``fsdp``: each holds only
    a part of Adam's moments and of the smoothed weights, and of the weights between two steps.
    """

    DDP = "ddp"
    FSDP = "fsdp"

    __str__ = str.__str__


@dataclass(frozen=True)
class Settings:
    """What decides a training; the published values are the defaults but for EMA and clipping.

    Attributes:
        steps: of the optimiser.
        batch: jaws per step, all devices together.
        accumulate: parts that a step's batch is cut into.
        rate: learning rate of the depth transformers; everything else learns ten times as fast.
        precision: ``no``, ``fp16`` or ``bf16``.
        checkpointing: compute parts of the UNet again instead of keeping them.
        ema: share of the smoothed weights that a step keeps; 0 keeps none.
        clip: longest gradient; 0 does not cut.
        hide: now and then hide parts of the condition.
        unet: learn the body of the UNet too, which the published training keeps as it is.
        backdrop: grey level behind the teeth, 1 is white.
        seed: of everything random.
        tiny: the smallest sizes, to try on a CPU.
    """

    steps: int = 20_000
    batch: int = 16
    accumulate: int = 1
    rate: float = 5e-5
    precision: str = "no"
    checkpointing: bool = False
    ema: float = 0.0
    clip: float = 0.0
    hide: bool = False
    unet: bool = False
    backdrop: float = 1.0
    seed: int = 6033
    tiny: bool = False

    def fits(self, other: dict[str, Any]) -> list[str]:
        """Names of settings that another training had otherwise.

        Only its length may differ, and the rate may be smaller: one that has diverged goes on so.
        """
        mine = json.loads(json.dumps(asdict(self)))
        wrong = [name for name, value in mine.items() if name != "steps" and other.get(name) != value]
        rate = other.get("rate")
        slower = isinstance(rate, (int, float)) and self.rate < rate
        return [name for name in wrong if not (slower and name == "rate")]


@dataclass(frozen=True)
class Places:
    """Files of a training, and how often they are written.

    Attributes:
        data: root of the TeethDreamer layout.
        output: folder of the training.
        start: TeethDreamer (safetensors) to go on from, or None.
        zero123: zero123-xl (safetensors) to begin with, or None.
        clip: ViT-L-14 (safetensors) besides zero123-xl.
        save_every: steps between two files that a training resumes from.
        validate_every: steps between two validation pictures; 0 makes none.
        validate_steps: of the sampling for them.
        workers: processes that read pictures.
        device: ``auto``, ``cpu`` or ``cuda``.
        strategy: how several processes share the work.
    """

    data: Path
    output: Path
    start: Path | None = None
    zero123: Path | None = None
    clip: Path | None = None
    save_every: int = 200
    validate_every: int = 1000
    validate_steps: int = 20
    workers: int = 0
    device: str = "auto"
    strategy: Strategy = Strategy.DDP

    @property
    def resume(self) -> Path:
        """What a training resumes from."""
        return self.output / "resume.pt"

    @property
    def network(self) -> Path:
        """The trained network."""
        return self.output / "teethdreamer.safetensors"
