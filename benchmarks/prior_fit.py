"""How closely the tooth prior can follow real crowns, mode by mode.

Each crown of a reference case is met by its tooth type under a free similarity
and 0, 5, 10 or 20 shape modes, fitted point to plane in both directions.  The
score is ``chamfer_sq_mm2`` of the shared evaluation: the sum of both directed
means of squared nearest distances between 8000 points per surface, neck caps
included (identical surfaces score 0.018 mm^2).

    python benchmarks/prior_fit.py
"""

from __future__ import annotations

import argparse
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from bench_common import LOG, ROOT, write_result
from numpy.typing import NDArray
from scipy.spatial import KDTree

from teethscape.dental.fdi import TEETH
from teethscape.parametric.prior import ToothPrior, load_prior
from teethscape.parametric.rotation import rotation_matrix

FloatArray = NDArray[np.float64]
MODE_COUNTS = (0, 5, 10, 20)
SAMPLES = 8000
_ROUNDS = 25
_TO_WORLD = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
#: Standard deviation of a point's distance beside which the modes' prior counts, mm.
_NOISE_MM = 1.0


@dataclass(frozen=True)
class Sampled:
    """Points (n, 3) on a surface with unit normals (n, 3)."""

    points: FloatArray
    normals: FloatArray


def sample(vertices: FloatArray, faces: NDArray, rng: np.random.Generator) -> tuple[NDArray, FloatArray]:
    """Faces and barycentric weights of points spread uniformly by area."""
    corners = vertices[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chosen = rng.choice(len(faces), size=SAMPLES, p=area / area.sum())
    root, other = np.sqrt(rng.random(SAMPLES)), rng.random(SAMPLES)
    return chosen, np.column_stack([1 - root, root * (1 - other), root * other])


def sampled(vertices: FloatArray, faces: NDArray, rng: np.random.Generator) -> Sampled:
    """Uniform samples of a mesh with their normals."""
    chosen, weights = sample(vertices, faces, rng)
    corners = vertices[faces[chosen]]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = cross / np.linalg.norm(cross, axis=1, keepdims=True)
    return Sampled(np.einsum("nk,nkc->nc", weights, corners), normals)


def chamfer_sq(first: FloatArray, second: FloatArray) -> float:
    """Sum of both directed means of squared nearest distances, mm^2."""
    there, back = KDTree(second).query(first)[0], KDTree(first).query(second)[0]
    return float((there**2).mean() + (back**2).mean())


class CrownFit:
    """A similarity and shape coefficients that lay a tooth type on a crown.

    Args:
        prior: the tooth prior.
        fdi: the tooth.
        target: the crown's samples in the tooth's local axes, mm.
        modes: number of shape modes.
    """

    def __init__(self, prior: ToothPrior, fdi: int, target: Sampled, modes: int) -> None:
        shape = prior.shape(fdi)
        self.mean, self.modes, self.faces = shape.mean, shape.modes[:modes], prior.faces
        self.target, self.tree = target, KDTree(target.points)
        self.turn, self.shift, self.log_size = np.eye(3), target.points.mean(axis=0), 0.0
        self.shape = np.zeros(modes)

    def vertices(self) -> FloatArray:
        """(V, 3) the crown as fitted, local axes, mm."""
        local = self.mean + np.tensordot(self.shape, self.modes, axes=1)
        return np.exp(self.log_size) * local @ self.turn.T + self.shift

    def run(self, rng: np.random.Generator) -> FloatArray:
        """Iterate to convergence; returns :meth:`vertices`."""
        for _ in range(_ROUNDS):
            self._step(*sample(self.vertices(), self.faces, rng))
        return self.vertices()

    def _step(self, chosen: NDArray, weights: FloatArray) -> None:
        corners = self.faces[chosen]
        points = np.einsum("nk,nkc->nc", weights, self.vertices()[corners])
        here = self.tree.query(points)[1]
        there = KDTree(points).query(self.target.points)[1]
        rows = np.concatenate([np.arange(len(points)), there])
        goals = np.vstack([self.target.points[here], self.target.points])
        planes = np.vstack([self.target.normals[here], self.target.normals])
        moves = np.einsum("nk,mnkc->mnc", weights, self.modes[:, corners])[:, rows]
        self._solve(points[rows], goals, planes, moves)

    def _solve(self, points: FloatArray, goals: FloatArray, planes: FloatArray, moves: FloatArray) -> None:
        """One damped Gauss-Newton step of the distance to the planes."""
        arm = points - self.shift
        turned = np.exp(self.log_size) * moves @ self.turn.T
        grow = np.einsum("nc,nc->n", arm, planes)[:, None]
        slopes = [np.cross(arm, planes), planes, grow, np.einsum("mnc,nc->nm", turned, planes)]
        table = np.hstack(slopes)
        gap = np.einsum("nc,nc->n", goals - points, planes)
        ridge = np.zeros(table.shape[1])
        ridge[7:] = _NOISE_MM**2
        pull = table.T @ gap - ridge * np.concatenate([np.zeros(7), self.shape])
        step = np.linalg.solve(table.T @ table + np.diag(ridge + 1e-6), pull)
        self.turn = rotation_matrix(step[:3]) @ self.turn
        self.shift = self.shift + step[3:6]
        self.log_size += float(step[6])
        self.shape = self.shape + step[7:]


def score(prior: ToothPrior, fdi: int, mesh: trimesh.Trimesh) -> list[float]:
    """Chamfer distances of one crown for each number of modes, mm^2."""
    rng = np.random.default_rng(fdi)
    axes = prior.axes[prior.fdi.index(fdi)]
    faces = np.asarray(mesh.faces)
    local = np.asarray(mesh.vertices) @ _TO_WORLD.T @ axes
    target = sampled(local, faces if np.linalg.det(axes) > 0 else faces[:, ::-1], rng)
    out = []
    for count in MODE_COUNTS:
        fitted = CrownFit(prior, fdi, target, count).run(rng)
        reference = sampled(local, faces, rng)
        out.append(chamfer_sq(sampled(fitted, prior.faces, rng).points, reference.points))
    return out


def main() -> None:
    """Score all crowns of case-a and write ``results/prior_fit.json``."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    shared = Path(os.environ.get("TEETHSCAPE_SHARED", ROOT.parent / "shared"))
    parser = argparse.ArgumentParser(description="How closely the tooth prior can follow real crowns.")
    parser.add_argument("--teeth", type=Path, default=shared / "cases" / "case-a" / "reference" / "teeth")
    teeth = parser.parse_args().teeth
    prior, table = load_prior(), {}
    for fdi in TEETH:
        table[fdi] = score(prior, fdi, trimesh.load(teeth / f"{fdi}.ply", force="mesh"))
        LOG.info("%d %s", fdi, " ".join(f"{value:.4f}" for value in table[fdi]))
    mean = np.mean(list(table.values()), axis=0)
    names = [f"modes_{count}" for count in MODE_COUNTS]
    summary = {f"cd_mm2_{name}": round(float(value), 4) for name, value in zip(names, mean, strict=True)}
    rows = [{"fdi": f, **dict(zip(names, np.round(r, 4).tolist(), strict=True))} for f, r in table.items()]
    write_result("prior_fit", summary, rows)


if __name__ == "__main__":
    main()
