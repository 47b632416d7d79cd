"""The published statistical tooth model that our prior is trained from.

Chen Yizhou et al., TVCG 2023 (MIT): separate left and right models in the frame
of each jaw, +x patient's left, +y up, +z front, mm.  Everything leaves this
module in our world axes (x, -z, y), mirrored to the right side on request.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import TEETH
from teethscape.errors import BadInputError

FloatArray = NDArray[np.float64]
#: The mirror that exchanges the patient's left and right.
MIRROR = np.diag([-1.0, 1.0, 1.0])
_TO_WORLD = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
_KEYS = ("fdi", "mean", "modes", "eigenvalues", "faces", "cap", "centroid", "pose_cov", "scale_cov")


@dataclass(frozen=True)
class PublishedTooth:
    """One crown's published model, jaw frame, world axes, mm.

    Attributes:
        vertices: (N, 3) mean crown at its mean place.
        modes: (K, N, 3) principal directions times their standard deviation.
        faces: (M, 3) outward.
        cap: (N,) true on the closing surface of the neck.
        centre: (3,) mean of the vertices.
        pose_cov: (6, 6) of translation (mm) and rotation vector (rad).
    """

    vertices: FloatArray
    modes: FloatArray
    faces: NDArray[np.int64]
    cap: NDArray[np.bool_]
    centre: FloatArray
    pose_cov: FloatArray

    def mirrored(self) -> PublishedTooth:
        """The same crown on the other side of the mouth."""
        turn = np.kron(np.diag([1.0, 0.0]), MIRROR) + np.kron(np.diag([0.0, 1.0]), -MIRROR)
        return PublishedTooth(
            self.vertices @ MIRROR,
            self.modes @ MIRROR,
            self.faces[:, ::-1],
            self.cap,
            self.centre @ MIRROR,
            turn @ self.pose_cov @ turn.T,
        )


@dataclass(frozen=True)
class PublishedModel:
    """All 28 crowns and how their sizes vary together."""

    teeth: dict[int, PublishedTooth]
    scale_cov: FloatArray


def read_published(path: Path) -> PublishedModel:
    """Read the published model.

    Args:
        path: ``tooth_prior.npz`` as described in its README.

    Raises:
        BadInputError: the file is not that model.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            arrays = {key: data[key] for key in _KEYS}
    except (OSError, KeyError, ValueError) as error:
        raise BadInputError(
            "prior_source_unreadable",
            f"{path} does not hold the published tooth model: {error}.",
            "Give the path of tooth_prior.npz.",
        ) from error
    if tuple(int(f) for f in arrays["fdi"]) != TEETH:
        raise BadInputError("prior_source_unreadable", f"{path} lists other teeth than expected.")
    teeth = {fdi: _tooth(arrays, i) for i, fdi in enumerate(TEETH)}
    return PublishedModel(teeth, arrays["scale_cov"].astype(np.float64))


def _tooth(arrays: dict[str, NDArray], index: int) -> PublishedTooth:
    deviation = np.sqrt(arrays["eigenvalues"][index].astype(np.float64))
    turn = np.kron(np.eye(2), _TO_WORLD)
    return PublishedTooth(
        arrays["mean"][index].astype(np.float64) @ _TO_WORLD.T,
        arrays["modes"][index].astype(np.float64) @ _TO_WORLD.T * deviation[:, None, None],
        arrays["faces"][index].astype(np.int64),
        arrays["cap"][index].astype(bool),
        arrays["centroid"][index].astype(np.float64) @ _TO_WORLD.T,
        turn @ arrays["pose_cov"][index].astype(np.float64) @ turn.T,
    )
