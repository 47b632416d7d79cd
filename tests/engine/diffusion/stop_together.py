"""Run in two processes, of which one holds weights that are no numbers: both must stop."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from accelerate import Accelerator
from training_set import write_set  # it lies beside this script

from teethscape.__main__ import leave
from teethscape.diffusion.train_data import read_splits
from teethscape.diffusion.train_ema import trained
from teethscape.diffusion.train_run import Training
from teethscape.diffusion.train_settings import Places, Settings
from teethscape.errors import BadInputError


def stops(root: Path) -> bool:
    """Whether this process stops, whoever holds the broken weights."""
    accelerator = Accelerator(cpu=True)
    settings = Settings(steps=1, batch=2, tiny=True)
    training = Training(Places(root, root / "out"), settings, accelerator, read_splits(root))
    if accelerator.process_index == 1:
        with torch.no_grad():
            next(iter(trained(training.network).values())).fill_(float("nan"))
    try:
        training._save()
    except BadInputError as error:
        return error.code == "training_diverged"
    return False


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        stopped = stops(write_set(Path(folder), 64))
    leave(0 if stopped else 1)
