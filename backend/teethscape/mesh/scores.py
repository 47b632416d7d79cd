"""Score crowns against reference crowns: Chamfer distances, F-scores and volume overlap.

Definitions follow Chen et al. (TVCG 2023, DOI 10.1109/TVCG.2023.3277914): surfaces are sampled
evenly, p from the prediction and r from the reference,

* accuracy = mean distance of p to the reference's samples, completeness the reverse;
* CD-L1 = their mean, mm;
* CD = mean squared distance of p plus mean squared distance of r, mm^2;
* Dice = twice the common volume over the sum of the volumes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.mesh.align import Similarity, align
from teethscape.mesh.solid import Solid

SAMPLES_PER_TOOTH = 8000
#: Points per jaw that the alignment uses.
_ALIGN_SAMPLES = 14_000
_F_THRESHOLDS_MM = (0.5, 1.0)


class Alignment(str, Enum):
    """What the prediction may be moved by before it is scored, per jaw."""

    NONE = "none"
    RIGID = "rigid"
    SIMILARITY = "similarity"

    __str__ = str.__str__


@dataclass(frozen=True)
class Scores:
    """Scores of a prediction.

    Attributes:
        teeth: per FDI number, name of the score to its value.
        missing: reference teeth that the prediction lacks.
        extra: predicted teeth that the reference lacks.
        scale: per jaw, the factor that the alignment applied.
    """

    teeth: Mapping[int, Mapping[str, float]]
    missing: tuple[int, ...]
    extra: tuple[int, ...]
    scale: Mapping[Jaw, float]

    @property
    def mean(self) -> dict[str, float]:
        """Mean over the teeth of each score that all teeth have."""
        rows = list(self.teeth.values())
        names = set.intersection(*(set(row) for row in rows)) if rows else set()
        return {name: float(np.mean([row[name] for row in rows])) for name in sorted(names)}


def score_teeth(
    prediction: Mapping[int, Solid],
    reference: Mapping[int, Solid],
    alignment: Alignment,
    samples: int = SAMPLES_PER_TOOTH,
) -> Scores:
    """Score per tooth after aligning each jaw as a whole.

    Args:
        prediction: crowns by FDI number, mm, any frame.
        reference: crowns by FDI number, mm, any frame.
        alignment: what the prediction may be moved by.
        samples: surface samples per tooth and side.
    """
    rng = np.random.default_rng(0)
    rows: dict[int, dict[str, float]] = {}
    scale: dict[Jaw, float] = {}
    for jaw in Jaw:
        common = [f for f in sorted(set(prediction) & set(reference)) if jaw_of(f) is jaw]
        if not common:
            continue
        pairs = {f: (sample(prediction[f], samples, rng), sample(reference[f], samples, rng)) for f in common}
        move = _move(pairs, alignment)
        scale[jaw] = move.scale
        for f, (predicted, wanted) in pairs.items():
            placed = Solid(
                str(f), move.points(prediction[f].vertices.astype(np.float64)), prediction[f].faces
            )
            rows[f] = distances(move.points(predicted), wanted) | _dice(placed, reference[f])
    return Scores(
        teeth={f: rows[f] for f in sorted(rows)},
        missing=tuple(sorted(set(reference) - set(prediction))),
        extra=tuple(sorted(set(prediction) - set(reference))),
        scale=scale,
    )


def distances(predicted: NDArray[np.float64], wanted: NDArray[np.float64]) -> dict[str, float]:
    """Chamfer distances and F-scores of two (n, 3) point sets, mm."""
    to_wanted, _ = KDTree(wanted).query(predicted)
    to_predicted, _ = KDTree(predicted).query(wanted)
    accuracy, completeness = float(to_wanted.mean()), float(to_predicted.mean())
    scores = {
        "accuracy_mm": accuracy,
        "completeness_mm": completeness,
        "cd_l1_mm": (accuracy + completeness) / 2,
        "cd_mm2": float((to_wanted**2).mean() + (to_predicted**2).mean()),
        "hausdorff95_mm": float(max(np.percentile(to_wanted, 95), np.percentile(to_predicted, 95))),
    }
    for threshold in _F_THRESHOLDS_MM:
        precision, recall = float((to_wanted < threshold).mean()), float((to_predicted < threshold).mean())
        scores[f"f_{threshold:g}mm"] = 2 * precision * recall / max(precision + recall, 1e-12)
    return scores


def sample(solid: Solid, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(count, 3) points spread evenly over a surface, which must have an area."""
    areas = solid.areas
    chosen = solid.vertices[solid.faces[rng.choice(len(areas), size=count, p=areas / areas.sum())]]
    u, v = np.sqrt(rng.random((count, 1))), rng.random((count, 1))
    return (1 - u) * chosen[:, 0] + u * (1 - v) * chosen[:, 1] + u * v * chosen[:, 2]


def _move(pairs: Mapping[int, tuple[NDArray, NDArray]], alignment: Alignment) -> Similarity:
    if alignment is Alignment.NONE:
        return Similarity.identity()
    start = (
        np.array([predicted.mean(axis=0) for predicted, _ in pairs.values()]),
        np.array([wanted.mean(axis=0) for _, wanted in pairs.values()]),
    )
    thin = max(1, sum(len(predicted) for predicted, _ in pairs.values()) // _ALIGN_SAMPLES)
    predicted = np.concatenate([p[::thin] for p, _ in pairs.values()])
    wanted = np.concatenate([w[::thin] for _, w in pairs.values()])
    return align(predicted, wanted, start, alignment is Alignment.SIMILARITY)


def _dice(first: Solid, second: Solid) -> dict[str, float]:
    """Volume overlap by exact intersection; nothing where a surface is not closed."""
    from manifold3d import Error, Manifold, Mesh

    solids = []
    for solid in (first, second):
        mesh = Mesh(solid.vertices.astype(np.float32), solid.faces.astype(np.uint32))
        manifold = Manifold(mesh)
        if manifold.status() != Error.NoError or manifold.volume() <= 0:
            return {}
        solids.append(manifold)
    common = (solids[0] ^ solids[1]).volume()
    return {"dice": float(2 * common / (solids[0].volume() + solids[1].volume()))}
