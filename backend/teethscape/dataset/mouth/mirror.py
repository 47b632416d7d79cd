"""An occlusal mirror, unfolded.

A photo through a mirror, once it is flipped, is what an ordinary camera behind the mirror's plane
would see through a window of the mirror's shape; everything before the mirror appears reflected
in that plane.  So the scene is built for that camera: no reflection has to be rendered, and the
camera's record stays a plain pinhole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from teethscape.dataset.mouth.nets import Array, Quads
from teethscape.dataset.mouth.opening import Ring, in_world, ring_grid
from teethscape.parametric.camera import Camera

_AROUND = 12


@dataclass(frozen=True)
class Plane:
    """The mirror's plane; its normal points from the camera's side to the mouth.

    Attributes:
        point: (3,) on the plane, world mm.
        normal: (3,) unit.
    """

    point: Array
    normal: Array

    def reflected(self, points: Array) -> Array:
        """Points (n, 3) mirrored in the plane."""
        away = (points - self.point) @ self.normal
        return points - 2.0 * away[:, None] * self.normal


def plane_between(camera: Camera, teeth: Array, elevation: float, gap: float) -> Plane:
    """The plane that turns the view of a real camera into that of ``camera``.

    Args:
        camera: the camera behind the mirror.
        teeth: (n, 3) what the mirror shows, world mm; it touches them but for ``gap`` mm.
        elevation: direction of the real camera's view over the horizontal, rad.
        gap: free space between mirror and teeth, mm.
    """
    seen = camera.rotation[2]
    real = np.array([0.0, np.cos(elevation), np.sin(elevation)])
    normal = (seen - real) / np.linalg.norm(seen - real)
    along = teeth @ normal
    return Plane(teeth[int(along.argmin())] - gap * normal, normal)


def fitting_plane(camera: Camera, teeth: Array, front: Array, room: float) -> Plane:
    """The plane for which the front teeth, seen again beside the mirror, stay clear of what it shows.

    Args:
        camera: the camera behind the mirror.
        teeth: (n, 3) teeth that the mirror shows, world mm.
        front: (m, 3) front teeth, which the real camera sees directly too.
        room: free space in the picture between both, share of its height.
    """
    across = camera.project(front).mean(axis=0) - camera.project(teeth).mean(axis=0)
    back = -across / np.linalg.norm(across)  # from the incisors to the molars, in the picture
    edge = float((camera.project(teeth) @ back).max())
    best, least = None, np.inf
    for elevation in np.radians(np.arange(-60.0, 61.0, 5.0)):
        plane = plane_between(camera, teeth, float(elevation), 2.0)
        if plane.normal @ camera.rotation[2] < 0.35:
            continue
        again = plane.reflected(front)
        if camera.to_camera(again)[:, 2].min() < 25.0:
            continue
        space = float((camera.project(again) @ back).min()) - edge
        off = abs(space - room * camera.height)
        if off < least:
            best, least = plane, off
    return best or plane_between(camera, teeth, 0.0, 2.0)


def on_plane(camera: Camera, ring: Ring, plane: Plane) -> Ring:
    """The ring moved along the camera's rays onto a plane."""
    normal = camera.rotation @ plane.normal
    offset = normal @ camera.to_camera(plane.point[None])[0]
    rays = ring.points / ring.points[:, 2:]
    depth = offset / np.maximum(rays @ normal, 0.2)
    return replace(ring, points=rays * np.clip(depth, 30.0, 600.0)[:, None])


def rim(camera: Camera, ring: Ring, wide: float, thick: float) -> tuple[Array, Quads]:
    """The mirror's edge: a flat tube along a ring; vertices (n, 3) world mm and quads."""
    turn = np.linspace(0.0, 2.0 * np.pi, _AROUND, endpoint=False)[None, :, None]
    outward = np.column_stack([ring.outward, np.zeros(len(ring.angle))])[:, None]
    rows = ring.points[:, None] + 0.5 * wide * (1.0 + np.cos(turn)) * outward
    rows = rows + 0.5 * thick * np.sin(turn) * np.array([0.0, 0.0, 1.0])
    closed = ring_grid(len(ring.angle) + 1, _AROUND) % (len(ring.angle) * _AROUND)
    return in_world(camera, rows.reshape(-1, 3)), closed.astype(np.int32)


def grown(ring: Ring, factor: float, deeper: float) -> Ring:
    """The ring enlarged about its middle and moved ``deeper`` mm away from the camera."""
    middle = ring.points.mean(axis=0)
    return replace(ring, points=middle + (ring.points - middle) * factor + np.array([0.0, 0.0, deeper]))
