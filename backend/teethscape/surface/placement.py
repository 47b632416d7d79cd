"""Where the views of a case lie: as `generate` has found, or compared anew after another fit."""

from __future__ import annotations

from pathlib import Path

from teethscape.anchor.compare import compare_strip
from teethscape.anchor.jaw import fit_digest
from teethscape.anchor.report import NEEDED_VIEWS, read_fit, read_place, report_path
from teethscape.dental.fdi import Jaw
from teethscape.errors import BadInputError
from teethscape.mesh.align import Similarity
from teethscape.progress import Progress
from teethscape.surface.frame import fitted_teeth


def place_in(case: Path, strip: Path, jaw: Jaw, progress: Progress) -> Similarity | None:
    """Where compared views lie in a case: its frame (mm) to the views' world.

    The report beside a strip holds for the fit that it names. For another one the strip is compared anew,
    with a word about it; strip and report stay as they are.

    Args:
        case: a finished case, or a folder of meshes.
        strip: painted views, or any others.
        jaw: which jaw they show.
        progress: warned of a report that is of another fit.

    Returns:
        None: the views were never compared, or do not agree with this fit.

    Raises:
        BadInputError: the case holds no teeth, or the report is damaged.
    """
    if not report_path(strip).is_file():
        return None
    vertices = {fdi: tooth.vertices for fdi, tooth in fitted_teeth(case).items()}
    if read_fit(strip) == fit_digest(vertices, jaw):
        return read_place(strip)
    place = _compared_anew(case, strip, jaw)
    told = f"The report of {strip.name} does not say that it was compared with the fit of {case}"
    done = (
        "it was compared anew."
        if place
        else "it does not agree with this: size and place are those of the box."
    )
    progress.warn("placement_stale", f"{told}; {done} Run teethscape generate again to renew the report.")
    return place


def _compared_anew(case: Path, strip: Path, jaw: Jaw) -> Similarity | None:
    try:
        report = compare_strip(case, strip, jaw)
    except BadInputError:  # meshes alone, which do not tell where crowns end; or no strip of sixteen tiles
        return None
    return report.place if report.placed >= NEEDED_VIEWS else None
