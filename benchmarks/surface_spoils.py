"""Ways in which views of a known shape are made worse, for ``surfaces.py --spoil``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from teethscape.surface.hull import mask_distances
from teethscape.surface.views import Views

#: Smoothness of the noise that moves ragged borders, px.
_RAGGED_PX = 6.0


def noisy_normals(views: Views) -> Views:
    """Normals off by 10 degrees, each pixel its own way."""
    rng = np.random.default_rng(0)
    assert views.normals is not None  # noqa: S101 - our renders have them
    off = rng.standard_normal(views.normals.shape) * np.tan(np.radians(10)) / np.sqrt(2)
    normals = views.normals + off * (np.abs(views.normals).sum(axis=-1, keepdims=True) > 0)
    length = np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-6)
    return replace(views, normals=(normals / length).astype(np.float32))


def resized_masks(views: Views) -> Views:
    """Every mask larger or smaller all around by one or two pixels."""
    return _resized(views, (-2, -1, 1, 2))


def uneven_masks(views: Views) -> Views:
    """Every mask larger or smaller all around by up to two pixels as it is drawn: most of them too small."""
    return _resized(views, np.random.default_rng(0).integers(-2, 3, len(views)).tolist())


def _resized(views: Views, changes: Sequence[int]) -> Views:
    """Every mask larger (or smaller: negative) all around by so many pixels, in turn."""
    masks = []
    for k, mask in enumerate(views.foreground):
        change = changes[k % len(changes)]
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(change) + 1,) * 2)
        masks.append((cv2.dilate if change > 0 else cv2.erode)(mask, kernel))
    return _with_masks(views, masks)


def ragged_masks(views: Views) -> Views:
    """Every mask's border moved by up to two pixels, here inward and there outward."""
    rng, masks = np.random.default_rng(0), []
    for mask in views.foreground:
        wave = ndimage.gaussian_filter(rng.standard_normal(mask.shape), _RAGGED_PX)
        masks.append(mask_distances(mask) < np.clip(wave / wave.std(), -2, 2))
    return _with_masks(views, masks)


def speckled_masks(views: Views) -> Views:
    """Three in ten of the pixels within two pixels of every mask's border turned over."""
    rng, masks = np.random.default_rng(0), []
    for mask in views.foreground:
        turned = (np.abs(mask_distances(mask)) < 2) & (rng.random(mask.shape) < 0.3)
        masks.append(turned != (mask > 0.5))
    return _with_masks(views, masks)


def _with_masks(views: Views, masks: list[NDArray]) -> Views:
    """Other masks; the normals end where they do, and are the nearest known ones in what a mask gained.

    So the normals do not betray the true border.
    """
    assert views.normals is not None  # noqa: S101 - our renders have them
    normals = []
    for before, mask, normal in zip(views.foreground, masks, views.normals, strict=True):
        row, column = ndimage.distance_transform_edt(
            before < 0.5, return_distances=False, return_indices=True
        )
        normals.append(normal[row, column] * (mask > 0.5)[..., None])
    return replace(views, foreground=np.stack(masks).astype(np.float32), normals=np.stack(normals))


def one_missing(views: Views) -> Views:
    """Without the third view."""
    return views.subset([k for k in range(len(views)) if k != 2])


def one_wrong(views: Views) -> Views:
    """The sixth view shows another direction than its camera says."""
    masks, normals = views.foreground.copy(), views.normals
    assert normals is not None  # noqa: S101 - our renders have them
    normals = normals.copy()
    masks[5], normals[5] = masks[5][:, ::-1], normals[5][:, ::-1]
    return replace(views, foreground=masks, normals=normals)


def all_together(views: Views) -> Views:
    """Masks, normals, one view that is wrong and one that is missing, all at once."""
    return one_missing(one_wrong(noisy_normals(resized_masks(views))))


SPOILS: dict[str, Callable[[Views], Views]] = {
    "normals": noisy_normals,
    "masks": resized_masks,
    "uneven": uneven_masks,
    "larger": lambda views: _resized(views, (2,)),
    "smaller": lambda views: _resized(views, (-2,)),
    "ragged": ragged_masks,
    "speckled": speckled_masks,
    "missing": one_missing,
    "wrong": one_wrong,
    "together": all_together,
}
