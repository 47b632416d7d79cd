"""From the scanner's frame to ours: teeth know by their numbers where they belong.

The middles of the crowns are laid on those of the average mouth by the rigid motion of least
squares (Kabsch 1976). Numbers make the match unique; where the necks then point tells a mirrored
scan, and how differently the two jaws want to move tells scans that were not taken in occlusion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape.dataset.scans.read import ScanCrown
from teethscape.dental.fdi import Jaw
from teethscape.errors import BadInputError, RefusedError
from teethscape.parametric.prior import load_prior

_LEAST_TEETH = 5
#: Mouths are that much smaller or larger than the average one; metres and inches are not.
_SIZES = (0.75, 1.33)
_RESIDUAL_MM = 6.0
#: Jaws that were scanned in occlusion agree on the frame to within this.
_BITE_DEGREES, _BITE_MM = 20.0, 12.0


@dataclass(frozen=True)
class Rigid:
    """``x @ rotation.T + shift``, mm."""

    rotation: NDArray[np.float64]
    shift: NDArray[np.float64]

    def __call__(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Points (n, 3) moved."""
        return points @ self.rotation.T + self.shift

    @property
    def matrix(self) -> NDArray[np.float64]:
        """(4, 4) scan to world."""
        out = np.eye(4)
        out[:3, :3], out[:3, 3] = self.rotation, self.shift
        return out


@dataclass(frozen=True)
class Placement:
    """Where the jaws of a patient go.

    Attributes:
        motions: per jaw, scanner's frame to the world.
        bite: ``scanned`` when both moved as one, ``estimated`` when each was placed by itself.
    """

    motions: Mapping[Jaw, Rigid]
    bite: str


def place(crowns: Mapping[int, ScanCrown], estimate_bite: bool) -> Placement:
    """The motions that bring a patient's crowns into our frame.

    Raises:
        BadInputError: the scan is no mouth in millimetres, or it is mirrored.
        RefusedError: the jaws were not scanned in occlusion, and nobody allowed to guess.
    """
    jaws = [jaw for jaw in Jaw if any(crown.jaw is jaw for crown in crowns.values())]
    single = {jaw: _fit({f: c for f, c in crowns.items() if c.jaw is jaw}, jaw.value) for jaw in jaws}
    for jaw, motion in single.items():
        _refuse_mirrored(crowns, jaw, motion)
    if len(jaws) < 2:
        return Placement(single, "one jaw")
    if _in_occlusion(single, crowns):
        both = _fit(crowns, "both jaws")
        return Placement(dict.fromkeys(jaws, both), "scanned")
    if not estimate_bite:
        raise RefusedError(
            "jaws_apart",
            "The two jaws were not scanned in occlusion.",
            "Give --bite estimate to close them as usual.",
        )
    return Placement(single, "estimated")


def _fit(crowns: Mapping[int, ScanCrown], what: str) -> Rigid:
    prior = load_prior()
    teeth = [fdi for fdi in crowns if fdi in prior.fdi]
    if len(teeth) < _LEAST_TEETH:
        raise BadInputError(
            "scan_incomplete", f"Only {len(teeth)} teeth of {what} are labelled.", "Check the labels."
        )
    have = np.array([_middle(crowns[fdi]) for fdi in teeth])
    want = np.array([_box_middle(prior.mean_vertices(fdi)) for fdi in teeth])
    a, b = have - have.mean(axis=0), want - want.mean(axis=0)
    left, stretch, right = np.linalg.svd(b.T @ a)
    turn = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    rotation = left @ turn @ right
    size = float((stretch * turn.diagonal()).sum() / (a**2).sum())
    if not 1 / _SIZES[1] <= size <= 1 / _SIZES[0]:
        raise BadInputError(
            "not_millimetres", f"The teeth of {what} are {1 / size:.3g} times as far apart as usual.",
            "Give scans in millimetres with FDI numbers.",
        )  # fmt: skip
    residual = float(np.sqrt(((a @ rotation.T - b) ** 2).sum(axis=1).mean()))
    if residual > _RESIDUAL_MM:
        raise BadInputError(
            "labels_damaged",
            f"The numbers of {what} do not fit a mouth ({residual:.1f} mm off).",
            "Check the labels.",
        )
    return Rigid(rotation, want.mean(axis=0) - rotation @ have.mean(axis=0))


def _middle(crown: ScanCrown) -> NDArray[np.float64]:
    return _box_middle(crown.solid.vertices)


def _box_middle(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Middle of the bounding box; unlike the mean it does not follow the density of vertices."""
    return (points.min(axis=0) + points.max(axis=0)) / 2


def _refuse_mirrored(crowns: Mapping[int, ScanCrown], jaw: Jaw, motion: Rigid) -> None:
    """Necks of upper teeth point up, those of lower teeth down; a mirrored scan lies upside down."""
    necks = [
        (c.solid.vertices[c.cap].mean(axis=0) - c.solid.vertices.mean(axis=0)) @ motion.rotation[2]
        for c in crowns.values() if c.jaw is jaw and c.cap.any()
    ]  # fmt: skip
    if necks and np.sign(np.median(necks)) != (1 if jaw is Jaw.UPPER else -1):
        raise BadInputError(
            "scan_mirrored", f"The {jaw} jaw is mirrored, or left and right are exchanged in its labels.",
            "Mirror it back, or correct the labels.",
        )  # fmt: skip


def _in_occlusion(single: Mapping[Jaw, Rigid], crowns: Mapping[int, ScanCrown]) -> bool:
    upper, lower = single[Jaw.UPPER], single[Jaw.LOWER]
    turn = upper.rotation @ lower.rotation.T
    angle = np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))
    middle = np.mean([_middle(crown) for crown in crowns.values()], axis=0)[None]
    return bool(angle <= _BITE_DEGREES and np.linalg.norm(upper(middle) - lower(middle)) <= _BITE_MM)
