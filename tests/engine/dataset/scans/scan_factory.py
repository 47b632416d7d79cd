"""Scans as a scanner and a segmentation leave them, made from the tooth prior."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.parametric.prior import load_prior

#: A scanner's own frame: any turn and shift.
MOTION = Rotation.from_rotvec([0.7, -1.9, 0.4]).as_matrix()
SHIFT = np.array([30.0, -12.0, 55.0])


def crown(fdi: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (mm, world) and outward faces of an average crown without its neck cap, and its neck."""
    prior = load_prior()
    faces = prior.faces_of(fdi)[~prior.cap_faces]
    used = np.unique(faces)
    place = np.zeros(len(prior.shape(fdi).cap), int)
    place[used] = np.arange(len(used))
    return prior.mean_vertices(fdi)[used], place[faces], place[prior.neck]


def jaw_scan(jaw: Jaw, mess: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (mm, world), faces and FDI labels of a whole jaw: crowns with a skirt of gum."""
    vertices, faces, labels = [], [], []
    count = 0
    for fdi in load_prior().fdi:
        if jaw_of(fdi) is not jaw:
            continue
        points, triangles, neck = crown(fdi)
        middle = points[neck].mean(axis=0)
        skirt = middle + 1.25 * (points[neck] - middle) + [0, 0, 1.5 if jaw is Jaw.UPPER else -1.5]
        outer = len(points) + np.arange(len(neck))
        a, b, c, d = neck, np.roll(neck, -1), outer, np.roll(outer, -1)
        strip = np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])
        if {(int(x), int(y)) for x, y in zip(a, b, strict=True)} & _directed(triangles):
            strip = np.concatenate([np.stack([b, c, a], 1), np.stack([d, c, b], 1)])
        vertices.append(np.concatenate([points, skirt]))
        faces.append(np.concatenate([triangles, strip]) + count)
        labels.append(np.concatenate([np.full(len(points), fdi), np.zeros(len(neck), int)]))
        count += len(points) + len(neck)
    out = np.concatenate(vertices), np.concatenate(faces), np.concatenate(labels)
    return _messed(*out) if mess else out


def _directed(faces: np.ndarray) -> set[tuple[int, int]]:
    return {(int(f[k]), int(f[(k + 1) % 3])) for f in faces for k in range(3)}


def _messed(vertices, faces, labels):
    """What real scans have: a hole, a third face on an edge, an island, a face of no area, stray labels."""
    tooth = np.flatnonzero((labels[faces] == labels.max()).all(axis=1))
    fin = [faces[tooth[0], 0], faces[tooth[0], 1], faces[tooth[200], 2]]
    flat = [faces[tooth[3], 0], faces[tooth[3], 0], faces[tooth[3], 1]]
    start = len(vertices)
    island = vertices[faces[tooth[10]]] + [0, 0, 9.0]
    tip = labels == labels.max()
    deep = vertices[faces[tooth]].mean(axis=1)
    middle = vertices[tip].mean(axis=0)
    hole = np.argsort(np.abs(deep[:, 2] - middle[2]) + (deep[:, 0] < middle[0]) * 9)[:3]
    faces = np.delete(faces, tooth[hole], axis=0)
    faces = np.concatenate([faces, [fin, flat, [start, start + 1, start + 2]]])
    vertices = np.concatenate([vertices, island])
    labels = np.concatenate([labels, [labels.max()] * 3])
    stray = np.flatnonzero(labels == 0)[:1]
    labels[stray] = 18 if labels.max() < 30 else 48  # one vertex of a tooth that is not there
    return vertices, faces, labels


def write_teeth3ds(folder: Path, patient: str, jaws=tuple(Jaw), mess: bool = False, **motion) -> None:
    """Write a patient in the layout of Teeth3DS; ``motion`` may give a frame per jaw."""
    for jaw in jaws:
        vertices, faces, labels = jaw_scan(jaw, mess)
        turn, shift = motion.get(jaw.value, (MOTION, SHIFT))
        place = folder / jaw.value / patient
        place.mkdir(parents=True, exist_ok=True)
        lines = [f"v {x:.6f} {y:.6f} {z:.6f} 0.9 0.8 0.7" for x, y, z in vertices @ turn.T + shift]
        lines += [f"f {a}//{a} {b}//{b} {c}//{c}" for a, b, c in faces + 1]
        (place / f"{patient}_{jaw}.obj").write_text("\n".join(lines) + "\n")
        record = {
            "id_patient": patient,
            "jaw": jaw.value,
            "labels": labels.tolist(),
            "instances": labels.tolist(),
        }
        (place / f"{patient}_{jaw}.json").write_text(json.dumps(record))


def write_tooth_files(folder: Path, patient: str, end: str = "stl") -> None:
    """Write a patient as one open mesh per tooth, per jaw in a folder of its own."""
    import trimesh

    for fdi in load_prior().fdi:
        vertices, faces, _ = crown(fdi)
        path = folder / patient / jaw_of(fdi).value / f"{fdi}.{end}"
        path.parent.mkdir(parents=True, exist_ok=True)
        trimesh.Trimesh(vertices @ MOTION.T + SHIFT, faces, process=False).export(path)
