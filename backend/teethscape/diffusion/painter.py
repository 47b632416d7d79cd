"""Paints the views of one jaw: encoders, sampling, decoding, in the memory that there is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from teethscape.diffusion.card import Card, cast, is_out_of_memory, use_attention
from teethscape.diffusion.condition import (
    Condition,
    decoded,
    encoded,
    photo_tokens,
    photos_matter,
    published_views,
)
from teethscape.diffusion.config import LATENT_CHANNELS
from teethscape.diffusion.denoiser import GUIDANCE, Denoiser
from teethscape.diffusion.held import Held, Hold
from teethscape.diffusion.interrupt import watched
from teethscape.diffusion.memory import LADDER
from teethscape.diffusion.networks import TeethDreamer
from teethscape.diffusion.pictures import Floats, network_input
from teethscape.diffusion.schedule import Steps
from teethscape.diffusion.sources import JawPhotos
from teethscape.errors import ResourceError
from teethscape.progress import GenerateStage, Progress

T = TypeVar("T")
#: Takes unfinished pictures (n, 3, h, w) from -1 to 1 and the number of the step.
Show = Callable[[Floats, int], None]
#: The published seed.
SEED = 6033
#: Parts that rest while the views are sampled; they compute in float32.
RESTING = ("vae", "clip")


@dataclass(frozen=True)
class Recipe:
    """How views are drawn; together with weights and photos it decides the result.

    Attributes:
        steps: of the sampling.
        seed: of all noise.
        guidance: strength of the condition.
        white: pictures with opacity are laid on white, else on black.
    """

    steps: int = 200
    seed: int = SEED
    guidance: float = GUIDANCE
    white: bool = True


@dataclass(frozen=True)
class Watching:
    """Who looks on.

    Attributes:
        progress: told of every step; asked often whether to stop.
        shows: number of times that unfinished views are shown.
        show: shows them.
    """

    progress: Progress
    shows: int = 0
    show: Show = lambda _views, _step: None


@dataclass
class Painter:
    """Networks on a card, and what was learned of its memory.

    Attributes:
        network: the networks.
        card: device and precision.
        rung: of the memory ladder; it only ever goes down.
        attention: which attention runs.
        step_seconds: times of the steps so far.
    """

    network: TeethDreamer
    card: Card
    rung: int
    attention: str = "PyTorch"
    step_seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Bring the parts into their precision."""
        self.network.eval().requires_grad_(False)
        for name, part in self.network.named_children():
            cast(part, torch.float32 if name in RESTING else self.card.dtype)
        self.attention = use_attention(self.network.unet.body, self.card.device)

    def paint(self, jaw: JawPhotos, recipe: Recipe, watching: Watching, held: Held | None = None) -> Floats:
        """(2 * views, 3, h, w) colours, then normals, from -1 to 1; held ones come back as they are.

        After an error the painter is of no use any more: its networks are gone.

        Raises:
            CancelledError: the user has cancelled.
            ResourceError: the card is too small even for the smallest portions, or the numbers overflow.
        """
        progress = watching.progress
        generator = torch.Generator().manual_seed(recipe.seed)
        try:
            with watched(self.network, progress.check_cancelled):
                views = self._painted((jaw, recipe, held), generator, watching)
        except BaseException as error:
            self._let_go()
            if isinstance(error, RuntimeError) and is_out_of_memory(error):
                raise self._too_small() from error
            raise
        self._rest()
        progress.stage(GenerateStage.DECODE, 1.0)
        return views

    def _painted(
        self, what: tuple[JawPhotos, Recipe, Held | None], generator: torch.Generator, watching: Watching
    ) -> Floats:
        (jaw, recipe, held), progress = what, watching.progress
        condition = self._with_room(
            lambda: self.condition(jaw, recipe, generator, progress), progress, generator
        )
        hold = self._with_room(lambda: self._hold(held), progress)
        latents = self._sample(_Look(condition, recipe, progress, hold), generator, watching)
        progress.stage(GenerateStage.DECODE, 0.0)
        return self._with_room(lambda: self._finished(latents, held, progress), progress)

    def _rest(self) -> None:
        """Take everything off the card: the encoders of the next jaw, or others, need the room."""
        self._steppers_to(torch.device("cpu"))
        self.network.unet.forget()
        self.card.forget()

    def _let_go(self) -> None:
        """Free the card at once: to bring gigabytes back that nobody needs would only delay the end."""
        self.network.to("meta")
        self.network.unet.forget()
        self.card.forget()

    def _with_room(
        self, work: Callable[[], T], progress: Progress, generator: torch.Generator | None = None
    ) -> T:
        """A piece of work of the resting parts; where the memory is too small, once more with all of it.

        Args:
            work: encodes or decodes.
            progress: is warned.
            generator: whose noise the work draws; the second attempt draws the same.
        """
        drawn = None if generator is None else generator.get_state()
        try:
            return work()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        # Here, not in the handler: the failed work's tensors live as long as its traceback.
        progress.warn("memory_short", "Too little memory on the card: all other networks make room.")
        self._rest()
        if generator is not None and drawn is not None:
            generator.set_state(drawn)
        return work()

    def condition(
        self, jaw: JawPhotos, recipe: Recipe, generator: torch.Generator, progress: Progress
    ) -> Condition:
        """What the photos tell; their latents only where these have an effect."""
        config, device = self.network.config, self.card.device
        progress.stage(GenerateStage.ENCODE, 0.0, jaw.name)
        photos = [network_input(picture, config.image_size, white=recipe.white) for picture in jaw.pictures]
        pictures = torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2).contiguous()
        with self._on_card(self.network.clip):
            tokens = photo_tokens(self.network, pictures.flatten(0, 1)[None].to(device))
        latents = None
        if photos_matter(self.network):
            progress.stage(GenerateStage.ENCODE, 0.5, jaw.name)
            with self._on_card(self.network.vae):
                latents = encoded(self.network, pictures.to(device), generator).flatten(0, 1)[None]
        cameras, views = published_views(jaw.jaw, config)
        progress.stage(GenerateStage.ENCODE, 1.0, jaw.name)
        return Condition(tokens, latents, views, cameras).to(device)

    @contextmanager
    def _on_card(self, part: nn.Module) -> Iterator[None]:
        """A part that is needed rarely lies on the card only while it works.

        Where the memory is too small it makes room, too: its work may be tried again, or left out.
        """
        try:
            part.to(self.card.device)
            yield
        except RuntimeError:
            self._off_card(part)
            raise
        self._off_card(part)

    def _off_card(self, part: nn.Module) -> None:
        part.to("cpu")
        self.card.forget()

    def _hold(self, held: Held | None) -> Hold:
        """The held pictures as latents: the middle of what the encoder finds."""
        if held is None or not held.rows:
            return Hold([])
        pictures = torch.from_numpy(held.pictures[held.rows]).to(self.card.device)
        with self._on_card(self.network.vae):
            return Hold(held.rows, encoded(self.network, pictures, None))

    def _sample(self, look: _Look, generator: torch.Generator, watching: Watching) -> Tensor:
        config, recipe = self.network.config, look.recipe
        self._steppers_to(self.card.device)
        shape = (1, 2 * config.views, LATENT_CHANNELS, config.latent_size, config.latent_size)
        latents = torch.randn(shape, generator=generator).to(self.card.device)
        steps, moments = Steps(recipe.steps), moments_of(watching.shows, recipe.steps)
        for number in range(recipe.steps):
            start = time.monotonic()
            latents = look.hold.at(latents, steps.times[number], generator)
            noise = self._noise(look, latents, number, steps.times[number])
            if number in moments:
                self._show(steps.clean(number, latents, noise), number + 1, watching)
            last = number == recipe.steps - 1
            fresh = None if last else torch.randn(shape, generator=generator).to(latents)
            latents = steps.step(number, latents, noise, fresh)
            self.step_seconds.append(time.monotonic() - start)
        return look.hold.clear(latents)

    def _show(self, latents: Tensor, step: int, watching: Watching) -> None:
        """Show unfinished views, unless they would need more memory than there is."""
        try:
            watching.show(self._decoded(latents, watching.progress), step)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            words = f"Too little memory on the card to show unfinished views after step {step}."
            watching.progress.warn("memory_short", words)
        self._steppers_to(self.card.device)

    def _steppers(self) -> Iterator[nn.Module]:
        """Everything that works at every step."""
        return (part for name, part in self.network.named_children() if name not in RESTING)

    def _steppers_to(self, device: torch.device) -> None:
        for part in self._steppers():
            part.to(device)

    def _noise(self, look: _Look, latents: Tensor, number: int, at: int) -> Tensor:
        """One look, in smaller portions or another precision when it fails."""

        def told(share: float) -> None:
            look.tell(number, share)

        while True:
            try:
                denoiser = Denoiser(self.network, look.condition, look.hold.others(latents.shape[1]))
                noise = denoiser.guided(latents, at, LADDER[self.rung], look.recipe.guidance, told)
            except RuntimeError as error:
                if not is_out_of_memory(error) or self.rung == len(LADDER) - 1:
                    raise
                noise = None
            # Here, not in the handler: the failed call's tensors live as long as its traceback.
            if noise is None:
                self._step_down(look.progress)
            elif bool(torch.isfinite(noise).all()):
                return noise
            else:
                self._more_exact(look.progress)

    def _step_down(self, progress: Progress) -> None:
        """The next rung of the ladder."""
        self.rung += 1
        self.network.unet.forget()
        self.card.forget()
        progress.warn("memory_short", f"Too little memory on the card: going on with {LADDER[self.rung]}.")

    def _too_small(self) -> ResourceError:
        return ResourceError(
            "card_memory",
            f"The memory of {self.card.describe()} is too small even for one picture at a time.",
            "Close other programs that use the graphics processor, or give --device cpu (very slow).",
        )

    def _more_exact(self, progress: Progress) -> None:
        """Another precision after an overflow.

        Raises:
            ResourceError: there is none.
        """
        if self.card.dtype is not torch.float16:
            raise ResourceError(
                "not_finite",
                "The network gives numbers without bounds.",
                "Check the weights with teethscape weights verify, or give --precision fp32.",
            )
        self.card = Card(self.card.device, torch.bfloat16)
        progress.warn("half_overflow", "Numbers grew too large for fp16: going on with bf16.")
        for part in self._steppers():
            cast(part, torch.bfloat16)

    def _finished(self, latents: Tensor, held: Held | None, progress: Progress) -> Floats:
        """All pictures; held ones need no decoding."""
        if held is None:
            return self._decoded(latents, progress)
        out, fresh = held.pictures.copy(), Hold(held.rows).others(len(held.pictures))
        out[fresh] = self._decoded(latents[:, fresh], progress)
        return out

    def _decoded(self, latents: Tensor, progress: Progress) -> Floats:
        """(n, 3, h, w) one view after the other; the rest makes room where there is little."""
        if self.rung == len(LADDER) - 1:
            self._steppers_to(torch.device("cpu"))
        with self._on_card(self.network.vae):
            views = []
            for latent in latents[0]:
                progress.check_cancelled()
                views.append(decoded(self.network, latent[None])[0].cpu())
        return torch.stack(views).numpy()


@dataclass(frozen=True)
class _Look:
    """What stays the same at all steps."""

    condition: Condition
    recipe: Recipe
    progress: Progress
    hold: Hold

    def tell(self, number: int, share: float) -> None:
        """Report how far a step is."""
        steps = self.recipe.steps
        self.progress.stage(GenerateStage.SAMPLE, (number + share) / steps, f"step {number + 1} of {steps}")


def moments_of(count: int, steps: int) -> set[int]:
    """Steps after which unfinished views are shown, evenly spread, never after the last."""
    return {steps * part // (count + 1) for part in range(1, count + 1)} - {steps - 1}
