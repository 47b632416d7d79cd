"""Probability maps as a perfect network would give them for a label image."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import PLACES
from teethscape.segmentation.network import PixelMaps


def row_of_teeth(count: int = 6, size: tuple[int, int] = (300, 800)) -> NDArray[np.int32]:
    """Touching boxes of 60 x 90 px, numbered from 1."""
    labels = np.zeros(size, np.int32)
    for k in range(count):
        labels[100:190, 100 + 60 * k : 160 + 60 * k] = k + 1
    return labels


def perfect_maps(labels: NDArray[np.int32]) -> PixelMaps:
    """Maps for labels 1..n; tooth k has kind 1 + (k - 1) % 7 and is of the upper jaw when k is odd."""
    kernel = np.ones((3, 3), np.uint8)
    edge = cv2.dilate(labels.astype(np.uint8), kernel) != cv2.erode(labels.astype(np.uint8), kernel)
    border = cv2.GaussianBlur(edge.astype(np.float32), (0, 0), 1.0)
    energy = np.zeros(labels.shape, np.float32)
    for k in np.unique(labels[labels > 0]):
        far = cv2.distanceTransform((labels == k).astype(np.uint8), cv2.DIST_L2, 5)
        energy += far / far.max()
    kind = np.full((PLACES, *labels.shape), 0.02, np.float32)
    for k in np.unique(labels[labels > 0]):
        kind[(k - 1) % PLACES][labels == k] = 0.9
    tooth = cv2.GaussianBlur((labels > 0).astype(np.float32), (0, 0), 0.8)
    return PixelMaps(
        tooth,
        border / max(border.max(), 1e-6),
        energy,
        (labels % 2).astype(np.float32),
        np.zeros_like(tooth),
        kind[:, 1::2, 1::2],
    )
