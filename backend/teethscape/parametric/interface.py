"""What goes into a fit and what comes out: plain records, no behaviour.

Everything is in the world frame (right-handed, mm, +X patient's left, +Y
posterior, +Z cranial, both jaws in the occlusion that the photos show) and in
the pixels of the stored working copies (pixel centres at integer coordinates).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw, Jaws
from teethscape.dental.lengths import KnownLength
from teethscape.dental.request import MaskValues
from teethscape.dental.units import ScaleRecord
from teethscape.dental.views import View

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class PhotoGeometry:
    """Size of a working copy and what its EXIF data says about the lens.

    Attributes:
        width: pixels.
        height: pixels.
        focal_35mm: 35-mm equivalent focal length by the picture's diagonal
            (43.27 mm), or None when unknown.
    """

    width: int
    height: int
    focal_35mm: float | None = None


class Sight(Protocol):
    """What was seen in one photo besides its labels, at a size of its own."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, px."""
        ...

    @property
    def teeth(self) -> NDArray[np.bool_]:
        """(h, w) where the photo shows teeth."""
        ...

    @property
    def clarity(self) -> NDArray[np.float32]:
        """(h, w) chance, 0-1, that a tooth border which is drawn at a pixel is where the teeth have one."""
        ...

    def without(self, hidden: NDArray[np.bool_]) -> Sight:
        """The same without the teeth in a part of the photo, (h, w) of any size."""
        ...

    def scaled(self, factor: float) -> Sight:
        """The same at another size."""
        ...

    def redrawn(self, expected: NDArray[np.int32], rough: bool = False) -> NDArray[np.int32]:
        """(h, w) labels of the photo, drawn with the help of a model (h, w), fitted or rough."""
        ...

    def likelihood(self, expected: NDArray[np.int32]) -> float:
        """How well a model's labels agree with what was seen, nats per px of tooth."""
        ...

    def explained(self, expected: NDArray[np.int32], one_jaw: bool) -> float:
        """Share of the clear tooth borders, 0-1, near which a model's labels have a border.

        With ``one_jaw``, teeth of the other jaw that the picture cuts off do not count.
        """
        ...

    def confirmed(self, expected: NDArray[np.int32]) -> float:
        """Share of a model's borders between two teeth, 0-1, near which a border was seen."""
        ...


@dataclass(frozen=True)
class FitInputs:
    """Evidence for a fit.

    Attributes:
        photos: geometry of each photo.
        labels: (h, w) label images of the photos' size, 0 = no tooth.
        label_kind: what the labels' values mean.
        jaw_hint: per view, the jaw of each instance id, when known.
        kind_hint: per view, the probability of each place in the quadrant (7,) of
            each instance id, central incisor to second molar, when known.
        jaws: jaws to reconstruct.
        known_lengths: measured lengths.
        seed: seed of every random choice.
        absent_teeth: FDI numbers that the user says are missing.
        sight: what the network saw in each photo, None where the labels are the user's.
        look: what the photos show besides the user's labels; asked for where these lack teeth.
        named: per view, FDI number of each instance id that the user has named; no numbering gives another.
        unmirrored: no photo is mirrored, the user says.
    """

    photos: Mapping[View, PhotoGeometry]
    labels: Mapping[View, NDArray[np.int32]]
    label_kind: MaskValues
    jaw_hint: Mapping[View, Mapping[int, Jaw]] | None = None
    kind_hint: Mapping[View, Mapping[int, tuple[float, ...]]] | None = None
    jaws: Jaws = Jaws.BOTH
    known_lengths: tuple[KnownLength, ...] = ()
    seed: int = 0
    absent_teeth: tuple[int, ...] = ()
    sight: Mapping[View, Sight] | None = None
    look: Callable[[], Mapping[View, Sight]] | None = None
    named: Mapping[View, Mapping[int, int]] = field(default_factory=dict)
    unmirrored: bool = False


@dataclass(frozen=True)
class FittedTooth:
    """One crown of the result.

    Attributes:
        vertices: (V, 3) mm, world.
        faces: (F, 3) outward.
        sigma_mm: (V,) standard deviation of each vertex, mm, without the
            uncertainty of the common scale.
        inferred: (V,) true where no photo shows the surface.
        cap: (V,) true on the artificial closure of the neck.
        centre: (3,) mm.
        centre_cov: (3, 3) mm^2.
        axes: (3, 3) columns mesial, buccal, occlusal (world).
        confidence: 0..1 that the tooth exists and carries this number.
        seen_in: views whose labels show it.
        width_mm: mesiodistal width as defined in ``dental.lengths``.
        width_sigma_mm: its standard deviation, the scale's included.
    """

    vertices: Array
    faces: NDArray[np.int32]
    sigma_mm: Array
    inferred: NDArray[np.bool_]
    cap: NDArray[np.bool_]
    centre: Array
    centre_cov: Array
    axes: Array
    confidence: float
    seen_in: tuple[View, ...]
    width_mm: float
    width_sigma_mm: float


@dataclass(frozen=True)
class CameraRecord:
    """A pinhole camera with one radial term.

    A world point x goes to c = world2cam x, then to the pixel
    ``focal_px * c_xy / c_z * (1 + k1 r^2) + principal_point`` with
    ``r = |c_xy / c_z|``.

    Attributes:
        width: pixels.
        height: pixels.
        focal_px: focal length, pixels.
        principal_point: x, y, pixels.
        k1: radial distortion.
        cam2world: (4, 4) OpenCV axes (x right, y down, z forward), mm.  The
            mandibular camera, too, sees the lower jaw where the bite puts it.
    """

    width: int
    height: int
    focal_px: float
    principal_point: tuple[float, float]
    k1: float
    cam2world: Array


@dataclass(frozen=True)
class FitResult:
    """Everything a fit found.

    Attributes:
        teeth: crowns by FDI number; only teeth held to be present.
        cameras: camera of each photo.
        lower_to_upper: (4, 4) rigid map from the prior's mean bite to the
            patient's, already applied to the lower teeth.
        scale: absolute size and its uncertainty.
        notices: sentences for the user.
        numbering: per view, label value -> FDI number.
        metrics: numbers for benchmarks and reports.
        drawn: per view, (h, w) FDI labels drawn with the model's help, at the size of the
            ``Sight``; empty where the given labels stand.
    """

    teeth: Mapping[int, FittedTooth]
    cameras: Mapping[View, CameraRecord]
    lower_to_upper: Array
    scale: ScaleRecord
    notices: tuple[str, ...] = ()
    numbering: Mapping[View, Mapping[int, int]] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    drawn: Mapping[View, NDArray[np.int32]] = field(default_factory=dict)
