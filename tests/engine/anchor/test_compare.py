"""Views that disagree are named, and the report says so."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from teethscape.anchor.agreement import Agreement
from teethscape.anchor.compare import compare, compare_strip, fitted_of
from teethscape.anchor.count import Count
from teethscape.anchor.jaw import fit_digest, read_crowns
from teethscape.anchor.painted import painted_views, read_painted
from teethscape.anchor.report import (
    Fault,
    JawReport,
    ViewReport,
    read_fit,
    read_place,
    report_path,
    sentences,
    write_report,
)
from teethscape.anchor.sequences import Change
from teethscape.dental.fdi import Jaw
from teethscape.errors import BadInputError, ExitCode
from teethscape.mesh.align import Similarity
from teethscape.progress import NoProgress
from teethscape.surface.placement import place_in

from .cases import write_case
from .conftest import JAW
from .paint import Brush, strip, tiles, truth_of

RIGHT = Count(Change.NONE, 14, None, 5.0)
GOOD = Agreement(0.9, 0.8, 0.3, 12.0)


def _view(number, agreement=GOOD, painted=14):
    return ViewReport(f"view {8 + number}", agreement, 14, painted)


def _report(*views, count=RIGHT):
    """A report of eight views; those not given are good."""
    others = [_view(k) for k in range(len(views), 8)]
    same = Similarity.identity()
    return JawReport("p_upper", JAW, tuple(range(14)), count, (*views, *others), same, same, "f1")


def test_faults_name_what_is_wrong():
    assert _view(0).faults == ()
    assert _view(0, replace(GOOD, overlap=0.5)).faults == (Fault.OUTLINE,)
    assert _view(0, replace(GOOD, normals_deg=40.0)).faults == (Fault.NORMALS,)
    assert _view(0, replace(GOOD, normals_deg=float("nan"))).faults == (Fault.NORMALS,)
    assert _view(0, painted=13).faults == (Fault.COUNT,)
    assert _view(0, painted=13).is_placed


def test_refusals():
    wrong = Agreement(0.2, float("inf"), float("inf"), 60.0)
    assert _report(*[_view(k, wrong) for k in range(4)]).refusal() is None
    lost = _report(*[_view(k, wrong) for k in range(5)]).refusal()
    assert lost is not None
    assert (lost.code, lost.exit_code) == ("views_disagree", ExitCode.REFUSED)
    other = _report(count=Count(Change.MISSING, 13, 15, 3.0)).refusal()
    assert other is not None
    assert other.code == "tooth_count_differs"
    assert "13 teeth, the photos show 14" in other.message
    assert "near tooth 15" in other.message


def test_the_better_report_has_more_merit():
    bad = _view(0, replace(GOOD, overlap=0.5))
    assert _report().merit > _report(bad).merit
    assert _report(bad).merit > _report(count=Count(Change.ADDED, 15, 15, 3.0)).merit
    assert _report(_view(0, replace(GOOD, outline_mm=0.2))).merit > _report().merit


def test_the_report_in_words_and_as_a_file(tmp_path):
    wrong = Agreement(0.2, float("inf"), float("inf"), float("nan"))
    report = _report(_view(0), _view(1, wrong), _view(2, painted=13))
    text = "\n".join(sentences(report))
    assert "6 of 8 views agree" in text
    assert "view 9 disagrees: outlines inf mm apart" in text
    assert "view 10 disagrees: 13 teeth instead of 14" in text
    path = write_report(tmp_path / "p_upper.png", report)
    assert path == report_path(tmp_path / "p_upper.png") == tmp_path / "p_upper.anchor.json"
    values = json.loads(path.read_text())
    assert values["disagreeing"] == ["view 9", "view 10"]
    assert values["views"][1]["outline_mm"] is None
    assert read_place(tmp_path / "p_upper.png").scale == 1
    assert read_fit(tmp_path / "p_upper.png") == "f1"
    path.write_text("{}")
    assert read_fit(tmp_path / "p_upper.png") is None
    with pytest.raises(BadInputError, match="does not tell where"):
        read_place(tmp_path / "p_upper.png")


def test_crowns_are_read_as_the_case_has_them(crowns, finished_case):
    found = read_crowns(finished_case)
    assert set(found) == set(crowns)
    np.testing.assert_allclose(found[16].vertices, crowns[16].vertices, atol=1e-5)
    assert (found[16].cap == crowns[16].cap).all()
    jaw = fitted_of(finished_case, Jaw.LOWER)
    assert jaw.teeth == (47, 46, 45, 44, 43, 42, 41, 31, 32, 33, 34, 35, 36, 37)
    assert (jaw.left[:, 0] > -0.3).all()  # towards the patient's left, or along the side


def test_a_fit_is_told_from_others_by_its_crowns(exact, crowns, finished_case):
    kept = {fdi: crown.vertices for fdi, crown in read_crowns(finished_case).items()}
    assert exact.fit == fit_digest(kept, JAW)  # meshes hold less exact numbers
    assert exact.fit == fit_digest({fdi: v for fdi, v in kept.items() if fdi < 30}, JAW)
    for other in ({**kept, 11: kept[11] * 1.001}, {**kept, 11: kept[21], 21: kept[11]}):
        assert exact.fit != fit_digest(other, JAW)
    assert exact.fit != fit_digest(kept, Jaw.LOWER)
    assert exact.fit != fit_digest({fdi: v for fdi, v in kept.items() if fdi != 17}, JAW)


def test_a_strip_must_have_sixteen_tiles(painted, tmp_path):
    Image.fromarray(strip(painted[:8])).save(tmp_path / "x.png")
    with pytest.raises(BadInputError, match="8 tiles, not 16"):
        read_painted(tmp_path / "x.png", JAW)


@pytest.mark.slow
def test_a_well_painted_strip_agrees(painted, arch):
    report = compare(arch, painted_views(painted, JAW), "p_upper")
    assert report.disagreeing == ()
    assert report.refusal() is None
    assert report.count.teeth == 14


def _spoilt(kind, tile):
    import cv2

    if kind == "mirrored":
        return tile[:, ::-1].copy()
    if kind == "turned":
        turn = cv2.getRotationMatrix2D((127.5, 127.5), 10, 1)
        return cv2.warpAffine(tile, turn, (256, 256), borderValue=(255, 255, 255))
    shift = np.array([[1.0, 0, 7], [0, 1, 0]])
    return cv2.warpAffine(tile, shift, (256, 256), borderValue=(255, 255, 255))


@pytest.mark.slow
def test_views_painted_wrongly_are_named(crowns, arch, finished_case, tmp_path):
    good = tiles(crowns, JAW, truth_of(crowns), Brush(noise=8, wobble=0.8))
    for number, kind in enumerate(("mirrored", "turned", "shifted")):
        parts, bad = list(good), (3 * number + 1) % 8
        for tile in (bad, 8 + bad):
            parts[tile] = _spoilt(kind, parts[tile])
        report = compare(arch, painted_views(parts, JAW), "p_upper")
        assert report.disagreeing == (bad,), kind
        assert report.refusal() is None
    Image.fromarray(strip(good)).save(tmp_path / "p_upper.png")
    assert compare_strip(finished_case, tmp_path / "p_upper.png", JAW).disagreeing == ()
    noisy = [*good[:8], *tiles(crowns, JAW, truth_of(crowns), Brush(noise=45))[8:]]
    parts = [*good[:12], noisy[12], *good[13:]]
    assert compare(arch, painted_views(parts, JAW), "p_upper").disagreeing == (4,)


@pytest.mark.slow
def test_a_strip_of_a_case_that_was_fitted_again_is_laid_onto_the_new_fit(
    crowns, painted, exact, finished_case, tmp_path
):
    file = tmp_path / "p_upper.png"
    Image.fromarray(strip(painted)).save(file)
    write_report(file, compare(exact, painted_views(painted, JAW), "p_upper"))
    known = place_in(finished_case, file, JAW, NoProgress())
    larger = {fdi: replace(crown, vertices=1.08 * crown.vertices) for fdi, crown in crowns.items()}
    place = place_in(write_case(tmp_path / "case", larger), file, JAW, NoProgress())
    assert known is not None
    assert place is not None
    assert known.scale / place.scale == pytest.approx(1.08, rel=2e-3)


@pytest.mark.slow
def test_views_of_nothing_are_refused(arch):
    rng = np.random.default_rng(0)
    grey = [rng.integers(0, 255, (64, 64, 3)).astype(np.uint8) for _ in range(16)]
    white = [np.full((64, 64, 3), 255, np.uint8)] * 16
    for parts in (grey, white):
        refusal = compare(arch, painted_views(parts, JAW), "p_upper").refusal()
        assert refusal is not None
        assert refusal.code == "views_disagree"
