"""A painted strip compared with the arch of its case: the use case of this package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from teethscape.anchor.agreement import agreement_of
from teethscape.anchor.cameras import COUNT, USUAL_SIZE, cameras_in_mm, start_of, view_name
from teethscape.anchor.count import Count, counted, pooled
from teethscape.anchor.creases import profile
from teethscape.anchor.curve import arch_line
from teethscape.anchor.drawn import DrawnView, drawn_view
from teethscape.anchor.jaw import FittedJaw, fitted_jaw, jaws_of, read_crowns
from teethscape.anchor.lay import laid
from teethscape.anchor.painted import PaintedView, read_painted
from teethscape.anchor.report import NEEDED_VIEWS, JawReport, ViewReport
from teethscape.dental.fdi import Jaw
from teethscape.errors import BadInputError

#: Least pixels of a tooth in a picture of 256 for the view to show it.
_SHOWN_PX = 12
#: What one view tells alone is believed when it explains its creases by so much better.
_ALONE = 4.0


def fitted_of(case: Path, jaw: Jaw) -> FittedJaw:
    """A jaw of a finished case.

    Raises:
        BadInputError: the case is not finished or has no tooth in this jaw.
    """
    crowns = read_crowns(case)
    if jaw not in jaws_of(crowns):
        raise BadInputError(
            "no_teeth", f"The case {case} has no fitted tooth in the {jaw.value} jaw.", "Leave that jaw out."
        )
    return fitted_jaw(crowns, jaw)


def compare_strip(case: Path, strip: Path, jaw: Jaw) -> JawReport:
    """Compare a strip file with the fitted arch of a finished case.

    Raises:
        BadInputError: the case has no such jaw or is not finished, or the strip is damaged.
    """
    return compare(fitted_of(case, jaw), read_painted(strip, jaw), strip.stem)


def compare(jaw: FittedJaw, views: Sequence[PaintedView], name: str) -> JawReport:
    """Compare eight painted views with a fitted jaw.

    Args:
        jaw: of a finished case.
        views: as `generate` paints them.
        name: of the strip in messages.
    """
    start, line = start_of(jaw), arch_line(jaw)
    place = laid(jaw, views, start)
    size = views[0].foreground.shape[0]
    drawn = [drawn_view(jaw, camera) for camera in cameras_in_mm(jaw.jaw, size, place)]
    pairs = list(zip(drawn, views, strict=True))
    painted = [profile(line, d, v.foreground, v.normals) for d, v in pairs]
    fitted = [profile(line, d, d.silhouette, d.normals) for d in drawn]
    told = [counted(jaw, line, *both) for both in zip(painted, fitted, strict=True)]
    reports = tuple(_view_report(jaw, k, pairs[k], told[k]) for k in range(COUNT))
    keep = np.array([report.is_placed for report in reports])
    if keep.sum() < NEEDED_VIEWS:
        keep[:] = True
    count = counted(jaw, line, pooled(painted, keep), pooled(fitted, keep))
    return JawReport(name, jaw.jaw, jaw.teeth, count, reports, place, start, jaw.fit)


def _view_report(jaw: FittedJaw, number: int, pair: tuple[DrawnView, PaintedView], told: Count) -> ViewReport:
    drawn, painted = pair
    pixels = np.bincount(drawn.buffer.owner[drawn.silhouette], minlength=len(jaw.teeth))
    size = drawn.camera.width / USUAL_SIZE
    shown = int((pixels >= _SHOWN_PX * size**2).sum())
    differ = told.teeth - len(jaw.teeth) if told.margin > _ALONE else 0
    return ViewReport(view_name(number), agreement_of(drawn, painted), shown, max(shown + differ, 0))
