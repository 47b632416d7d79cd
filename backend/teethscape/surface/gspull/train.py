"""Stage 1 of GS-Pull, and stage 2's images: Gaussians that look like the views (needs torch).

Source: ``gspull-spec.md``, sections 2, 5 and 10 (few views, masks, normals).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from teethscape.surface.gspull import losses
from teethscape.surface.gspull.gaussians import NAMES, DensityRules, Gaussians, densify, prune, prune_outside
from teethscape.surface.gspull.schedule import position_rate
from teethscape.surface.gspull.splat import Picture, Rasteriser, Shot, draw
from teethscape.surface.hull import hull_distance
from teethscape.surface.views import FLIP, Views

#: Cosine between a normal and the way to the camera below which it is not believed.
_GRAZING = 0.1
_RATES = {"log_scales": 5e-3, "quaternions": 1e-3, "logits": 0.05, "shades": 2.5e-3, "tints": 1.25e-4}
#: Steps after which colours may change by one more degree with the direction.
_DEGREE_STEPS = 1000
#: What Adam remembers of each number, by the names that torch gives it.
_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class GaussianRules:
    """How the Gaussians are trained.

    Attributes:
        steps: before pulling begins.
        thin_from: step from which thick Gaussians cost.
        thin: weight of the smallest scale.
        opaque_from: step from which faint Gaussians cost.
        opaque: weight of what is missing to full opacity.
        settled: step from which neither does, but half opaque ones do until pulling begins.
        entropy: weight of that.
        dense: first step, last step and interval of densification.
        silhouette: weight of the mask.
        normal: weight of the normals.
        shrink: pictures are shrunk by this factor.
        harmonics: greatest degree by which colours change with the direction; begun with none.
        position: rate of the centres, in published ones; less where they begin on a surface that is known.
        among_cameras: whether the extent of the scene is measured from the mean of the cameras, as published,
            and not from the middle of the box.
        keeps_moments: whether Gaussians that stay keep the optimiser's moments when others come or go, as
            published; else all begin anew.
        widest: wider pictures are shrunk to this width, px; None: none are.
        background: colour behind the object, or None for a random one each step.
        density: thresholds.
    """

    steps: int = 3000
    thin_from: int = 1500
    thin: float = 100.0
    opaque_from: int = 500
    opaque: float = 0.03
    settled: int = 3000
    entropy: float = 0.1
    dense: tuple[int, int, int] = (500, 2500, 200)
    silhouette: float = 0.1
    normal: float = 0.1
    shrink: int = 1
    harmonics: int = 0
    position: float = 1.0
    among_cameras: bool = False
    keeps_moments: bool = False
    widest: int | None = None
    background: tuple[float, float, float] | None = (0.0, 0.0, 0.0)
    density: DensityRules = field(default_factory=DensityRules)


@dataclass(frozen=True, eq=False)
class Target:
    """One view for splatting.

    Attributes:
        shot: camera.
        colour: (h, w, 3).
        mask: (h, w).
        normal: (h, w, 3) world, zero where unknown; None without.
        frontal: (h, w) how far a normal is believed: less where the view grazes the surface.
    """

    shot: Shot
    colour: Tensor
    mask: Tensor
    normal: Tensor | None
    frontal: Tensor


def targets_of(views: Views, rules: GaussianRules, device: torch.device) -> list[Target]:
    """Views as splatting takes them: shrunk by a whole factor, and to a width where they are wider."""
    views = replace(views, colours=views.filled_colours())
    return [_target(views, k, rules, device) for k in range(len(views))]


def _target(views: Views, k: int, rules: GaussianRules, device: torch.device) -> Target:
    def kept(array: np.ndarray) -> Tensor:
        return _shrunk(torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(device), rules)

    turn = (views.cam2world[k, :, :3] @ FLIP).T
    pose = np.column_stack([turn, -turn @ views.cam2world[k, :, 3]])
    mask = kept(views.foreground[k])[..., 0]
    height, width = mask.shape
    intrinsics = views.intrinsics[k].copy()
    intrinsics[:2] /= rules.shrink
    intrinsics[:2] *= np.array(
        [[width / (views.size[1] // rules.shrink)], [height / (views.size[0] // rules.shrink)]]
    )
    camera, k3 = (torch.tensor(a, dtype=torch.float32, device=device) for a in (pose, intrinsics))
    shot = Shot(camera, k3, height, width)
    # Shrunk as opaque shares, or what lies hidden beside the object would darken its rim.
    shares = kept(views.colours[k] * views.foreground[k][..., None])
    colour = (shares / mask[..., None].clamp_min(1e-3)).clamp(0, 1)
    if views.normals is None:
        return Target(shot, colour, mask, None, torch.zeros_like(mask))
    frontal = kept(_frontal(views.directions(k), views.normals[k])) * (mask > 0.5)[..., None]
    return Target(shot, colour, mask, kept(views.normals[k]), frontal[..., 0])


def _shrunk(image: Tensor, rules: GaussianRules) -> Tensor:
    """(h, w, c) of a picture (H, W) or (H, W, c): by the whole factor, then to the width if it is wider."""
    pooled = image.reshape(*image.shape[:2], -1).permute(2, 0, 1)[None]
    pooled = torch.nn.functional.avg_pool2d(pooled, rules.shrink)
    height, width = pooled.shape[2:]
    if rules.widest is not None and width > rules.widest:
        size = int(height * rules.widest / width), rules.widest
        small = torch.nn.functional.interpolate(pooled, size, mode="bicubic", antialias=True)
        pooled = small.clamp(pooled.min(), pooled.max())  # such curves overshoot at borders
    return pooled[0].permute(1, 2, 0)


def _frontal(directions: NDArray[np.floating], normals: NDArray[np.floating]) -> NDArray[np.floating]:
    """(h, w) weights of normals (h, w, 3) seen along directions (h, w, 3), as TeethDreamer weighs them."""
    length = np.linalg.norm(directions, axis=-1) * np.linalg.norm(normals, axis=-1)
    facing = -(directions * normals).sum(axis=-1) / np.maximum(length, 1e-6)
    return np.where(facing > _GRAZING, np.exp(facing), 0.0)


def scene_extent(views: Views, among_cameras: bool) -> float:
    """1.1 times the distance of the farthest camera from the cameras' mean, or from the middle of the box."""
    middle = views.centres.mean(axis=0) if among_cameras else (views.low + views.high) / 2
    return 1.1 * float(np.linalg.norm(views.centres - middle, axis=1).max())


def _handed_on(before: torch.optim.Adam, after: torch.optim.Adam, origin: Tensor) -> None:
    """Give Gaussians their moments; ``origin`` (n,): which row each was before, -1 for new ones, without."""
    for old, new in zip(before.param_groups, after.param_groups, strict=True):
        memory = before.state.get(old["params"][0])
        if not memory:
            continue
        kept = {"step": memory["step"].clone()}
        for name in _MOMENTS:
            kept[name] = memory[name][origin.clamp_min(0)]
            kept[name][origin < 0] = 0
        after.state[new["params"][0]] = kept


def _centre(shot: Shot) -> Tensor:
    """(3,) where a camera stands, world."""
    return -shot.pose[:, :3].T @ shot.pose[:, 3]


class GaussianTrainer:
    """A cloud, its optimiser and what it should look like.

    Args:
        cloud: started.
        views: to look like.
        rules: how.
        rasteriser: what draws it.
    """

    def __init__(
        self, cloud: Gaussians, views: Views, rules: GaussianRules, rasteriser: Rasteriser = draw
    ) -> None:
        # What is opaque everywhere says of no place that it is empty.
        rules = rules if views.has_masks else replace(rules, silhouette=0.0)
        self.cloud, self.views, self.rules = cloud, views, rules
        self.device = cloud.centres.device
        self.targets = targets_of(views, rules, self.device)
        self.draw = rasteriser
        self.extent = scene_extent(views, rules.among_cameras)
        self.step_number = 0
        self.optimiser = self._fresh_optimiser()
        self.renew()

    def _fresh_optimiser(self) -> torch.optim.Adam:
        groups = [
            {"params": [getattr(self.cloud, name)], "lr": _RATES.get(name, 0.0), "name": name}
            for name in NAMES
        ]
        return torch.optim.Adam(groups, eps=1e-15)

    def renew(self) -> None:
        """An optimiser for the Gaussians that there are, after some came or went."""
        before, self.optimiser = self.optimiser, self._fresh_optimiser()
        origin = self.cloud.settle()
        if self.rules.keeps_moments:
            _handed_on(before, self.optimiser, origin)
        self._slopes = torch.zeros(len(self.cloud), device=self.device)
        self._counts = torch.zeros_like(self._slopes)
        self._radii = torch.zeros_like(self._slopes)

    def memory(self) -> dict[str, Any] | None:
        """The optimiser's state for a checkpoint; None where it is not kept anyway."""
        return self.optimiser.state_dict() if self.rules.keeps_moments else None

    def recall(self, memory: dict[str, Any]) -> None:
        """Go on with a checkpoint's memory, unless it is of Gaussians that had just come or gone."""
        parameters = [group["params"][0] for group in self.optimiser.param_groups]
        states = memory["state"]
        if all(states[k][_MOMENTS[0]].shape == parameters[k].shape for k in states):
            self.optimiser.load_state_dict(memory)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of the Gaussians."""
        cloud = {name: getattr(self.cloud, name).detach() for name in NAMES}
        return {"cloud": cloud, "step": self.step_number, "memory": self.memory()}

    def load(self, state: dict[str, Any]) -> None:
        """Go on with the Gaussians of a checkpoint."""
        for name in NAMES:
            setattr(self.cloud, name, torch.nn.Parameter(state["cloud"][name]))
        self.step_number = int(state["step"])
        self.renew()
        if state.get("memory") is not None:
            self.recall(state["memory"])

    def step(
        self,
        more: Callable[[], Tensor] | None = None,
        place: Callable[[Tensor], Tensor] | None = None,
    ) -> float:
        """One optimiser step on a random view.

        Args:
            more: adds a loss.
            place: (n, 3) centres to where they are drawn; what it depends on gets its slope, and no step.
        """
        target = self.targets[int(torch.randint(len(self.targets), (1,)))]
        picture, loss = self.look(target, place)
        loss = loss + self._shape_losses(picture.radii > 0)
        if more is not None:
            loss = loss + more()
        for group in self.optimiser.param_groups:
            if group["name"] == "centres":
                group["lr"] = self.rules.position * position_rate(self.step_number) * self.extent
        self.optimiser.zero_grad()
        loss.backward()
        self._note(picture)
        self.optimiser.step()
        self.step_number += 1
        self._change_density()
        return float(loss.detach())

    def look(self, target: Target, place: Callable[[Tensor], Tensor] | None = None) -> tuple[Picture, Tensor]:
        """A picture of colours and normals, and how far it is from a view; ``place`` as in :meth:`step`."""
        rules, cloud = self.rules, self.cloud
        back = torch.rand(3) if rules.background is None else torch.tensor(rules.background)
        back = back.to(self.device)
        normals = self._facing_normals(target.shot)
        degree = min(self.step_number // _DEGREE_STEPS, rules.harmonics)
        values = torch.cat([cloud.seen_from(_centre(target.shot), degree), normals], dim=1)
        nothing = torch.cat([back, torch.zeros(3, device=self.device)])
        centres = None if place is None else place(cloud.centres)
        picture = self.draw(cloud, values, target.shot, nothing, centres)
        wanted = target.colour * target.mask[..., None] + back * (1 - target.mask[..., None])
        both = [image.permute(2, 0, 1)[None] for image in (picture.values[..., :3], wanted)]
        loss = losses.photo_loss(both[0], both[1])
        alpha = picture.opacity.clamp(1e-4, 1 - 1e-4)
        loss = loss + rules.silhouette * torch.nn.functional.binary_cross_entropy(
            alpha, target.mask.clamp(0, 1)
        )
        if target.normal is not None:
            cos = torch.nn.functional.cosine_similarity(picture.values[..., 3:], target.normal, dim=-1)
            weight = target.frontal
            loss = loss + rules.normal * ((1 - cos) * weight).sum() / weight.sum().clamp_min(1)
        return picture, loss

    def _facing_normals(self, shot: Shot) -> Tensor:
        """(n, 3) thin axes turned to the camera, world."""
        normals = self.cloud.normals
        away = _centre(shot) - self.cloud.centres.detach()
        return normals * torch.sign((normals * away).sum(dim=1, keepdim=True)).detach()

    def _shape_losses(self, visible: Tensor) -> Tensor:
        """What shapes and opacities cost; ``visible`` (n,): the Gaussians in the picture."""
        rules, number, total = self.rules, self.step_number, self.cloud.logits.new_zeros(())
        if rules.thin_from <= number < rules.settled:
            total = total + rules.thin * losses.thin_loss(self.cloud.scales, clamped=False)
        if rules.opaque_from <= number < rules.settled:
            total = total + rules.opaque * (1 - self.cloud.opacity).mean()
        if rules.settled <= number < rules.steps and visible.any():
            total = total + rules.entropy * losses.entropy_loss(self.cloud.opacity[visible])
        return total

    def _note(self, picture: Picture) -> None:
        """Remember how strongly projected centres pull, and how wide Gaussians have been in a picture."""
        self._radii = torch.maximum(self._radii, picture.radii)
        slope = picture.means.grad
        if slope is None:
            return
        slope = slope.reshape(-1, 2)
        size = torch.tensor([picture.values.shape[1], picture.values.shape[0]], device=self.device) / 2
        length = (slope * size).norm(dim=1)
        self._slopes += length
        self._counts += length > 0

    def _change_density(self) -> None:
        first, last, every = self.rules.dense
        number, density = self.step_number, self.rules.density
        if number < first or number > min(last, self.rules.steps) or number % every:
            return
        if density.wide is not None and number > first:
            narrow = self._radii <= density.wide
            self.cloud.replace(narrow)
            self._slopes, self._counts = self._slopes[narrow], self._counts[narrow]
        densify(self.cloud, self._slopes / self._counts.clamp_min(1), self.extent, density)
        prune(self.cloud, self.extent, density, huge_too=number > first)
        self.drop_outside()

    def drop_outside(self) -> None:
        """Remove Gaussians that lie outside the masks, where there are any, by more than two pixels."""
        if not self.views.has_masks:
            self.renew()
            return
        points = self.cloud.centres.detach().cpu().numpy().astype(np.float64)
        slack = 2 * scene_extent(self.views, among_cameras=False) / self.views.intrinsics[0, 0, 0]
        outside = torch.from_numpy(hull_distance(self.views, points) > slack).to(self.device)
        prune_outside(self.cloud, outside)
        self.renew()
