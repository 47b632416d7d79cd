"""Lay the fitted arch into painted views: the similarity whose silhouettes meet theirs.

Damped Gauss-Newton over turn, shift and size of the whole jaw. Residuals are distances between outlines
along their normals, matched both ways, weighed by Geman and McClure's function with a falling scale, so
that a view painted wrongly does not pull.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from teethscape.anchor.cameras import USUAL_SIZE, cameras_in_mm
from teethscape.anchor.drawn import DrawnView, drawn_view
from teethscape.anchor.jaw import Array, FittedJaw
from teethscape.anchor.painted import PaintedView
from teethscape.mesh.align import Similarity
from teethscape.parametric.camera import Camera
from teethscape.parametric.contours import Contour, outline
from teethscape.parametric.observations import match_key
from teethscape.parametric.rotation import cross, rotation_matrix

#: Scale of the robust weights at the first and at the last step, px of a picture of 256.
_CUTOFF_PX = (8.0, 1.5)
_STEPS = 10
_DAMPING = 1e-6
#: Standard deviations of turn (rad), shift (mm) and logarithm of size about the start: how freely a
#: painted jaw may differ from where the training data had it.
_FREEDOM = np.array([0.2] * 3 + [8.0] * 3 + [0.2])
#: Share of the residuals of one outline point that is believed to be its own: neighbours err alike.
_BELIEF = 0.05


@dataclass(frozen=True, eq=False)
class Outline:
    """Outline of a silhouette, ready to be searched.

    Attributes:
        contour: its points.
        tree: over (position, normal).
    """

    contour: Contour
    tree: KDTree

    @staticmethod
    def of(mask: NDArray[np.bool_]) -> Outline | None:
        """None where there is next to nothing."""
        contour = outline(np.where(mask, 0, -1).astype(np.int32))
        if len(contour) < 8:
            return None
        return Outline(contour, KDTree(match_key(contour.position, contour.normal)))


def laid(jaw: FittedJaw, views: Sequence[PaintedView], start: Similarity) -> Similarity:
    """The patient's frame to the views' world.

    Args:
        jaw: the fitted jaw.
        views: all eight.
        start: from the jaw's box.
    """
    size = views[0].foreground.shape[0]
    seen = [Outline.of(view.foreground) for view in views]
    pivot, place = jaw.soup.vertices.mean(axis=0), start
    whole = np.zeros(7)
    for cutoff in np.geomspace(*_CUTOFF_PX, _STEPS) * size / USUAL_SIZE:
        matrix, vector = np.diag(1 / _FREEDOM**2), -whole / _FREEDOM**2
        for camera, painted in zip(cameras_in_mm(jaw.jaw, size, place), seen, strict=True):
            if painted is None:
                continue
            rows, misfit = _residuals(drawn_view(jaw, camera), painted, pivot)
            weights = _BELIEF / (1 + (misfit / cutoff) ** 2) ** 2
            matrix += (rows * weights[:, None]).T @ rows
            vector -= (rows * weights[:, None]).T @ misfit
        step = np.linalg.solve(matrix + _DAMPING * np.diag(np.diag(matrix)), vector)
        whole += step
        place = _after(place, step, pivot)
    return place


def _residuals(drawn: DrawnView, painted: Outline, pivot: Array) -> tuple[Array, Array]:
    """Derivatives (n, 7) and values (n,) of the distances between outlines, px, along their normals."""
    own = Outline.of(drawn.silhouette)
    if own is None:
        return np.zeros((0, 7)), np.zeros(0)
    points = _on_surface(drawn, own.contour)
    keys = [match_key(o.contour.position, o.contour.normal) for o in (own, painted)]
    there, back = painted.tree.query(keys[0])[1], own.tree.query(keys[1])[1]
    pairs = [(np.arange(len(points)), there), (back, np.arange(len(painted.contour)))]
    rows, values = [], []
    for mine, theirs in pairs:
        normal = painted.contour.normal[theirs]
        gap = own.contour.position[mine] - painted.contour.position[theirs]
        pull, _ = drawn.camera.pull(points[mine], normal)
        arm = points[mine] - pivot
        rows.append(np.column_stack([cross(arm, pull), pull, (pull * arm).sum(axis=1)]))
        values.append((gap * normal).sum(axis=1))
    return np.concatenate(rows), np.concatenate(values)


def _on_surface(drawn: DrawnView, contour: Contour) -> Array:
    """(n, 3) points of the surface behind outline points, mm, the patient's frame."""
    camera: Camera = drawn.camera
    depth = drawn.buffer.depth.ravel()[contour.pixel].astype(float)
    plane = (contour.position - camera.principal) / camera.focal
    local = np.column_stack([plane * depth[:, None], depth])
    return (local - camera.translation) @ camera.rotation + camera.pivot


def _after(place: Similarity, step: Array, pivot: Array) -> Similarity:
    """The placement of the jaw moved by turn (3), shift (3, mm) and logarithm of size about a point."""
    turn, grow = rotation_matrix(step[:3]), float(np.exp(step[6]))
    shift = pivot + step[3:6] - grow * turn @ pivot
    return Similarity(
        place.scale * grow, place.rotation @ turn, place.scale * place.rotation @ shift + place.shift
    )
