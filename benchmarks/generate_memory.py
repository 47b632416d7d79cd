"""Memory and time of painting views at full size, with random weights.

    python benchmarks/generate_memory.py --simulate     no GPU: sums the sizes of all living tensors, counts
                                                        the arithmetic of a step
    python benchmarks/generate_memory.py --steps 200    on a GPU: peak and time per step, every arrangement;
                                                        then both jaws from photos to pictures
    python benchmarks/generate_memory.py --tflops 989   with the share of the card's arithmetic limit

The plain arrangement is the published one: float32, four pictures at a time, keys and values of every
voxel, empty volumes made and looked at, all networks on the card, no fused attention;
products in TF32, as published.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from bench_common import ROOT, write_result
from diffusers.models.attention_processor import AttnProcessor
from PIL import Image
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import FlopCounterMode

from teethscape.dental.fdi import Jaw
from teethscape.dental.files import write_json
from teethscape.dental.wishes import MemoryMode
from teethscape.diffusion.card import Card, is_out_of_memory, use_attention
from teethscape.diffusion.condition import Condition, decoded, encoded, photo_tokens, published_views
from teethscape.diffusion.config import OFFICIAL, PHOTOS
from teethscape.diffusion.denoiser import Denoiser, Shared
from teethscape.diffusion.depth import DepthAttention
from teethscape.diffusion.memory import LADDER, PUBLISHED, Chunking, choose
from teethscape.diffusion.networks import TeethDreamer
from teethscape.diffusion.painter import RESTING, Painter, Recipe, Watching
from teethscape.diffusion.sources import JawPhotos
from teethscape.errors import ResourceError
from teethscape.progress import NoProgress

#: Products and sums of a step of one jaw, times 10^12 (specification, section 9).
STEP_TFLOP = 7.07
#: Kept free for what the sums cannot see; by judgement, to be replaced by measurements.
MARGIN = 800_000_000
_GREY = (120, 120, 120)
DATA = ROOT / "backend" / "teethscape" / "diffusion" / "data" / "memory.json"


class LivingTensors(TorchDispatchMode):
    """Adds up the sizes of all storages that live at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = function(*args, **(kwargs or {}))
        for tensor in tree_iter(out):
            if isinstance(tensor, Tensor):
                self._see(tensor.untyped_storage())
        return out

    def _see(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)

        def gone() -> None:
            self.live -= size
            self._known.discard(key)

        weakref.finalize(storage, gone)


def simulate() -> dict[str, Any]:
    """Peaks per rung of the ladder, in half precision, without computing anything."""
    network = TeethDreamer.empty(OFFICIAL)
    del network.vae, network.clip
    steps = []
    with FakeTensorMode(allow_non_fake_inputs=True):
        living = LivingTensors()
        with living, torch.no_grad():
            _fill(network, torch.float16, torch.device("cpu"))
            weights = living.live
            for chunking in LADDER:
                living.peak = living.live
                _one_portion(network, chunking)
                steps.append(living.peak)
                print(f"{chunking}: {living.peak / 1e9:.2f} GB")
    return {"weights": weights, "steps": steps, "margin": MARGIN}


def simulated_rest() -> dict[str, int]:
    """Peaks of what comes before the steps, alone on the card, and after them, beside their networks."""
    network, size = TeethDreamer.empty(OFFICIAL), OFFICIAL.image_size
    latents = torch.zeros(1, 4, size // 8, size // 8)
    return {
        "tokens": _living_with(
            network, ["clip"], lambda: photo_tokens(network, _photos()[None].flatten(1, 2))
        ),
        "photos": _living_with(network, ["vae"], lambda: encoded(network, _photos(), None)),
        "picture": _living_with(network, ["vae", *_steppers(network)], lambda: decoded(network, latents)),
    }


def _photos() -> Tensor:
    return torch.zeros(PHOTOS, 3, OFFICIAL.image_size, OFFICIAL.image_size)


def _steppers(network: TeethDreamer) -> list[str]:
    return [name for name, _ in network.named_children() if name not in RESTING]


def _living_with(network: TeethDreamer, parts: list[str], work: Callable[[], object]) -> int:
    """The peak of some work with some parts of the networks on the card."""
    with FakeTensorMode(allow_non_fake_inputs=True), LivingTensors() as living, torch.no_grad():
        for name in parts:
            dtype = torch.float32 if name in RESTING else torch.float16
            _fill(getattr(network, name), dtype, torch.device("cpu"))
        work()
    return living.peak


def arithmetic() -> dict[str, float]:
    """10^12 products and sums of one step of a jaw, as published and as painted here, nothing computed."""
    return {"published": _counted(PUBLISHED, plain=True), "here": _counted(LADDER[0], plain=False)}


def _counted(chunking: Chunking, plain: bool) -> float:
    network = TeethDreamer.empty(OFFICIAL)
    del network.vae, network.clip
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        _fill(network, torch.float32, torch.device("cpu"))
        with _published_ways(network) if plain else _nothing():
            # What fused attention computes is not counted; it is as much as in the open.
            network.unet.body.set_attn_processor(AttnProcessor())
            denoiser = Denoiser(network, _condition(torch.device("cpu")))
            with FlopCounterMode(display=False) as counter:
                denoiser.guided(torch.zeros(1, 16, 4, 32, 32), 501, chunking)
    return round(counter.get_total_flops() / 1e12, 3)


def _fill(network: nn.Module, dtype: torch.dtype, device: torch.device) -> None:
    """Small random weights where there were none."""
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            values = torch.empty(parameter.shape, dtype=dtype, device=device).normal_(std=0.02)
            setattr(module, name, nn.Parameter(values, requires_grad=False))


def _condition(device: torch.device) -> Condition:
    cameras, views = published_views(Jaw.UPPER, OFFICIAL)
    return Condition(torch.zeros(1, 4, OFFICIAL.token_width), None, views, cameras).to(device)


def _one_portion(network: TeethDreamer, chunking: Chunking) -> None:
    """The shared volume and the first portion of pictures; the others need as much."""
    denoiser = Denoiser(network, _condition(torch.device("cpu")))
    latents = torch.zeros(1, 16, 4, 32, 32)
    times = torch.full((1,), 501)
    shared = Shared.of(denoiser, latents, times)
    places = torch.zeros(chunking.views, 2, dtype=torch.long)
    denoiser._guided_rows(
        latents[0, : chunking.views], times.expand(chunking.views), places, shared, (chunking, 2.0)
    )


@dataclass(frozen=True)
class Arrangement:
    """How the sampling is arranged; the plain one is the published one."""

    name: str
    dtype: torch.dtype
    chunking: Chunking
    plain: bool = False


def measure(steps: int, tflops: float | None) -> list[dict[str, Any]]:
    """Peak and time of every arrangement on the GPU, the plain one first; then both jaws as users paint."""
    arrangements = [Arrangement("plain, float32", torch.float32, PUBLISHED, plain=True)]
    arrangements += [Arrangement(str(chunking), torch.float16, chunking) for chunking in LADDER]
    rows = [_guarded(one.name, lambda one=one: _arrangement(one, steps)) for one in arrangements]
    rows += [
        _guarded(f"both jaws, {mode} memory", lambda m=mode: _whole_run(m, steps)) for mode in MemoryMode
    ]
    plain = rows[0].get("step_seconds")
    for row in rows:
        seconds = row.get("step_seconds")
        if seconds and plain:
            row["times_faster_than_plain"] = round(plain / seconds, 2)
        if seconds and tflops:
            row["share_of_limit"] = round(STEP_TFLOP / seconds / tflops, 3)
        print(row)
    return rows


def _guarded(name: str, measured: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A row, alone on the card; one that does not fit says so."""
    gc.collect()  # networks hold themselves in circles
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    try:
        row = measured()
    except (RuntimeError, ResourceError) as error:
        if isinstance(error, RuntimeError) and not is_out_of_memory(error):
            raise
        return {"arrangement": name, "result": "does not fit"}
    return {"arrangement": name, "peak_gb": round(torch.cuda.max_memory_allocated() / 1e9, 2), **row}


def _arrangement(one: Arrangement, steps: int) -> dict[str, Any]:
    device = torch.device("cuda")
    network = TeethDreamer.empty(OFFICIAL)
    if not one.plain:
        del network.vae, network.clip
    _fill(network, one.dtype, device)
    attention = "plain" if one.plain else use_attention(network.unet.body, device)
    seconds = []
    with _published_ways(network) if one.plain else _nothing():
        denoiser = Denoiser(network, _condition(device))
        latents = torch.randn(1, 16, 4, 32, 32, device=device)
        for number in range(steps + 2):  # the first two warm up
            torch.cuda.synchronize()
            began = time.monotonic()
            denoiser.guided(latents, 1 + 5 * (number % 200), one.chunking)
            torch.cuda.synchronize()
            seconds.append(time.monotonic() - began)
    return {"attention": attention, "step_seconds": round(statistics.median(seconds[2:]), 4), "steps": steps}


def _whole_run(mode: MemoryMode, steps: int) -> dict[str, Any]:
    """Both jaws from photos to pictures: encoding, sampling and decoding, as `teethscape generate` does."""
    network = TeethDreamer.empty(OFFICIAL)
    _fill(network, torch.float16, torch.device("cpu"))
    card = Card(torch.device("cuda"), torch.float16)
    painter = Painter(network, card, choose(card.free_bytes(), mode, card.half))
    began = time.monotonic()
    for jaw in (Jaw.UPPER, Jaw.LOWER):
        photos = tuple(
            Image.new("RGB", (OFFICIAL.image_size, OFFICIAL.image_size), _GREY) for _ in range(PHOTOS)
        )
        painter.paint(JawPhotos(jaw.value, jaw, photos), Recipe(steps=steps), Watching(NoProgress()))
    return {
        "attention": painter.attention,
        "portions": str(LADDER[painter.rung]),
        "run_seconds": round(time.monotonic() - began, 1),
        "median_between_steps": round(statistics.median(painter.step_seconds), 4),
        "steps": steps,
    }


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _published_ways(network: TeethDreamer) -> Iterator[None]:
    """Keys and values of every voxel, empty volumes that are looked at, attention in the open.

    The published program lets float32 products run in TF32.
    """
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    network.unet.body.set_attn_processor(AttnProcessor())
    folded, forward = DepthAttention.forward, network.unet.forward
    DepthAttention.forward = _every_voxel  # type: ignore[method-assign]

    def with_empty(x: Tensor, t: Tensor, tokens: Tensor, volumes: dict[int, Tensor]) -> Tensor:
        whole = {width: torch.cat([v, torch.zeros_like(v)]) for width, v in volumes.items()}
        return forward(x, t, tokens, whole)

    network.unet.forward = with_empty  # type: ignore[method-assign]
    try:
        yield
    finally:
        DepthAttention.forward = folded  # type: ignore[method-assign]
        torch.set_float32_matmul_precision(precision)


def _every_voxel(self: DepthAttention, x: Tensor, context: Tensor) -> Tensor:
    count, width, height, wide = x.shape
    heads, head = 4, width // 4
    query = self.to_q(x).reshape(count, heads, head, 1, height, wide)
    keys = self.to_k(context).reshape(count, heads, head, -1, height, wide)
    values = self.to_v(context).reshape(count, heads, head, -1, height, wide)
    weights = ((query * keys).sum(2, keepdim=True) * head**-0.5).softmax(3)
    return self.to_out((weights * values).sum(3).reshape(count, width, height, wide))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--simulate", action="store_true", help="write the data file that the engine plans with"
    )
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--tflops", type=float, help="arithmetic limit of the card in half precision")
    args = parser.parse_args()
    if args.simulate:
        found = simulate()
        note = "Bytes of all tensors that live at once at full size in half precision; margin by judgement. "
        write_json(DATA, {"note": note + "Made by benchmarks/generate_memory.py --simulate.", **found})
        summary = {"steps": found["steps"], "rest": simulated_rest(), "tflop_per_step": arithmetic()}
        write_result("generate_memory_simulated", summary, [str(chunking) for chunking in LADDER])
        return
    rows = measure(args.steps, args.tflops)
    machine = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__}
    write_result("generate_memory", machine, rows)


if __name__ == "__main__":
    main()
