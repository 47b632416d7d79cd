"""Training of NeuS (needs torch). Source: ``teethdreamer-spec.md``, sections 6.5 to 6.7.

The box of the views is moved into a cube of half side 0.5 (TeethDreamer's is that already).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from teethscape.surface.neus.batches import RayBank, RayBatch
from teethscape.surface.neus.encodings import hash_grid
from teethscape.surface.neus.fields import NeusModel
from teethscape.surface.neus.losses import LossRules, Rendered, all_losses, laplacian, total_loss
from teethscape.surface.neus.march import box_bounds, march
from teethscape.surface.neus.occupancy import PUBLISHED, STARTED, Occupancy, resting_opacity
from teethscape.surface.neus.presets import NeusPreset
from teethscape.surface.neus.render import Rendering, render_rays, spread_along_rays
from teethscape.surface.neus.schedule import Begin, active_levels, learning_factor, next_rays, weight_at
from teethscape.surface.request import GridName

RADIUS = 0.5
_DIAGONAL = 1.732
_RULES = LossRules()
#: With fewer rays a step tells too little; a card that cannot hold them is too small.
_FEWEST_RAYS = 64


class Trainer:
    """A model, its optimiser and its rays.

    Args:
        preset: settings.
        bank: rays to learn from.
        grid: implementation of the hash grid.
    """

    def __init__(self, preset: NeusPreset, bank: RayBank, grid: GridName) -> None:
        self.preset, self.bank, self.device = preset, bank, bank.device
        encoding = hash_grid(preset.grid, grid, bank.device)
        self.model = NeusModel(encoding, preset.radius, preset.sharpness).to(self.device)
        rules = PUBLISHED if preset.start == "sphere" else STARTED
        self.occupancy = Occupancy(RADIUS, preset.occupancy, rules).to(self.device)
        groups = [
            {"params": list(part.parameters()), "lr": rate}
            for part, rate in zip(self.model.parts, preset.rates, strict=True)
        ]
        self.optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.99), eps=1e-15, weight_decay=0.01)
        self.step_number, self.rays, self.age = 0, preset.first_rays, 0.0
        self._begin: Begin | None = Begin()  # None: the first step after a checkpoint will tell
        self.sample_target = self._samples = preset.sample_target
        self.step_length = _DIAGONAL * 2 * RADIUS / preset.samples_per_ray
        self.scaler = self._fresh_scaler()

    @property
    def _half(self) -> bool:
        return self.preset.half_precision and self.device.type == "cuda"

    def _fresh_scaler(self, scale: float = 2.0**16) -> torch.amp.GradScaler:
        return torch.amp.GradScaler(self.device.type, scale, enabled=self._half)

    @property
    def anneal(self) -> float:
        """How strictly back faces are closed, 0..1."""
        return min(1.0, self.age / self.preset.anneal)

    def set_levels(self) -> None:
        """Let the levels of the hash grid count that this step allows."""
        p = self.preset
        encoding = self.model.geometry.encoding
        encoding.active = active_levels(int(self.age), p.start_level, p.level_every, p.levels)

    def update_occupancy(self) -> None:
        """Look where surface may be, when that is due."""
        if not self.occupancy.is_due(self.step_number):
            return
        inv_s = self.model.variance().detach()

        def opacity(points: Tensor) -> Tensor:
            sdf = self.model.geometry.sdf(points)
            sdf = sdf.abs() if self.occupancy.rules.hollow else sdf
            return resting_opacity(sdf, inv_s, self.step_length)

        self.occupancy.update(self.step_number, opacity)

    def render(self, batch: RayBatch, jitter: bool) -> Rendering:
        """What a batch of rays sees now."""
        rays = batch.origins, batch.directions
        near, far = box_bounds(*rays, RADIUS)
        if jitter:
            near = near + torch.rand_like(near) * self.step_length
        samples = march(rays, (near, far), self.step_length, self.occupancy.occupied)
        return render_rays(self.model, rays, samples, self.anneal)

    def step(self, budget_share: float = 0.0) -> float:
        """One optimiser step; its loss.

        Args:
            budget_share: of the time that is used up, 0..1. Where the preset says so, the schedules of
                rates, levels and weights are then at least that far; those that are continued end with the
                budget, too, but never fall back, however much larger it has become.
        """
        self._grow(budget_share if self.preset.within_budget else 0.0)
        self.set_levels()
        self.update_occupancy()
        batch = self.bank.random(self.rays, near_only=self.preset.start != "sphere")
        with torch.autocast(self.device.type, enabled=self._half):
            out = self.render(batch, jitter=True)
            loss = self._loss(out, batch)
        self._descend(loss)
        self._samples = len(out.samples.ray)
        self.rays = next_rays(self.rays, self._samples, self.sample_target, self.preset.most_rays)
        self.rays = max(self.rays, 16)
        self.step_number += 1
        return float(loss.detach())

    def _grow(self, share: float) -> None:
        """Let the schedules go on."""
        if self._begin is None:
            self._begin = Begin(self.age, max(self.age + 1 - self.step_number, 0.0), share)
        self.age = max(self.age, self._begin.age_at(self.step_number, share, self.preset.steps))

    def spare_memory(self) -> bool:
        """Take half the rays, and from now on half the samples of the last step at most; False: too few.

        The memory of a step follows its samples: as the surface grows sharp, more rays fit again.
        """
        if self.rays < 2 * _FEWEST_RAYS:
            return False
        self.rays //= 2
        self.sample_target = min(self.sample_target, self._samples) // 2
        self.optimiser.zero_grad(set_to_none=True)
        if self.scaler.is_enabled():  # it may hold the broken step's gradients for unscaled ones
            self.scaler = self._fresh_scaler(self.scaler.get_scale())
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return True

    def _loss(self, out: Rendering, batch: RayBatch) -> Tensor:
        background = torch.rand(3, device=self.device)
        fg = batch.targets.foreground[:, None]
        wanted = replace(batch.targets, colour=batch.targets.colour * fg + background * (1 - fg))
        lambdas = {name: weight_at(value, self.age) for name, value in self.preset.lambdas.items()}
        near, beside = self._smoothness()
        # A table of all samples of all rays, and seven times the look-ups: only for those who want them.
        wants_spread, wants_laplacian = bool(lambdas.get("distortion")), bool(lambdas.get("curvature"))
        seen = Rendered(
            out.over(background),
            out.normal,
            out.opacity[:, 0],
            out.valid,
            out.sdf,
            out.gradient,
            near,
            beside,
            spread_along_rays(out.weights, out.samples, len(out.valid)) if wants_spread else None,
            self._laplacian(out, batch) if wants_laplacian else None,
        )
        losses = {
            name: loss for name, loss in all_losses(seen, wanted, _RULES).items() if torch.isfinite(loss)
        }
        return total_loss(losses, lambdas)

    def _laplacian(self, out: Rendering, batch: RayBatch) -> Tensor:
        """(m,) of the distance at the samples, over the cells of the finest level that counts."""
        ray = out.samples.ray
        points = batch.origins[ray] + out.samples.middle[:, None] * batch.directions[ray]
        geometry = self.model.geometry
        step = 2 * self.preset.radius / self.preset.grid.scales[geometry.encoding.active - 1]
        # Of half precision such differences would be rounding alone; `sdf` would not teach the hash grid.
        with torch.autocast(self.device.type, enabled=False):
            return laplacian(lambda some: geometry(some).sdf, points, step)

    def _smoothness(self) -> tuple[Tensor, Tensor]:
        """Gradients at random points and a little beside them."""
        p = self.preset
        points = (2 * torch.rand(p.smooth_points, 3, device=self.device) - 1) * p.smooth_reach
        beside = points + p.smooth_step * torch.randn_like(points)
        both = self.model.geometry(torch.cat([points, beside])).gradient
        return both[: p.smooth_points], both[p.smooth_points :]

    def _descend(self, loss: Tensor) -> None:
        preset = self.preset
        age = self.step_number if self.step_number < preset.warm_up else self.age
        factor = learning_factor(age, preset.steps, preset.warm_up)
        for group, rate in zip(self.optimiser.param_groups, self.preset.rates, strict=True):
            group["lr"] = factor * rate
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimiser)
        self.scaler.update()

    @torch.no_grad()
    def held_out_error(self, bank: RayBank, rays: int = 2048) -> float:
        """Error of masks and normals in views that training does not see; the same rays each time."""
        picks = torch.Generator().manual_seed(0)
        index = torch.randint(bank.views * bank.pixels, (8 * rays,), generator=picks).to(self.device)
        # No more at once than a step has: that many have fitted into memory.
        parts = [self._errors(bank.at(some)) for some in index.split(self.rays)]
        opacity, normal, inside = (float(sum(each)) for each in zip(*parts, strict=True))
        return opacity / len(index) + normal / max(inside, 1.0)

    def _errors(self, batch: RayBatch) -> tuple[float, float, float]:
        """Errors of opacities and of normals, summed over rays, and how many of these have a normal."""
        out, wanted = self.render(batch, jitter=False), batch.targets
        opacity = float((out.opacity[:, 0] - wanted.foreground).abs().sum())
        if wanted.normal is None:
            return opacity, 0.0, 0.0
        inside = wanted.foreground > 0.5
        cos = (out.normal * wanted.normal).sum(dim=1)
        return opacity, float(((1 - cos) * inside).sum()), float(inside.sum())

    def state(self) -> dict[str, object]:
        """Everything that a checkpoint needs."""
        return {
            "model": self.model.state_dict(), "occupancy": self.occupancy.state_dict(),
            "optimiser": self.optimiser.state_dict(), "scaler": self.scaler.state_dict(),
            "step": self.step_number, "rays": self.rays, "age": self.age,
        }  # fmt: skip

    def load(self, state: dict) -> None:
        """Continue from a checkpoint's content."""
        self.model.load_state_dict(state["model"])
        self.occupancy.load_state_dict(state["occupancy"])
        self.optimiser.load_state_dict(state["optimiser"])
        if state["scaler"]:  # empty where it was not needed: on a processor, or in full precision
            self.scaler.load_state_dict(state["scaler"])
        self.step_number, self.rays = int(state["step"]), int(state["rays"])
        if "age" in state:  # older checkpoints do not say it: the budget tells
            self.age, self._begin = float(state["age"]), None
            self.set_levels()
