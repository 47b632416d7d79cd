"""Random dentitions straight from the tooth prior, for synthetic photographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from teethscape.dataset.patient_crowns import Crown, gap_along
from teethscape.dental.fdi import LOWER_ARCH, UPPER_ARCH, Jaw, is_left, jaw_of
from teethscape.parametric.prior import ToothPrior
from teethscape.parametric.rotation import FloatArray, rotation_matrix


@dataclass(frozen=True)
class PatientSpread:
    """How far random patients stray from the prior's mean.

    Attributes:
        pose: factor on the prior's correlated pose deviations.
        crowding: independent extra translation in mm and 15 times that in degrees.
        shape: standard deviation of the mode coefficients.
        missing: chance that any one tooth is absent.
        spacing: typical gap between neighbours, mm.
        modes: number of shape modes drawn.
    """

    pose: float = 1.0
    crowding: float = 0.25
    shape: float = 1.0
    missing: float = 0.03
    spacing: float = 0.1
    modes: int = 15


def sample_spread(rng: np.random.Generator) -> PatientSpread:
    """A spread for one patient: most dentitions tidy, some crowded or gappy."""
    return PatientSpread(
        pose=float(rng.uniform(0.4, 1.15)),
        crowding=float(rng.choice([0.1, 0.3, 0.55], p=[0.5, 0.35, 0.15])),
        spacing=float(rng.choice([0.05, 0.3, 1.0], p=[0.75, 0.2, 0.05])),
        shape=float(rng.uniform(0.7, 1.3)),
        missing=float(rng.choice([0.0, 0.04, 0.1], p=[0.6, 0.3, 0.1])),
    )


def _bite(prior: ToothPrior, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Rotation (3, 3) and translation (3,) of the lower jaw about the bite pivot."""
    step = rng.multivariate_normal(np.zeros(6), prior.bite_cov)
    step *= [0.5, 0.5, 0.25, 0.35, 0.35, 0.35]
    step[2] += -abs(rng.normal(0.0, 2.5)) if rng.random() < 0.12 else rng.uniform(-0.2, 1.0)
    return rotation_matrix(step[3:]), step[:3]


def sample_patient(prior: ToothPrior, spread: PatientSpread, rng: np.random.Generator) -> list[Crown]:
    """Crowns of a random patient, both jaws in one random bite."""
    count = len(prior.fdi)
    pose = rng.multivariate_normal(np.zeros(6 * count), prior.pose_cov, method="cholesky").reshape(count, 6)
    pose = spread.pose * pose
    pose[:, :2] += spread.crowding * rng.standard_normal((count, 2))
    pose[:, 3:] += np.deg2rad(15.0 * spread.crowding) * rng.standard_normal((count, 3))
    size = np.exp(rng.multivariate_normal(np.zeros(count), prior.log_size_cov, method="cholesky"))
    turn, shift = _bite(prior, rng)
    crowns = []
    for i, fdi in enumerate(prior.fdi):
        if rng.random() < spread.missing:
            continue
        shape = prior.shape(fdi)
        modes = min(spread.modes, len(shape.modes))
        local = shape.mean + np.tensordot(spread.shape * rng.standard_normal(modes), shape.modes[:modes], 1)
        rotation = rotation_matrix(pose[i, 3:])
        world = prior.centre[i] + (size[i] * local @ rotation.T + pose[i, :3]) @ prior.axes[i].T
        axes = prior.axes[i] @ rotation
        if jaw_of(fdi) is Jaw.LOWER:
            world = (world - prior.bite_pivot) @ turn.T + prior.bite_pivot + shift
            axes = turn @ axes
        crowns.append(Crown(fdi, world, prior.faces_of(fdi), shape.cap, axes))
    return _touching(crowns, spread, rng)


def _touching(crowns: list[Crown], spread: PatientSpread, rng: np.random.Generator) -> list[Crown]:
    """Slide crowns along the arch, from the front backwards, until neighbours nearly touch."""
    out: list[Crown] = []
    for jaw in Jaw:
        for left in (False, True):
            side = [c for c in along_arch(crowns, jaw) if is_left(c.fdi) is left]
            side = side if left else side[::-1]
            for k, crown in enumerate(side):
                if k:
                    crown = _pushed(side[k - 1], crown, float(abs(rng.normal(0, spread.spacing))))
                    side[k] = crown
                out.append(crown)
    return out


def _pushed(front: Crown, back: Crown, gap: float) -> Crown:
    """``back`` moved along the line between the two so that ``gap`` mm remain, at most 4 mm."""
    along = back.centre - front.centre
    along /= np.linalg.norm(along)
    now = gap_along(front.vertices, back.vertices, along)
    neighbours = back.fdi - front.fdi == 1
    if not np.isfinite(now) or abs(now) > 4 or not neighbours:
        return back
    return back.moved((gap - now) * along)


def along_arch(crowns: list[Crown], jaw: Jaw) -> list[Crown]:
    """Crowns of one jaw from the patient's right to the left."""
    order = {fdi: k for k, fdi in enumerate((*UPPER_ARCH, *LOWER_ARCH))}
    return sorted((c for c in crowns if jaw_of(c.fdi) is jaw), key=lambda c: order[c.fdi])
