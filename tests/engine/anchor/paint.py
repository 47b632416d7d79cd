"""Strips painted from crowns of known shape and place, well or badly: what the comparison is tried on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np

from teethscape.anchor.cameras import COUNT, cameras_in_mm, normalised, rotations
from teethscape.anchor.jaw import FittedCrown
from teethscape.dataset.patient_crowns import Crown
from teethscape.dataset.surfaces import see
from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.mesh.align import Similarity
from teethscape.parametric.rotation import rotation_matrix

FLIP = np.array([1.0, -1.0, -1.0])
ENAMEL = np.array([226.0, 214.0, 190.0])


@dataclass(frozen=True)
class Brush:
    """How views are painted.

    Attributes:
        size: pixels of a tile's side.
        noise: standard deviation of levels added to normals, degrees (blurred over a few pixels).
        blur: of the tiles, px.
        wobble: bending of each view by itself, px.
        seed: of noise and bending.
    """

    size: int = 256
    noise: float = 0.0
    blur: float = 0.0
    wobble: float = 0.0
    seed: int = 0


def truth_of(crowns: Mapping[int, Crown]) -> Similarity:
    """Where the renderer of training data lays a patient."""
    points = np.concatenate([crown.vertices for crown in crowns.values()])
    return normalised(points.min(axis=0), points.max(axis=0))


def tiles(
    crowns: Mapping[int, Crown], jaw: Jaw, place: Similarity, brush: Brush = Brush()
) -> list[np.ndarray]:
    """Sixteen tiles (s, s, 3) of a jaw."""
    rng = np.random.default_rng(brush.seed)
    own = [crown for fdi, crown in crowns.items() if jaw_of(fdi) is jaw]
    turns, colours, normals = rotations(jaw), [], []
    for k, camera in enumerate(cameras_in_mm(jaw, 2 * brush.size, place)):
        seen = see(own, [], camera)
        inside = (seen.label > 0).astype(np.float32)
        stored = (seen.normal * FLIP) @ (turns[0] @ turns[k].T).T
        light = np.clip(-seen.normal[..., 2:], 0.15, 1)
        colour = np.where(inside[..., None] > 0, ENAMEL * light, 255.0)
        coded = np.where(inside[..., None] > 0, _noisy(stored, brush, rng) * 127.5 + 127.5, 255.0)
        for out, picture in ((colours, colour), (normals, coded)):
            small = cv2.resize(picture, (brush.size, brush.size), interpolation=cv2.INTER_AREA)
            out.append(small.astype(np.float32))
    bends = [_bend(brush, rng) for _ in range(COUNT)]
    return [_finished(t, brush, bends[k % COUNT]) for k, t in enumerate([*colours, *normals])]


def _noisy(stored, brush: Brush, rng) -> np.ndarray:
    if not brush.noise:
        return stored
    noise = cv2.GaussianBlur(rng.normal(size=stored.shape).astype(np.float32), (0, 0), 2.0)
    noise *= np.deg2rad(brush.noise) / noise.std() / np.sqrt(2)
    out = stored + noise
    return out / np.linalg.norm(out, axis=2, keepdims=True)


def _bend(brush: Brush, rng) -> np.ndarray | None:
    if not brush.wobble:
        return None
    coarse = rng.normal(0, brush.wobble, (4, 4, 2)).astype(np.float32)
    return cv2.resize(coarse, (brush.size, brush.size), interpolation=cv2.INTER_CUBIC)


def _finished(tile, brush: Brush, bend) -> np.ndarray:
    if bend is not None:
        x, y = np.meshgrid(*(np.arange(brush.size, dtype=np.float32),) * 2)
        tile = cv2.remap(tile, x + bend[..., 0], y + bend[..., 1], cv2.INTER_LINEAR, borderValue=(255,) * 3)
    if brush.blur:
        tile = cv2.GaussianBlur(tile, (0, 0), brush.blur)
    return np.clip(tile, 0, 255).astype(np.uint8)


def strip(parts: list[np.ndarray]) -> np.ndarray:
    """Tiles side by side."""
    return np.concatenate(parts, axis=1)


def fitted(crowns: Mapping[int, Crown]) -> dict[int, FittedCrown]:
    """Crowns as a case holds them."""
    return {f: FittedCrown(c.vertices, c.faces.astype(np.int32), c.cap, c.axes) for f, c in crowns.items()}


def misfitted(crowns: Mapping[int, Crown], rng: np.random.Generator, mm: float) -> dict[int, Crown]:
    """Crowns as a fit might find them: each a little displaced, turned, and of another size."""
    out = {}
    for fdi, crown in crowns.items():
        turn = rotation_matrix(rng.normal(0, np.deg2rad(10 * mm), 3))
        grow = np.exp(rng.normal(0, 0.08 * mm, 3))
        local = (crown.vertices - crown.centre) @ crown.axes * grow
        vertices = local @ (turn @ crown.axes).T + crown.centre + rng.normal(0, mm / np.sqrt(3), 3)
        out[fdi] = replace(crown, vertices=vertices, axes=turn @ crown.axes)
    return out
