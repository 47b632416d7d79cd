"""Colours of crowns and gums, and the light that falls on them."""

from __future__ import annotations

import cv2
import numpy as np

from teethscape.dataset.noise import FloatImage, fractal_noise, streaks
from teethscape.dataset.surfaces import GUM, Surfaces

Rng = np.random.Generator


def _tooth_shade(rng: Rng) -> FloatImage:
    """Linear RGB of a patient's dentine, from bleached to dark yellow."""
    yellow = rng.uniform(0.0, 1.0)
    green = 1 - 0.3 * yellow * rng.uniform(0.5, 1.0)
    blue = green * (1 - 0.55 * yellow * rng.uniform(0.6, 1.0))
    return rng.uniform(0.55, 0.95) * np.array([1.0, green, blue], np.float32)


def crown_albedo(seen: Surfaces, rng: Rng) -> FloatImage:
    """(h, w, 3) linear colour of the crowns: shade per tooth, gradients, fissures, stains, fillings."""
    shape = seen.label.shape
    base = _tooth_shade(rng)
    albedo = np.ones((*shape, 3), np.float32) * base
    up = seen.place[..., 2:]
    neck = np.clip(-up, 0, 1) * rng.uniform(0.0, 0.6)
    albedo *= 1 - neck * np.array([0.12, 0.3, 0.6], np.float32)
    edge = np.clip((up - 0.45) / 0.55, 0, 1) ** 2
    incisor = np.isin(seen.label % 10, (1, 2, 3))[..., None]
    glass = np.array([0.75, 0.85, 0.95], np.float32) * base.mean() * rng.uniform(0.6, 1.0)
    mix = edge * incisor * rng.uniform(0, 0.7)
    albedo = albedo * (1 - mix) + glass * mix
    for fdi in np.unique(seen.label):
        if 0 < fdi < GUM:
            albedo[seen.label == fdi] *= 1 + rng.normal(0, 0.05) + rng.normal(0, 0.025, 3).astype(np.float32)
    fissure = np.clip(seen.concavity, 0, 1.5)[..., None]
    stain = rng.uniform(0.0, 0.9) * np.array([0.5, 0.65, 0.8], np.float32)
    albedo *= np.exp(-fissure * stain)
    mottled = fractal_noise(rng, shape, rng.uniform(20, 60), 3)[..., None]
    albedo *= 1 + rng.uniform(0.0, 0.08) * mottled
    _fill(albedo, seen, rng)
    albedo[seen.root] *= np.array([0.8, 0.62, 0.4], np.float32)
    return np.clip(albedo, 0.01, 1.2)


def _fill(albedo: FloatImage, seen: Surfaces, rng: Rng) -> None:
    """Fillings, crowns of metal or ceramic and bad stains on a few teeth, in place."""
    for fdi in np.unique(seen.label):
        if not 0 < fdi < GUM or rng.random() > 0.08:
            continue
        patch = seen.label == fdi
        if rng.random() < 0.7:
            blot = fractal_noise(rng, seen.label.shape, rng.uniform(10, 40), 2) > rng.uniform(0, 1)
            patch &= blot & (seen.place[..., 2] > rng.uniform(-1, 0.3))
        grey = rng.uniform(0.15, 0.9)
        tint = np.array([grey, grey * rng.uniform(0.8, 1.0), grey * rng.uniform(0.5, 1.0)], np.float32)
        albedo[patch] = albedo[patch] * 0.3 + tint * 0.7


def gum_albedo(seen: Surfaces, rng: Rng) -> FloatImage:
    """(h, w, 3) linear colour of gums: pink to dark red, blotched, veined, pigmented."""
    shape = seen.label.shape
    red = rng.uniform(0.3, 0.8)
    green = rng.uniform(0.22, 0.6)
    pale = np.array([red, red * green, red * green * rng.uniform(0.8, 1.15)], np.float32)
    less = rng.uniform(0.3, 0.9)
    deep = pale * np.array([rng.uniform(0.6, 1.0), less, less * rng.uniform(0.85, 1.15)], np.float32)
    crown = ((seen.label > 0) & (seen.label < GUM)).astype(np.uint8)
    far = cv2.distanceTransform(1 - crown, cv2.DIST_L2, 3) / (0.02 * shape[1])
    reach = float(rng.uniform(0.8, 4))
    mix = np.clip(far / reach - 0.5 + 0.35 * fractal_noise(rng, shape, 8), 0, 1)[..., None]
    albedo = pale * (1 - mix) + deep * mix
    albedo *= 1 + rng.uniform(0.02, 0.12) * fractal_noise(rng, shape, 25)[..., None]
    albedo *= 1 - rng.uniform(0, 0.12) * np.clip(streaks(rng, shape, 30, 5), 0, 1)[..., None]
    if rng.random() < 0.3:
        albedo *= 1 - 0.5 * np.clip(fractal_noise(rng, shape, 12) - 0.5, 0, 1)[..., None]
    inflamed = np.exp(-far * rng.uniform(1, 4))[..., None] * rng.uniform(-0.3, 0.5)
    albedo *= 1 - inflamed * np.array([0.1, 0.5, 0.5], np.float32)
    return np.clip(albedo, 0.005, 1.0)


def occlusion(depth: FloatImage, mm: float, rng: Rng) -> FloatImage:
    """(h, w) ambient light that reaches each pixel, from how deep it lies among its surroundings."""
    out = np.ones_like(depth)
    for radius, weight in ((0.6, 0.5), (2.0, 0.7), (6.0, 0.6)):
        below = depth - cv2.GaussianBlur(depth, (0, 0), max(radius * mm, 0.8))
        out *= np.exp(-weight * rng.uniform(0.4, 1.3) * np.clip(below / radius, 0, 2.5))
    return out


def _lights(rng: Rng) -> tuple[FloatImage, FloatImage]:
    """Directions to the flashes (n, 3), camera axes, and their strengths (n,)."""
    count = int(rng.choice([1, 2, 4]))
    spread = rng.uniform(0.02, 0.5)
    offset = rng.normal(0, 0.08, 3) + np.column_stack(
        [
            spread * np.cos(a := np.arange(count) * 2 * np.pi / count + rng.uniform(0, 1)),
            spread * np.sin(a),
            0 * a,
        ]
    )
    to = np.array([0.0, 0.0, -1.0]) + offset * [1, 1, 0]
    to /= np.linalg.norm(to, axis=1, keepdims=True)
    return to.astype(np.float32), np.full(count, 1.0 / count, np.float32)


def light_surfaces(seen: Surfaces, mm: float, rng: Rng) -> FloatImage:
    """(h, w, 3) linear picture of crowns and gums; zero where neither is seen."""
    shape = seen.label.shape
    tooth = (seen.label > 0) & (seen.label < GUM)
    gum = seen.label == GUM
    albedo = np.where(tooth[..., None], crown_albedo(seen, rng), gum_albedo(seen, rng))
    rough = np.where(tooth, rng.uniform(0.005, 0.06), rng.uniform(0.03, 0.13)).astype(np.float32)
    grain = [fractal_noise(rng, shape, rng.uniform(25, 90), 2) * rough for _ in range(2)]
    normal = seen.normal.copy()
    normal[..., 0] += grain[0]
    normal[..., 1] += grain[1]
    normal /= np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-6)
    ambient, wrap = rng.uniform(0.1, 0.4), rng.uniform(0.0, 0.35)
    power = np.where(tooth, rng.uniform(30, 300), rng.uniform(50, 400)).astype(np.float32)
    wet = np.clip(0.4 + fractal_noise(rng, shape, 6, 2), 0, 1) * rng.uniform(0.02, 0.7)
    gloss = np.where(tooth, rng.uniform(0.05, 0.9), wet).astype(np.float32)
    diffuse = np.full(shape, ambient, np.float32)
    shine = np.zeros(shape, np.float32)
    for to, strength in zip(*_lights(rng), strict=True):
        facing = normal @ to
        diffuse += strength * (1 - ambient) * np.clip((facing + wrap) / (1 + wrap), 0, 1)
        half = to + np.array([0, 0, -1], np.float32)
        half /= np.linalg.norm(half)
        shine += strength * gloss * np.clip(normal @ half, 0, 1) ** power
    falloff = (np.median(seen.depth) / seen.depth) ** rng.uniform(1, 6)
    shadow = occlusion(seen.depth, mm, rng) * falloff
    picture = albedo * (diffuse * shadow)[..., None] + (shine * shadow)[..., None]
    return np.where((tooth | gum)[..., None], picture, 0).astype(np.float32)
