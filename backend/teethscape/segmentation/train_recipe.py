"""How the segmentation network is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class SegmenterTraining:
    """How to train the segmenter.

    Attributes:
        cases: folders of labelled real cases (``photos/`` and ``labels/``).
        bank: folder of synthetic photos, filled on demand.
        output: ONNX file to write; the checkpoint lies beside it as ``.pt``.
        renders: folder of cases of ``photo_render.py``, if there are any.
        start_from: exported network to begin with, if any.
        bank_size: synthetic photos to draw before training.
        steps: last step; a checkpoint with fewer is resumed, and the rate falls to zero over the last part.
        minutes: end after this time even so.
        batch: crops per step.
        rate: learning rate of AdamW.
        real_share: share of crops from real photos.
        rendered_share: share of crops from rendered cases, where there are any.
        negative_share: share of pictures without teeth.
        cooldown: share of the steps over which the rate falls.
        seed: of everything random.
        processes: training processes; each draws ``batch`` crops per step.
        device: where the network is trained; on a GPU in one process.
        workers: processes that draw crops for a GPU.
    """

    cases: tuple[Path, ...]
    bank: Path
    output: Path
    renders: Path | None = None
    start_from: Path | None = None
    bank_size: int = 320
    steps: int = 2400
    minutes: float | None = None
    batch: int = 4
    rate: float = 2e-3
    real_share: float = 0.4
    rendered_share: float = 0.25
    negative_share: float = 0.06
    cooldown: float = 0.3
    seed: int = 0
    processes: int = 2
    device: str = "cpu"
    workers: int = 0


def learning_rate(training: SegmenterTraining, done: float) -> float:
    """Constant, then linear to zero over the cool-down; ``done`` is the share of the training behind us."""
    return training.rate * float(np.clip((1 - done) / max(training.cooldown, 1e-9), 0.0, 1.0))
