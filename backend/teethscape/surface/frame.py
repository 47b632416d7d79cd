"""TeethDreamer's world and the case's frame: millimetres, orientation, and where the size comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from teethscape.anchor.antagonists import average_antagonists, lacking, pair_of
from teethscape.anchor.jaw import read_crowns
from teethscape.dental.case import CaseFolder
from teethscape.dental.fdi import Jaw, jaw_of, object_name
from teethscape.dental.units import ScaleRecord, ScaleSource
from teethscape.mesh.align import Similarity
from teethscape.mesh.load import load_teeth
from teethscape.mesh.solid import FileNote, Solid
from teethscape.parametric.prior import load_prior
from teethscape.surface.lone import place_by_outlines
from teethscape.surface.mesh.teeth import KnownArch
from teethscape.surface.views import Array, Views

#: TeethDreamer's axes to ours: (x, y, z) to (-x, -y, z), a half turn about z.
_TURN: Array = np.diag([-1.0, -1.0, 1.0])
#: Relative standard deviation of the extent of a jaw pair among people, when nothing is known.
_UNKNOWN_SIGMA = 0.06
#: That of a jaw pair of which one jaw is average: 0.03 beside a fitted upper, 0.055 beside a lower one.
_GUESSED_SIGMA = 0.045


class OwnNote(FileNote):
    """The note of a mesh that is not of teeth: units and frame are those of its views."""

    @property
    def entries(self) -> dict[str, str]:
        """Name and value of each statement."""
        return {
            "generator": super().entries["generator"],
            "unit": "that of the views",
            "frame": "that of the views",
        }


@dataclass(frozen=True, eq=False)
class Frame:
    """How the views' world becomes the frame of the files.

    Attributes:
        scale: mm per unit of the views' world; 1 for views of other things.
        centre: (3,) where the views' origin lies in our frame, mm.
        turn: (3, 3) rows in the views' axes times this are in ours.
        is_dental: the views' world is TeethDreamer's.
        note: what files say.
        arch: the fitted crowns of the jaw that is shown, in the views' axes, mm, when a case has some.
        lacks: the jaw of which the case that was given has no teeth.
        is_guessed: size and place are those of an average jaw in place of that one.
    """

    scale: float
    centre: Array
    is_dental: bool
    note: FileNote
    arch: KnownArch | None = None
    turn: Array = field(default_factory=lambda: _TURN)
    lacks: Jaw | None = None
    is_guessed: bool = False

    def to_ours(self, points: Array) -> Array:
        """(n, 3) mm in the views' axes to our frame."""
        return points @ self.turn + self.centre if self.is_dental else points

    def to_views(self, points: NDArray[np.floating]) -> Array:
        """(n, 3) mm in our frame to the views' axes."""
        return np.asarray((points - self.centre) @ self.turn.T, np.float64)


def anchored_frame(place: Similarity, teeth: Mapping[int, Solid], scale: ScaleRecord, jaw: Jaw) -> Frame:
    """The frame of views of a jaw that were laid onto its fitted teeth.

    Args:
        place: our frame to the views' world, as the comparison with the fit found it.
        teeth: fitted crowns by FDI number, our frame, mm.
        scale: of the case.
        jaw: which jaw the views show.
    """
    centre = -(place.shift / place.scale) @ place.rotation
    note = FileNote(scale, f"{jaw.value} jaw")
    bare = Frame(1 / place.scale, centre, True, note, turn=place.rotation, lacks=lacking(teeth))
    return replace(bare, arch=_known(teeth, jaw, bare))


def frame_of(
    views: Views, extent_mm: float | None, case: Path | None, place: Similarity | None = None
) -> Frame:
    """The frame of views.

    Args:
        views: their jaw tells whether they show teeth.
        extent_mm: largest extent of the jaw pair, when known; of a jaw that was normalised by itself, its.
        case: a finished case whose fitted arch gives size, place and a start.
        place: where the views lie on that arch, when they were compared; else where they should.

    Raises:
        BadInputError: the case holds no teeth.
    """
    if views.jaw is None:
        return Frame(1.0, np.zeros(3), False, OwnNote(ScaleRecord(ScaleSource.ESTIMATED, 0.0)))
    subject = f"{views.jaw.value} jaw"
    if case is not None:
        teeth = fitted_teeth(case)
        if place is not None:
            return anchored_frame(place, teeth, _case_scale(case), views.jaw)
        return _frame_of_case(views, views.jaw, teeth, _case_scale(case), extent_mm)
    prior = load_prior()
    boxed = [fdi for fdi in prior.fdi if not views.is_alone or jaw_of(fdi) is views.jaw]
    extent, centre = _box(np.concatenate([prior.mean_vertices(fdi) for fdi in boxed]))
    if extent_mm is not None:
        return Frame(extent_mm, centre, True, FileNote(ScaleRecord(ScaleSource.KNOWN_LENGTH, 0.0), subject))
    return Frame(extent, centre, True, FileNote(ScaleRecord(ScaleSource.ESTIMATED, _UNKNOWN_SIGMA), subject))


def _frame_of_case(
    views: Views, jaw: Jaw, teeth: Mapping[int, Solid], scale: ScaleRecord, extent_mm: float | None
) -> Frame:
    """The frame of views that lie where those of the training data do, by the jaw pair's box or their own."""
    points = np.concatenate([solid.vertices for solid in teeth.values()]).astype(np.float64)
    lacks = lacking(teeth)
    if views.is_alone and lacks is not jaw:
        lacks = None  # the other jaw is not wanted
    extent, centre = _box(_boxed(views, jaw, teeth))
    frame = Frame(extent_mm or extent, centre, True, FileNote(scale, f"{jaw.value} jaw"), lacks=lacks)
    if lacks is not None and lacks is not jaw:
        start = Similarity(1 / frame.scale, _TURN, -_TURN @ centre / frame.scale)
        place = place_by_outlines(views, points, start, extent_mm is not None)
        if place is not None:
            return anchored_frame(place, teeth, scale, jaw)
    if lacks is not None:
        frame = replace(frame, is_guessed=True, note=_guessed(frame.note, extent_mm))
    return replace(frame, arch=_known(teeth, jaw, frame))


def _boxed(views: Views, jaw: Jaw, teeth: Mapping[int, Solid]) -> NDArray[np.floating]:
    """(n, 3) points by whose box the views lie: of both jaws, or of one that was normalised by itself."""
    if not views.is_alone:
        return pair_of(teeth)
    own = [solid.vertices for fdi, solid in teeth.items() if jaw_of(fdi) is jaw]
    return np.concatenate(own) if own else average_antagonists(teeth, jaw)


def _guessed(note: FileNote, extent_mm: float | None) -> FileNote:
    """A note of a size that depends on an average jaw, unless the extent is known."""
    if extent_mm is not None:
        return note
    sigma = float(np.hypot(note.scale.relative_sigma, _GUESSED_SIGMA))
    return replace(note, scale=replace(note.scale, relative_sigma=sigma))


def _box(points: NDArray[np.floating]) -> tuple[float, Array]:
    """Largest extent and middle of the box of (n, 3) points."""
    low, high = points.min(axis=0), points.max(axis=0)
    return float((high - low).max()), (low + high) / 2


def fitted_teeth(case: Path) -> dict[int, Solid]:
    """The fitted crowns of a case by FDI number, mm; of a folder of meshes, those.

    Raises:
        BadInputError: the case is not finished or damaged, or the folder holds no teeth.
    """
    if not CaseFolder(case).record_path.is_file():
        return load_teeth(case)
    return {fdi: Solid(object_name(fdi), c.vertices, c.faces) for fdi, c in read_crowns(case).items()}


def _case_scale(case: Path) -> ScaleRecord:
    folder = CaseFolder(case)
    if not folder.record_path.is_file():
        return ScaleRecord(ScaleSource.ESTIMATED, _UNKNOWN_SIGMA)
    scale = folder.read_finished()["scale"]
    return ScaleRecord(ScaleSource(scale["source"]), scale["relative_sigma"], scale.get("factor", 1.0))


def _known(teeth: Mapping[int, Solid], jaw: Jaw, frame: Frame) -> KnownArch | None:
    own = {
        fdi: Solid(solid.name, frame.to_views(solid.vertices.astype(np.float64)), solid.faces)
        for fdi, solid in teeth.items()
        if jaw_of(fdi) is jaw
    }
    return KnownArch(own) if own else None
