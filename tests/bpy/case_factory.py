"""A small finished case folder, made from formulas, for tests of the Blender side.

Twenty-eight rounded crowns on two parabolic arches, five cameras, and photos
painted by projecting the crowns: enough to see whether the scene matches.
Leans on numpy and the standard library alone, as Blender's Python has no more.
"""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

UPPER = (*range(17, 10, -1), *range(21, 28))
LOWER = (*range(47, 40, -1), *range(31, 38))
SIZE = (720, 480)
FOCAL_PX = 900.0
PRINCIPAL_POINT = (371.0, 231.5)
SLUGS = ("anterior", "left_buccal", "right_buccal", "maxillary_occlusal", "mandibular_occlusal")
_WIDTHS = {1: 8.2, 2: 6.8, 3: 7.6, 4: 7.0, 5: 6.8, 6: 9.8, 7: 9.2}
_EYES = ((0, -150, 0), (100, -120, 0), (-100, -120, 0), (0, -60, -140), (0, -60, 140))
_TARGETS = ((0, -15, 0), (12, -12, 0), (-12, -12, 0), (0, 0, 0), (0, 0, 0))


def make_case(folder: Path) -> Path:
    """Write the case folder and return it."""
    crowns = {fdi: _crown(fdi, centre) for fdi, centre in _centres().items()}
    for name in ("meshes/teeth", "photos"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for fdi, (vertices, faces) in crowns.items():
        write_ply(folder / f"meshes/teeth/FDI_{fdi}.ply", vertices, faces)
    cameras = {str(k): _camera(_EYES[k], _TARGETS[k]) for k in range(5)}
    for key, camera in cameras.items():
        _paint(folder / f"photos/{key}.png", [vertices for vertices, _ in crowns.values()], camera)
    document = {
        "format": "teethscape-case", "schema_version": 1, "status": "done", "unit": "mm",
        "created": "2030-01-01T00:00:00Z",
        "scale": {"source": "estimated", "relative_sigma": 0.05, "factor": 1.0},
        "photos": {key: {"view": SLUGS[int(key)], "file": f"photos/{key}.png"} for key in cameras},
        "cameras": cameras,
        "teeth": [_record(fdi) for fdi in crowns],
        "notices": [], "metrics": {}, "request": {}, "versions": {},
    }  # fmt: skip
    (folder / "case.json").write_text(json.dumps(document), "utf-8")
    return folder


def project(camera: dict, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixels (N, 2) of world points (N, 3), straight from case.json's convention."""
    local = (points - np.array(camera["cam2world"])[:3, 3]) @ np.array(camera["cam2world"])[:3, :3]
    return camera["focal_px"] * local[:, :2] / local[:, 2:] + np.array(camera["principal_point"])


def write_ply(path: Path, vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> None:
    """Binary PLY with the properties that the scene reads."""
    header = (
        f"ply\nformat binary_little_endian 1.0\ncomment unit mm\nelement vertex {len(vertices)}\n"
        "property float x\nproperty float y\nproperty float z\n"
        "property uchar red\nproperty uchar green\nproperty uchar blue\n"
        "property float sigma_mm\nproperty uchar inferred\n"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    fields = [("p", "<f4", 3), ("rgb", "u1", 3), ("sigma", "<f4"), ("inferred", "u1")]
    rows = np.zeros(len(vertices), np.dtype(fields))
    rows["rgb"] = 200, 180, 140
    depth = vertices[:, 1] - vertices[:, 1].min()
    rows["p"], rows["sigma"] = vertices, 0.1 + 0.8 * depth / max(depth.max(), 1e-9)
    rows["inferred"] = rows["sigma"] > 0.6
    triangles = np.zeros(len(faces), np.dtype([("n", "u1"), ("v", "<i4", 3)]))
    triangles["n"], triangles["v"] = 3, faces
    path.write_bytes(header.encode() + rows.tobytes() + triangles.tobytes())


def write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """An 8-bit RGB picture (h, w, 3)."""
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def _centres() -> dict[int, NDArray[np.float64]]:
    centres = {}
    for arch, height, depth in ((UPPER, 4.2, 1.0), (LOWER, -4.2, 0.93)):
        place = {}
        for side in (1, -1):
            travelled = 0.0
            for k in range(1, 8):
                travelled += _WIDTHS[k]
                place[side * k] = side * (travelled - _WIDTHS[k] / 2)
        for fdi in arch:
            angle = place[(fdi % 10) * (1 if fdi // 10 in (2, 3) else -1)] / 34.0
            spread = 27.0 * depth
            centres[fdi] = np.array([spread * np.sin(angle), 24.0 - 42.0 * np.cos(angle * 0.82), height])
    return centres


def _crown(fdi: int, centre: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """A rounded box of the tooth's width, turned to face outward."""
    rings, sides = 24, 32
    theta = np.linspace(0, np.pi, rings)[:, None]
    phi = np.linspace(0, 2 * np.pi, sides, endpoint=False)[None, :]
    unit = np.stack(
        [np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta) + 0 * phi], axis=-1
    )
    boxy = np.sign(unit) * np.abs(unit) ** 0.72
    width = _WIDTHS[fdi % 10]
    depth = 6.5 if fdi % 10 < 4 else 9.5
    local = boxy * np.array([width / 2, depth / 2, 4.4])
    turn = np.arctan2(centre[0], 24.0 - centre[1])
    rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    vertices = local.reshape(-1, 3) @ rotation.T + centre
    a = np.arange(rings - 1)[:, None] * sides + np.arange(sides)[None, :]
    b = np.arange(rings - 1)[:, None] * sides + (np.arange(sides)[None, :] + 1) % sides
    quads = [np.stack([a, a + sides, b], -1), np.stack([b, a + sides, b + sides], -1)]
    return vertices, np.concatenate([part.reshape(-1, 3) for part in quads]).astype(np.int32)


def _camera(eye: tuple[int, ...], target: tuple[int, ...]) -> dict:
    forward = np.subtract(target, eye).astype(float)
    forward /= np.linalg.norm(forward)
    up = np.array([0.0, 1.0, 0.0]) if abs(forward[2]) > 0.9 else np.array([0.0, 0.0, 1.0])
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2], matrix[:3, 3] = right, np.cross(forward, right), forward, eye
    return {
        "width": SIZE[0], "height": SIZE[1], "focal_px": FOCAL_PX,
        "principal_point": list(PRINCIPAL_POINT), "k1": 0.0, "cam2world": matrix.tolist(),
    }  # fmt: skip


def _paint(path: Path, crowns: list[NDArray[np.float64]], camera: dict) -> None:
    pixels = np.full((SIZE[1], SIZE[0], 3), (140, 62, 66), np.uint8)
    for vertices in crowns:
        places = np.round(project(camera, vertices)).astype(int)
        for dx in range(-4, 5):
            for dy in range(-4, 5):
                x = np.clip(places[:, 0] + dx, 0, SIZE[0] - 1)
                y = np.clip(places[:, 1] + dy, 0, SIZE[1] - 1)
                pixels[y, x] = (222, 212, 190)
    write_png(path, pixels)


def _record(fdi: int) -> dict:
    return {
        "fdi": fdi, "present": True, "confidence": 0.98 if fdi % 10 < 6 else 0.72, "sigma_mm": 0.31,
        "seen_in": ["anterior"], "width_mm": _WIDTHS[fdi % 10], "width_sigma_mm": 0.4,
    }  # fmt: skip
