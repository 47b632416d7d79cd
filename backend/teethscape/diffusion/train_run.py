"""``teethscape train teethdreamer``: the loop, on one device or many (needs torch and accelerate).

Accelerate (Apache-2.0) rather than Lightning Fabric: it is the companion of diffusers, needs
nothing else, and ``accelerate launch`` starts the same program on several cards.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import asdict
from io import BytesIO
from pickle import UnpicklingError
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from teethscape.dental.files import require_file, storage_errors, write_bytes, write_json
from teethscape.diffusion.config import OFFICIAL, TINY
from teethscape.diffusion.networks import TeethDreamer
from teethscape.diffusion.start import fresh, from_zero123
from teethscape.diffusion.train_batches import Jaws, loader
from teethscape.diffusion.train_data import Sample, read_splits
from teethscape.diffusion.train_ema import Smoothed, trained
from teethscape.diffusion.train_finite import LARGEST_WEIGHT, LossWatch, are_numbers, stopped
from teethscape.diffusion.train_settings import Places, Settings, Strategy
from teethscape.diffusion.train_share import (
    is_shared,
    parted,
    share_out,
    take_state,
    whole,
    whole_state,
    whole_weights,
)
from teethscape.diffusion.train_step import TrainingStep, batch_of, groups, warm_up
from teethscape.diffusion.train_validate import validate
from teethscape.diffusion.weights_file import read_network, write_network
from teethscape.errors import BadInputError, UsageError
from teethscape.segmentation.toothseg.training import Journal, choose_device
from teethscape.weights.store import file_sha256

#: Under this name the settings keep the checksums of the files that a training began with.
_STARTS = "begins_with"
#: Told the share that is done (0-1) and where the training stands.
Report = Callable[[float, str], None]


def train(places: Places, settings: Settings, report: Report) -> dict[str, Any]:
    """Train, or go on with a training; returns what was reached.

    Raises:
        BadInputError: data, weights or an older training cannot be used; or the loss or what is learned
            is no number any more, then the last save is whole.
        UsageError: the batch cannot be shared out, or the device has no such precision.
    """
    splits = read_splits(places.data)
    _check_resume(places, settings)
    device = choose_device(places.device)
    _check_precision(settings, device)
    accelerator = Accelerator(
        cpu=device.type == "cpu", mixed_precision=settings.precision,
        gradient_accumulation_steps=settings.accumulate,
    )  # fmt: skip
    share = settings.accumulate * accelerator.num_processes
    if settings.batch % share:
        words = f"A batch of {settings.batch} cannot be shared by {share} parts."
        raise UsageError("usage", words, "Give a multiple with --batch.")
    _check_strategy(places, settings, accelerator.num_processes)
    return Training(places, settings, accelerator, splits).run(report)


def _check_strategy(places: Places, settings: Settings, processes: int) -> None:
    if places.strategy is not Strategy.FSDP:
        return
    if processes == 1:
        hint = "Start several with: python -m torch.distributed.run (docs/teethdreamer.md)."
        raise UsageError("usage", "--strategy fsdp needs several processes.", hint)
    if settings.precision == "fp16":
        words = "--strategy fsdp has no scaling of gradients for fp16."
        raise UsageError("usage", words, "Give --precision bf16.")


def _check_precision(settings: Settings, device: torch.device) -> None:
    if settings.precision == "fp16" and device.type == "cpu":  # which would calculate in fp32 without a word
        words = "A CPU cannot train in fp16."
        raise UsageError("usage", words, "Give --precision bf16, or fp32, or train on a graphics card.")


def starts_of(places: Places) -> dict[str, str]:
    """Checksums of the files that a training begins with, by their part; those that are missing are refused.

    Raises:
        BadInputError: a file does not exist.
    """
    files = {"start": places.start, "zero123": places.zero123, "clip": places.clip}
    for path in files.values():
        if path is not None:
            require_file(path)
    return {part: file_sha256(path) for part, path in files.items() if path is not None}


def _check_resume(places: Places, settings: Settings) -> None:
    path = places.output / "settings.json"
    if not path.is_file():
        return
    try:
        other = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise BadInputError(
            "training_other", f"{path} is damaged ({error}).", "Give another --output."
        ) from error
    if not isinstance(other, dict):
        words = f"{path} is damaged (it holds no settings)."
        raise BadInputError("training_other", words, "Give another --output.")
    wrong = settings.fits(other)
    if _STARTS in other and other[_STARTS] != starts_of(places):
        wrong.append("start (--fine-tune, --zero123, --clip)")
    if wrong:
        raise BadInputError(
            "training_other",
            f"{places.output} holds a training with another {', '.join(wrong)}.",
            "Give the same options, or another --output.",
        )


def _start(places: Places, settings: Settings) -> TeethDreamer:
    """The networks to begin with, the same for the same arguments."""
    torch.manual_seed(settings.seed)
    config = TINY if settings.tiny else OFFICIAL
    if places.start is not None:
        return read_network(places.start).float()
    if places.zero123 is not None and places.clip is not None:
        return from_zero123(config, places.zero123, places.clip)
    return fresh(config)


class Training:
    """A training under way."""

    def __init__(
        self, places: Places, settings: Settings, accelerator: Accelerator, splits: dict[str, tuple[str, ...]]
    ) -> None:
        self.places, self.settings, self.accelerator = places, settings, accelerator
        self.network = _start(places, settings).train()
        parts = self._groups()
        self.rates = [float(str(part["lr"])) for part in parts]
        self.network.vae.eval()
        self.network.clip.eval()
        if settings.checkpointing:
            self.network.unet.body.enable_gradient_checkpointing()
        self.model: nn.Module = TrainingStep(self.network, settings.hide)
        if places.strategy is Strategy.FSDP:
            share_out(self.model, accelerator.device)
            parts = self._groups()
        else:
            self.model = accelerator.prepare(self.model)
        self.optimiser = accelerator.prepare(torch.optim.AdamW(parts))  # type: ignore[arg-type]
        self.smoothed = Smoothed(self.network, settings.ema) if settings.ema else None
        size = self.network.config.image_size
        self.jaws = Jaws(places.data, splits["train"], size, settings)
        self.judged = Jaws(places.data, splits["val"] or splits["train"], size, settings)
        self.step = 0
        self._resume()

    def _groups(self) -> list[dict[str, object]]:
        return groups(self.network, self.settings.rate, self.settings.unet)

    def _resume(self) -> None:
        if not self.places.resume.is_file():
            return
        try:
            content = torch.load(self.places.resume, map_location="cpu", weights_only=True)
            self._take(content)
        except (RuntimeError, UnpicklingError, EOFError, KeyError, ValueError, TypeError) as error:
            raise BadInputError(
                "training_other",
                f"{self.places.resume} is damaged ({str(error)[:100]}).",
                "Delete it to begin anew from the same start, or give another --output.",
            ) from error

    def _take(self, content: dict[str, Any]) -> None:
        """Go on where a training was saved."""
        with torch.no_grad():
            for name, parameter in trained(self.network).items():
                parameter.copy_(parted(content["trained"][name], parameter))
        take_state(self.optimiser, content["optimiser"])
        if self.smoothed is not None:
            values = self.smoothed.values
            self.smoothed.load({n: parted(v, values[n]) for n, v in content["smoothed"].items()})
        if self.accelerator.scaler is not None and content.get("scaler"):
            self.accelerator.scaler.load_state_dict(content["scaler"])
        self.step = int(content["step"])

    def run(self, report: Report) -> dict[str, Any]:
        """Take the steps that are left."""
        with storage_errors(self.places.output):
            self.places.output.mkdir(parents=True, exist_ok=True)
        main = self.accelerator.is_main_process
        if main:
            record = asdict(self.settings) | {_STARTS: starts_of(self.places)}
            write_json(self.places.output / "settings.json", record)
        journal = Journal(self.places.output / "log") if main else None
        try:
            last = self._steps(journal, report)
            self._save()
        finally:
            if journal is not None:
                journal.close()
        return {"steps": self.step, "network": str(self.places.network), **last}

    def _steps(self, journal: Journal | None, report: Report) -> dict[str, float]:
        """Take them; returns the losses of the last one."""
        share = self.accelerator.process_index, self.accelerator.num_processes
        watch = LossWatch(self.places.resume, self.accelerator.scaler is not None)
        sums: list[Tensor] = []
        last: dict[str, float] = {}
        for part, samples in enumerate(loader(self.jaws, self.step, share, self.places.workers)):
            sums.append(self._part(samples, part))
            if len(sums) < self.settings.accumulate:
                continue
            last = self._values(sums)
            watch.require(last["loss"], self.step + 1)
            sums = []
            self._after_step(last, journal, report)
        return last

    def _part(self, samples: list[Sample], part: int) -> Tensor:
        """Learn from a part of a step; returns its two losses."""
        settings, accelerator = self.settings, self.accelerator
        for group, rate in zip(self.optimiser.param_groups, self.rates, strict=True):
            group["lr"] = rate * warm_up(self.step)
        seed = (settings.seed * 1_000_003 + self.step) * 4099 + part % settings.accumulate
        seed = (seed * 257 + accelerator.process_index) % 2**64  # torch takes no larger one
        generator = torch.Generator().manual_seed(seed)
        batch = batch_of(samples, self.network.config.image_size).to(accelerator.device)
        with accelerator.accumulate(self.model):
            with accelerator.autocast():
                colours, normals = self.model(batch, generator)
            accelerator.backward(colours + normals)
            if accelerator.sync_gradients and settings.clip:
                accelerator.clip_grad_norm_(trained(self.network).values(), settings.clip)
            self.optimiser.step()
            self.optimiser.zero_grad(set_to_none=True)
        return torch.stack([colours.detach(), normals.detach()])

    def _values(self, sums: list[Tensor]) -> dict[str, float]:
        both = self.accelerator.reduce(torch.stack(sums).mean(0), "mean")
        colours, normals = (float(value) for value in both)  # type: ignore[union-attr]
        return {"loss": colours + normals, "colours": colours, "normals": normals}

    def _after_step(self, values: dict[str, float], journal: Journal | None, report: Report) -> None:
        self.step += 1
        if self.smoothed is not None:
            self.smoothed.follow(self.network, self.step)
        if journal is not None:
            journal.write(self.step, {f"train/{name}": value for name, value in values.items()})
            report(self.step / self.settings.steps, f"step {self.step}, loss {values['loss']:.4f}")
        if self.places.validate_every and self.step % self.places.validate_every == 0:
            self._validate(journal)
        if self.step % self.places.save_every == 0 and self.step < self.settings.steps:
            self._save()

    def _validate(self, journal: Journal | None) -> None:
        """The first process paints with what would be saved; the others lend it their parts of it."""
        self._require_numbers()
        smoothed = self.smoothed.in_place(self.network) if self.smoothed is not None else nullcontext()
        with smoothed, whole_weights(self.model):
            if journal is None:
                return
            path = self.places.output / "validation" / f"{self.step:08d}.png"
            score = validate(self.network, self.judged[0, 0], path, self.places.validate_steps)
            journal.write(self.step, {"validation/difference": score})

    def _require_numbers(self) -> None:
        """Stop, in all processes alike, where one of them holds what must not be saved."""
        smoothed: Iterable[Tensor] = () if self.smoothed is None else self.smoothed.values.values()
        weights = [*trained(self.network).values(), *smoothed]
        states = (value for state in self.optimiser.state.values() for value in state.values())
        moments = (value for value in states if isinstance(value, Tensor))
        good = are_numbers(weights, LARGEST_WEIGHT) and are_numbers(moments)
        bad = torch.tensor([0.0 if good else 1.0], device=self.accelerator.device)
        if float(self.accelerator.reduce(bad, "sum")):  # type: ignore[arg-type]
            raise stopped(f"After step {self.step} the weights", self.places.resume)

    def _save(self) -> None:
        """Write what a resumed training needs, and the network as it is now.

        Everything is written whole, so that another number of processes can go on.

        Raises:
            BadInputError: it is no number any more; the save before stays.
        """
        self._require_numbers()
        self.accelerator.wait_for_everyone()
        main = self.accelerator.is_main_process
        if not main and not is_shared(self.model):
            return
        smoothed = {} if self.smoothed is None else self.smoothed.values
        state = whole(self.network.state_dict())
        content = {
            "step": self.step,
            "trained": {name: state[name] for name in trained(self.network)},
            "optimiser": whole_state(self.optimiser),
            "smoothed": whole(smoothed),
            "scaler": {} if self.accelerator.scaler is None else self.accelerator.scaler.state_dict(),
        }
        if not main:
            return
        stream = BytesIO()
        torch.save(content, stream)
        write_bytes(self.places.resume, stream.getvalue())
        state |= content["smoothed"]
        write_network(self.places.network, self.network.config, state, half=True)
