"""Pictures with known cameras, as every surface method takes them.

Frame: the views' own world, right-handed. TeethDreamer's is z to the palate, +Y in front of the incisors,
+X at the patient's right, units of the jaw pair's largest extent; readers of other data keep theirs.
Cameras are cam2world with OpenGL axes (x right, y up, z backward); pixel (i, j) has its centre at
(i + 0.5, j + 0.5). Source: ``teethdreamer-spec.md``, sections 4.3 and 6.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from teethscape.dental.fdi import Jaw

Array = NDArray[np.float64]
FloatImage = NDArray[np.float32]
#: OpenCV camera axes to OpenGL's and back.
FLIP: Array = np.diag([1.0, -1.0, -1.0])
#: Less of the object in a pixel is a mask's doing.
_OPAQUE = 0.5
#: A shorter normal is none.
_DIRECTION = 0.5


@dataclass(frozen=True, eq=False)
class Views:
    """n views of one object.

    Attributes:
        names: what to call each view in messages.
        colours: (n, h, w, 3) 0..1.
        colour_mask: (n, h, w) 1 where the colour may be believed; foregrounds that were moved or cut by a fit
            may reach beyond.
        foreground: (n, h, w) 0..1, how much of the pixel shows the object.
        normals: (n, h, w, 3) unit, world; zero where unknown; None without normals.
        intrinsics: (n, 3, 3) K, pixels.
        cam2world: (n, 3, 4) OpenGL axes.
        jaw: which jaw is shown, where that is known.
        low: (3,) lower corner of the box that holds the object.
        high: (3,) its upper corner.
        border_px: how far the foregrounds' borders wander about the true ones, standard deviation, px.
        points: (m, 3) on the object, world, where the data set brings some.
        point_colours: (m, 3) theirs, 0..1, where it brings those too.
        is_alone: the jaw was laid into the world by its own box, not by that of both jaws.
    """

    names: tuple[str, ...]
    colours: FloatImage
    colour_mask: FloatImage
    foreground: FloatImage
    normals: FloatImage | None
    intrinsics: Array
    cam2world: Array
    jaw: Jaw | None
    low: Array
    high: Array
    border_px: float = 0.0
    points: Array | None = None
    point_colours: Array | None = None
    is_alone: bool = False

    def __len__(self) -> int:
        return len(self.names)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, px."""
        return self.colours.shape[1], self.colours.shape[2]

    @property
    def has_masks(self) -> bool:
        """Whether any foreground leaves anything out; those of opaque photos do not."""
        return bool((self.foreground < _OPAQUE).any())

    @property
    def centres(self) -> Array:
        """(n, 3) projection centres, world."""
        return self.cam2world[:, :, 3]

    def filled_colours(self) -> FloatImage:
        """(n, h, w, 3) colours; where the object is but none is believed, the nearest that is.

        Foregrounds that were moved outward or cut by a fit reach into what had been removed.
        """
        unknown = (self.foreground >= _OPAQUE) & (self.colour_mask < _OPAQUE)
        out = self.colours.copy() if unknown.any() else self.colours
        for view in np.flatnonzero(unknown.any(axis=(1, 2)) & (self.colour_mask >= _OPAQUE).any(axis=(1, 2))):
            place = ndimage.distance_transform_edt(
                self.colour_mask[view] < _OPAQUE, return_distances=False, return_indices=True
            )
            row, column = np.asarray(place)[:, unknown[view]]
            out[view][unknown[view]] = self.colours[view, row, column]
        return out

    def directions(self, view: int) -> Array:
        """(h, w, 3) directions of the rays through a view's pixels, world, not normalised."""
        height, width = self.size
        return _camera_directions(height, width, self.intrinsics[view]) @ self.cam2world[view, :, :3].T

    def project(self, view: int, points: Array) -> tuple[Array, Array]:
        """(m, 3) world points to (m, 2) pixels (centres at +0.5) and (m,) depths along the axis."""
        turned = (points - self.cam2world[view, :, 3]) @ self.cam2world[view, :, :3] @ FLIP
        k, depth = self.intrinsics[view], turned[:, 2]
        safe = np.where(np.abs(depth) > 1e-9, depth, 1e-9)
        return turned[:, :2] / safe[:, None] * k[[0, 1], [0, 1]] + k[:2, 2], depth

    def subset(self, keep: Sequence[int]) -> Views:
        """Some of the views."""
        index = list(keep)
        return replace(
            self,
            names=tuple(self.names[i] for i in index),
            colours=self.colours[index],
            colour_mask=self.colour_mask[index],
            foreground=self.foreground[index],
            normals=None if self.normals is None else self.normals[index],
            intrinsics=self.intrinsics[index],
            cam2world=self.cam2world[index],
        )

    def without(self, view: int) -> Views:
        """All views but one."""
        return self.subset([k for k in range(len(self)) if k != view])


def _camera_directions(height: int, width: int, k: Array) -> Array:
    """(h, w, 3) directions through pixel centres in the camera's OpenGL axes, z = -1."""
    x = (np.arange(width) + 0.5 - k[0, 2]) / k[0, 0]
    y = (np.arange(height) + 0.5 - k[1, 2]) / k[1, 1]
    return np.stack([*np.meshgrid(x, -y), -np.ones((height, width))], axis=-1)


def directed(normals: FloatImage) -> NDArray[np.bool_]:
    """(...,) which of normals (..., 3) are directions."""
    return np.linalg.norm(normals, axis=-1) > _DIRECTION


def opengl_cam2world(poses: Array) -> Array:
    """(n, 3, 4) world-to-camera poses with OpenCV axes as cam2world with OpenGL axes."""
    turn = poses[:, :, :3].transpose(0, 2, 1)
    centre = -(turn @ poses[:, :, 3:])
    return np.concatenate([turn @ FLIP, centre], axis=2)
