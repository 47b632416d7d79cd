"""What the comparison of a painted jaw with the fitted arch says, as data and in words."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teethscape.anchor.agreement import Agreement
from teethscape.anchor.cameras import COUNT
from teethscape.anchor.count import Count
from teethscape.anchor.sequences import Change
from teethscape.dental.case import utc_now
from teethscape.dental.fdi import Jaw
from teethscape.dental.files import write_json
from teethscape.errors import BadInputError, RefusedError
from teethscape.mesh.align import Similarity

#: Least common area, largest distance of outlines (mm) and angle of normals of views that agree. Between the
#: views of synthetic jaws painted well (fit wrong by up to 0.4 mm, outlines bent by up to 1.5 px, normals
#: noisy by up to 15 degrees) and painted wrongly (mirrored, turned, shifted, exchanged, of someone else).
_OVERLAP, _OUTLINE_MM, _NORMALS_DEG = 0.76, 0.65, 24.0
#: Fewer agreeing views than this leave a jaw without an anchor; below this overlap all is lost.
NEEDED_VIEWS, _LOST = COUNT // 2, 0.6
FORMAT = "teethscape-anchor"
#: How far the axes of a rotation may be from unit and square.
_SQUARE = 1e-3


class Fault(str, Enum):
    """In what a view disagrees with the fitted arch."""

    OUTLINE = "outline"
    NORMALS = "normals"
    COUNT = "count"

    __str__ = str.__str__


@dataclass(frozen=True)
class ViewReport:
    """One painted view.

    Attributes:
        name: such as ``view 8``.
        agreement: outlines and normals.
        fitted_teeth: fitted teeth that the view shows.
        painted_teeth: how many of them the view is painted with.
    """

    name: str
    agreement: Agreement
    fitted_teeth: int
    painted_teeth: int

    @property
    def faults(self) -> tuple[Fault, ...]:
        """In what it disagrees."""
        found = self.agreement
        wrong = {
            Fault.OUTLINE: found.overlap < _OVERLAP or found.outline_mm > _OUTLINE_MM,
            Fault.NORMALS: not found.normals_deg <= _NORMALS_DEG,
            Fault.COUNT: self.painted_teeth != self.fitted_teeth,
        }
        return tuple(fault for fault, is_there in wrong.items() if is_there)

    @property
    def is_placed(self) -> bool:
        """Whether it shows the fitted jaw where the fit has it, whatever its count of teeth."""
        return not {Fault.OUTLINE, Fault.NORMALS} & set(self.faults)


@dataclass(frozen=True, eq=False)
class JawReport:
    """All painted views of a jaw.

    Attributes:
        name: of the strip, such as ``1832_upper``.
        jaw: which one.
        teeth: FDI numbers that the photos show.
        count: what the creases of the views that agree tell together.
        views: one report per view.
        place: the patient's frame (mm) to the views' world.
        start: the same as the renderer of the training data would have it.
        fit: digest of the fitted crowns, as `fit_digest` gives it.
    """

    name: str
    jaw: Jaw
    teeth: tuple[int, ...]
    count: Count
    views: tuple[ViewReport, ...]
    place: Similarity
    start: Similarity
    fit: str

    @property
    def disagreeing(self) -> tuple[int, ...]:
        """Numbers (0 to 7) of the views that disagree."""
        return tuple(k for k, view in enumerate(self.views) if view.faults)

    @property
    def placed(self) -> int:
        """How many views show the jaw where it is."""
        return sum(view.is_placed for view in self.views)

    @property
    def merit(self) -> tuple[float, ...]:
        """Larger is better: count right, views that agree, nearness of outlines."""
        near = sum(min(view.agreement.outline_mm, 10.0) for view in self.views)
        return float(self.count.change is Change.NONE), float(COUNT - len(self.disagreeing)), -near

    def refusal(self) -> RefusedError | None:
        """Why the views cannot be trusted, if they cannot."""
        lost = self.placed < NEEDED_VIEWS
        median = float(np.median([view.agreement.overlap for view in self.views]))
        if not (lost and median < _LOST) and self.count.change is not Change.NONE:
            return RefusedError(
                "tooth_count_differs",
                f"{self.name} is painted with {self.count.teeth} teeth, the photos show {len(self.teeth)}; "
                f"they differ near tooth {self.count.near}.",
                "Paint again with another --seed, or correct the masks if the photos show another number.",
            )
        if lost:
            return RefusedError(
                "views_disagree",
                f"Only {self.placed} of {COUNT} views of {self.name} agree with the fitted teeth.",
                "Paint again with another --seed or more --steps, or leave this out with --no-anchor.",
            )
        return None


def sentences(report: JawReport) -> list[str]:
    """The report for people."""
    agree = COUNT - len(report.disagreeing)
    found = [view.agreement for view in report.views if view.is_placed]
    lines = [f"{report.name}: {agree} of {COUNT} views agree with the fitted teeth."]
    if found:
        outline = np.mean([one.outline_mm for one in found])
        angle = np.mean([one.normals_deg for one in found])
        overlap = 100 * np.mean([one.overlap for one in found])
        lines.append(
            f"  outlines {outline:.2f} mm apart, {overlap:.0f} % in common, normals {angle:.0f} degrees apart"
        )
    lines += [f"  {_told(view)}" for view in report.views if view.faults]
    if report.count.change is not Change.NONE:
        lines.append(
            f"  {report.count.teeth} teeth are painted, the photos show {len(report.teeth)} "
            f"(tooth {report.count.change}, near {report.count.near})"
        )
    return lines


def _told(view: ViewReport) -> str:
    found, parts = view.agreement, []
    if Fault.OUTLINE in view.faults:
        parts.append(f"outlines {found.outline_mm:.1f} mm apart, {100 * found.overlap:.0f} % in common")
    if Fault.NORMALS in view.faults:
        parts.append(f"normals {found.normals_deg:.0f} degrees apart")
    if Fault.COUNT in view.faults:
        parts.append(f"{view.painted_teeth} teeth instead of {view.fitted_teeth}")
    return f"{view.name} disagrees: {'; '.join(parts)}"


def report_path(strip: Path) -> Path:
    """Where the report of a strip lies."""
    return strip.with_suffix(".anchor.json")


def write_report(strip: Path, report: JawReport) -> Path:
    """Write the report beside its strip; the file is replaced at once."""
    path = report_path(strip)
    write_json(path, as_json(report))
    return path


def as_json(report: JawReport) -> dict[str, Any]:
    """Plain JSON values; numbers that do not exist are null."""
    return {
        "format": FORMAT,
        "name": report.name,
        "jaw": report.jaw.value,
        "teeth": list(report.teeth),
        "painted_teeth": report.count.teeth,
        "change": report.count.change.value,
        "near": report.count.near,
        "margin": _finite(report.count.margin),
        "disagreeing": [report.views[k].name for k in report.disagreeing],
        "views": [_view_json(view) for view in report.views],
        "place": _place_json(report.place),
        "start": _place_json(report.start),
        "fit": report.fit,
        "frames": "place takes the case's frame (mm) to the views' world (extents of the jaw pair)",
        "created": utc_now(),
    }


def _view_json(view: ViewReport) -> dict[str, Any]:
    found = view.agreement
    return {
        "name": view.name,
        "overlap": _finite(found.overlap),
        "outline_px": _finite(found.outline_px),
        "outline_mm": _finite(found.outline_mm),
        "normals_deg": _finite(found.normals_deg),
        "fitted_teeth": view.fitted_teeth,
        "painted_teeth": view.painted_teeth,
        "faults": [fault.value for fault in view.faults],
    }


def _place_json(place: Similarity) -> dict[str, Any]:
    return {"scale": place.scale, "rotation": place.rotation.tolist(), "shift": place.shift.tolist()}


def _placed(scale: float, rotation: NDArray[np.float64], shift: NDArray[np.float64]) -> Similarity:
    """A placement: a scale, a rotation (3, 3) and a shift (3,).

    Raises:
        ValueError: it is none.
    """
    if not 0 < scale < math.inf:
        raise ValueError("its scale is not above zero")
    if shift.shape != (3,) or not np.isfinite(shift).all():
        raise ValueError("its shift is not three numbers")
    if rotation.shape != (3, 3) or not np.allclose(rotation @ rotation.T, np.eye(3), atol=_SQUARE):
        raise ValueError("its rotation is none")
    if np.linalg.det(rotation) < 0:
        raise ValueError("its rotation mirrors")
    return Similarity(scale, rotation, shift)


def _finite(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


def read_fit(strip: Path) -> str | None:
    """The digest of the fitted crowns that a strip was compared with; None where its report tells none."""
    try:
        told = json.loads(report_path(strip).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    fit = told.get("fit") if isinstance(told, dict) else None
    return fit if isinstance(fit, str) else None


def read_place(strip: Path) -> Similarity:
    """The placement that was found for a strip.

    Raises:
        BadInputError: the strip was not compared with a case, or the report is damaged.
    """
    path = report_path(strip)
    try:
        place = json.loads(path.read_text("utf-8"))["place"]
        turn, shift = (np.array(place[name], np.float64) for name in ("rotation", "shift"))
        return _placed(float(place["scale"]), turn, shift)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise BadInputError(
            "anchor_missing",
            f"{path} does not tell where the views of {strip.name} lie ({error}).",
            "Run: teethscape generate CASE --output DIR",
        ) from error
