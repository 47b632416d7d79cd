"""A small arch of ellipsoids, seen by TeethDreamer's eight cameras: exact normals and masks in no time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import trimesh
from scipy import ndimage

from teethscape.dataset.published_views import target_cameras
from teethscape.dental.fdi import Jaw
from teethscape.dental.units import ScaleRecord, ScaleSource
from teethscape.mesh.solid import FileNote
from teethscape.parametric.raster import TriangleSoup, render_ids
from teethscape.surface.frame import Frame
from teethscape.surface.grid.looks import camera_of
from teethscape.surface.hull import mask_distances
from teethscape.surface.read.montage import COUNT, FIRST, RADIUS
from teethscape.surface.views import Views, opengl_cam2world

#: mm per unit of the views' world in these tests.
SCALE = 60.0
FRAME = Frame(SCALE, np.array([1.0, 2, 3]), True, FileNote(ScaleRecord(ScaleSource.ESTIMATED, 0.05)))
_PLACES = ((-0.22, 0.0), (0.0, 0.14), (0.22, 0.0))


def arch_mesh(places=_PLACES):
    """Vertices (world units) and faces of a few crowns without roots."""
    parts = []
    for x, y in places:
        ball = trimesh.creation.icosphere(4)
        ball.apply_scale((0.09, 0.075, 0.06))
        ball.apply_translation((x, y, 0.02))
        parts.append(ball)
    mesh = trimesh.util.concatenate(parts)
    assert isinstance(mesh, trimesh.Trimesh)
    return np.asarray(mesh.vertices), np.asarray(mesh.faces).astype(np.int32)


def views_of(vertices, faces, size=96, jaw=Jaw.LOWER):
    """Eight perfect views of a mesh."""
    cameras = target_cameras(jaw, size)
    poses = cameras.poses[FIRST : FIRST + COUNT]
    blank = np.zeros((COUNT, size, size), np.float32)
    views = Views(
        tuple(f"view {FIRST + k}" for k in range(COUNT)),
        np.repeat(blank[..., None], 3, axis=-1), blank.copy(), blank.copy(),
        np.zeros((COUNT, size, size, 3), np.float32),
        np.repeat(cameras.intrinsics[None].astype(float), COUNT, axis=0), opengl_cam2world(poses), jaw,
        np.full(3, -RADIUS), np.full(3, RADIUS),
    )  # fmt: skip
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    soup = TriangleSoup(vertices * SCALE, faces, np.zeros(len(faces), np.int32))
    assert views.normals is not None
    for k in range(COUNT):
        face = render_ids(soup, camera_of(views, k, SCALE)).face
        seen = face >= 0
        views.foreground[k], views.colour_mask[k] = seen, seen
        views.colours[k][seen] = 0.8
        views.normals[k][seen] = normals[face[seen]]
    return views


def with_masks(views, masks):
    """The views with other masks: normals end with these, the nearest ones fill what they gained."""
    normals = []
    for before, mask, normal in zip(views.foreground, masks, views.normals, strict=True):
        row, column = ndimage.distance_transform_edt(
            before < 0.5, return_distances=False, return_indices=True
        )
        normals.append(normal[row, column] * mask[..., None])
    return replace(views, foreground=np.stack(masks).astype(np.float32), normals=np.stack(normals))


def resized(views, change):
    """The views with masks that are larger (or smaller: negative) all around by so many pixels (n,)."""
    return with_masks(views, [mask_distances(m) < c for m, c in zip(views.foreground, change, strict=True)])


def ragged(views, seed=0):
    """The views with borders of masks that wander by up to two pixels."""
    rng, masks = np.random.default_rng(seed), []
    for mask in views.foreground:
        wave = ndimage.gaussian_filter(rng.standard_normal(mask.shape), 6.0)
        masks.append(mask_distances(mask) < np.clip(wave / wave.std(), -2, 2))
    return with_masks(views, masks)


def distance_mm(points, vertices):
    """(n,) distance of points in mm from a finely sampled mesh in world units."""
    from scipy.spatial import KDTree

    return KDTree(vertices * SCALE).query(points)[0]
