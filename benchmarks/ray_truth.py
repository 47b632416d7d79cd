"""Normals and masks of a mesh by embree's ray casts: the truth that rendered normals are scored against."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from trimesh.ray.ray_pyembree import RayMeshIntersector

Array = NDArray[np.float64]

#: The published turn of a mesh file into the world, Euler XYZ (-90, -180, 0) degrees.
_TURN = trimesh.transformations.euler_matrix(-np.pi / 2, -np.pi, 0.0, "sxyz")[:3, :3]


@dataclass(frozen=True)
class Truth:
    """(h, w, 3) unit normals in the camera's axes (x right, y up, z to the viewer), and (h, w) the mask."""

    normals: Array
    mask: NDArray[np.bool_]


def world_mesh(path: Path, partner: Path | None = None) -> trimesh.Trimesh:
    """A mesh file in the world frame; with its partner, both jaws normalised together."""
    mesh = _load(path)
    if partner is not None:
        both = np.concatenate([mesh.vertices, _load(partner).vertices])
        low, high = both.min(axis=0), both.max(axis=0)
        mesh.vertices = (mesh.vertices - (low + high) / 2) / (high - low).max()
    mesh.vertices = mesh.vertices @ _TURN.T
    return mesh


def _load(path: Path) -> trimesh.Trimesh:
    return trimesh.load(path, force="mesh", process=False)  # pyright: ignore[reportReturnType]


def cast(mesh: trimesh.Trimesh, pose: Array, size: int) -> Truth:
    """One ray through each pixel's centre; focal 35 mm on a sensor of 32 mm, (3, 4) OpenCV pose."""
    rotation, shift = pose[:, :3], pose[:, 3]
    focal = 35.0 / 32.0 * size
    across = (np.arange(size) + 0.5 - size / 2) / focal
    rays = np.stack([*np.meshgrid(across, across), np.ones((size, size))], axis=-1).reshape(-1, 3) @ rotation
    origins = np.broadcast_to(-rotation.T @ shift, rays.shape)
    hit = RayMeshIntersector(mesh).intersects_first(origins, rays)
    corners = mesh.vertices[mesh.faces[hit]]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
    # A surface seen from behind shows the viewer its other side.
    normals *= -np.sign((normals * rays).sum(axis=1, keepdims=True))
    in_camera = normals @ (np.diag([1.0, -1.0, -1.0]) @ rotation).T
    return Truth(in_camera.reshape(size, size, 3), (hit >= 0).reshape(size, size))


def angles_deg(found: Array, truth: Array) -> Array:
    """(n,) angles between (n, 3) vectors of any length and (n, 3) unit vectors, degrees."""
    found = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
    # Through the chord: an arc cosine is blind to small angles.
    return np.degrees(2 * np.arcsin(np.clip(np.linalg.norm(found - truth, axis=1) / 2, 0, 1)))


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks."""
    return float((a & b).sum() / max((a | b).sum(), 1))
