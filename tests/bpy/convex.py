"""A convex body and its exact ray casts: numpy alone, so that the truth owes nothing to Blender."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: As the scripts' specification says: Euler XYZ (-90, -180, 0), (x, y, z) -> (-x, z, y).
FILE_TO_WORLD = np.array([[-1.0, 0, 0], [0, 0, 1], [0, 1, 0]])


@dataclass(frozen=True)
class Body:
    """(n, 3) corners about the origin and (m, 3) triangles that wind outwards."""

    vertices: Array
    faces: NDArray[np.int64]

    def normals(self) -> Array:
        """(m, 3) unit normals."""
        a, b, c = (self.vertices[self.faces[:, k]] for k in range(3))
        cross = np.cross(b - a, c - a)
        return cross / np.linalg.norm(cross, axis=1, keepdims=True)

    def in_world(self) -> Body:
        """The body as the scripts turn a file."""
        return Body(self.vertices @ FILE_TO_WORLD.T, self.faces)


def ellipsoid(radii: tuple[float, float, float] = (0.5, 0.22, 0.36), level: int = 3) -> Body:
    """An octahedron, subdivided and blown up."""
    corners = np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
    faces = np.array([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]])
    for _ in range(level):
        triangles = corners[faces]
        middles = (triangles + np.roll(triangles, -1, axis=1)) / 2
        middles /= np.linalg.norm(middles, axis=2, keepdims=True)
        (a, b, c), (ab, bc, ca) = triangles.transpose(1, 0, 2), middles.transpose(1, 0, 2)
        stacked = np.concatenate(
            [np.stack(t, axis=1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
        )
        corners, inverse = np.unique(stacked.reshape(-1, 3).round(12), axis=0, return_inverse=True)
        faces = inverse.reshape(-1, 3)
    return Body(corners * np.array(radii), faces)


def cast(body: Body, pose: Array, intrinsics: Array, size: int) -> tuple[Array, NDArray[np.bool_]]:
    """(size, size, 3) normals in the camera's axes (x right, y up, z to the viewer) and the mask."""
    rotation, shift = pose[:, :3], pose[:, 3]
    across = (np.arange(size) + 0.5 - intrinsics[0, 2]) / intrinsics[0, 0]
    rays = np.stack([*np.meshgrid(across, across), np.ones((size, size))], axis=-1).reshape(-1, 3) @ rotation
    centre, normals = -rotation.T @ shift, body.normals()
    offsets = ((body.vertices[body.faces[:, 0]] - centre) * normals).sum(axis=1)
    slope = rays @ normals.T
    depth = offsets / slope
    entering = np.where(slope < 0, depth, -np.inf)
    leaving = np.where(slope > 0, depth, np.inf)
    first = entering.argmax(axis=1)
    hit = entering.max(axis=1) < leaving.min(axis=1)
    seen = normals[first] @ (np.diag([1.0, -1.0, -1.0]) @ rotation).T
    return seen.reshape(size, size, 3), hit.reshape(size, size)


def write_obj(body: Body, path: Path) -> Path:
    """Write a Wavefront OBJ file."""
    lines = [f"v {x:.9f} {y:.9f} {z:.9f}" for x, y, z in body.vertices]
    lines += [f"f {a} {b} {c}" for a, b, c in body.faces + 1]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_ply(body: Body, path: Path, colour: tuple[int, int, int] | None = None) -> Path:
    """Write an ASCII PLY file, with one colour for all corners or without any."""
    paint = "" if colour is None else "".join(f" {part}" for part in colour)
    kinds = [f"property uchar {name}" for name in ("red", "green", "blue")] if colour else []
    head = ["ply", "format ascii 1.0", f"element vertex {len(body.vertices)}"]
    head += [f"property float {axis}" for axis in "xyz"] + kinds
    head += [f"element face {len(body.faces)}", "property list uchar int vertex_indices", "end_header"]
    corners = [f"{x:.9f} {y:.9f} {z:.9f}{paint}" for x, y, z in body.vertices]
    triangles = [f"3 {a} {b} {c}" for a, b, c in body.faces]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*head, *corners, *triangles]) + "\n", encoding="ascii")
    return path


def write_stl(body: Body, path: Path) -> Path:
    """Write a binary STL file."""
    kind = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("rest", "<u2")])
    records = np.zeros(len(body.faces), kind)
    records["normal"], records["corners"] = body.normals(), body.vertices[body.faces]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b" " * 80 + np.uint32(len(records)).tobytes() + records.tobytes())
    return path


def write_glb(body: Body, path: Path) -> Path:
    """Write a GLB whose node is moved and scaled, to end where the other formats are."""
    inner = (body.vertices.astype("<f4") - np.float32(0.25)) * 2
    data = inner.astype("<f4").tobytes() + body.faces.astype("<u4").tobytes()
    count, extent = len(inner), {"min": inner.min(axis=0).tolist(), "max": inner.max(axis=0).tolist()}
    scene = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "scale": [0.5] * 3, "translation": [0.25] * 3}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": count, "type": "VEC3", **extent},
            {"bufferView": 1, "componentType": 5125, "count": body.faces.size, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": inner.nbytes},
            {"buffer": 0, "byteOffset": inner.nbytes, "byteLength": 4 * body.faces.size},
        ],
        "buffers": [{"byteLength": len(data)}],
    }  # fmt: skip
    text = json.dumps(scene).encode()
    text += b" " * (-len(text) % 4)
    chunks = np.uint32(len(text)).tobytes() + b"JSON" + text
    chunks += np.uint32(len(data)).tobytes() + b"BIN\0" + data
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"glTF" + np.array([2, 12 + len(chunks)], "<u4").tobytes() + chunks)
    return path
