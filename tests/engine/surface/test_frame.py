"""Size and place of views by a case that has teeth of one jaw: the views' world is that of the pair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.anchor.antagonists import average_antagonists
from teethscape.dental.fdi import Jaw
from teethscape.dental.files import write_with
from teethscape.dental.units import ScaleRecord, ScaleSource
from teethscape.errors import CancelledError, UsageError
from teethscape.mesh.load import load_teeth
from teethscape.mesh.ply import write_ply
from teethscape.mesh.solid import FileNote, Solid
from teethscape.parametric.prior import load_prior
from teethscape.progress import NoProgress
from teethscape.surface import make
from teethscape.surface.fit_masks import cut_by_fit
from teethscape.surface.frame import frame_of
from teethscape.surface.request import SurfaceRequest
from teethscape.surface.rough import ComparedViews
from teethscape.surface.tangents import Borders

from .scene import SCALE, arch_mesh, views_of

_CENTRE = np.array([5.0, -40.0, 2.0])
_AWAY = np.array([1.0, 2, 3])
_LOWER, _UPPER = (37, 31, 47), (27, 21, 17)


@pytest.fixture(scope="module")
def views():
    return views_of(*arch_mesh(), size=128)


def _case(folder, numbers, away=(0.0, 0.0, 0.0)):
    """The arch that the views show as crowns of one jaw in our frame; ``away``: moved, mm."""
    for fdi, place in zip(numbers, ((-0.22, 0.0), (0.0, 0.14), (0.22, 0.0)), strict=True):
        vertices, faces = arch_mesh((place,))
        solid = Solid(f"FDI_{fdi}", vertices * SCALE * (-1, -1, 1) + _CENTRE + away, faces)
        note = FileNote(ScaleRecord(ScaleSource.SCAN, 0.0))
        write_with(folder / f"FDI_{fdi}.ply", lambda stream, s=solid, n=note: write_ply(stream, s, n))
    return folder


@pytest.mark.parametrize("extent", [None, SCALE])
def test_a_case_of_one_jaw_is_laid_into_the_outlines_of_the_views(views, tmp_path, extent):
    frame = frame_of(views, extent, _case(tmp_path, _LOWER))
    assert frame.scale == pytest.approx(SCALE, rel=0.005)
    np.testing.assert_allclose(frame.centre, _CENTRE, atol=0.3)
    assert not frame.is_guessed
    assert frame.arch is not None
    assert set(frame.arch.teeth) == set(_LOWER)


def test_a_wrong_mask_hardly_moves_it(views, tmp_path):
    masks = views.foreground.copy()
    masks[2] = masks[2][:, ::-1]
    masks[5, 10:20, 10:20] = 1
    frame = frame_of(replace(views, foreground=masks), None, _case(tmp_path, _LOWER))
    np.testing.assert_allclose(frame.centre, _CENTRE, atol=0.6)


def test_teeth_that_do_not_fill_the_outlines_give_no_place(views, tmp_path):
    other = views_of(*arch_mesh(((-0.1, 0.0), (0.0, 0.3), (0.1, 0.0))), size=128)
    frame = frame_of(other, None, _case(tmp_path, _LOWER))
    assert frame.is_guessed
    assert frame.note.scale.relative_sigma > 0.06


def test_a_case_without_the_jaw_that_is_shown_says_so(views, tmp_path):
    frame = frame_of(views, None, _case(tmp_path, _UPPER))
    assert (frame.lacks, frame.is_guessed, frame.arch) == (Jaw.LOWER, True, None)
    with pytest.raises(UsageError, match="of the lower jaw, of which the case has none"):
        cut_by_fit(views, frame)


@pytest.mark.parametrize("of_case", [False, True])
def test_a_jaw_that_was_normalised_by_itself_lies_by_its_own_box(views, tmp_path, of_case):
    case = _case(_case(tmp_path, _LOWER), _UPPER, (0, 5, 9)) if of_case else None
    frame = frame_of(replace(views, is_alone=True), None, case)
    prior = load_prior()
    own = [prior.mean_vertices(fdi) for fdi in prior.fdi if fdi > 30]
    if case is not None:
        own = [solid.vertices for fdi, solid in load_teeth(case).items() if fdi > 30]
    box = np.concatenate(own)
    assert frame.scale == pytest.approx(np.ptp(box, axis=0).max(), rel=1e-4)
    np.testing.assert_allclose(frame.centre, (box.min(axis=0) + box.max(axis=0)) / 2, atol=1e-3)
    assert (frame.arch is not None, frame.is_guessed) == (of_case, False)


def test_an_average_jaw_stands_in_for_one_that_was_normalised_by_itself(views, tmp_path):
    frame = frame_of(replace(views, is_alone=True), None, _case(tmp_path, _UPPER))
    own = average_antagonists(load_teeth(tmp_path), Jaw.LOWER)
    assert frame.is_guessed
    assert frame.scale == pytest.approx(np.ptp(own, axis=0).max(), rel=1e-4)
    np.testing.assert_allclose(frame.centre, (own.min(axis=0) + own.max(axis=0)) / 2, atol=1e-3)


class _Listener(NoProgress):
    def __init__(self):
        self.codes = []

    def warn(self, code, message):
        self.codes.append((code, "lower jaw" in message))


@pytest.mark.parametrize(("numbers", "told"), [(_LOWER, []), (_UPPER, [("jaw_average", True)])])
def test_a_guessed_size_is_said(views, tmp_path, monkeypatch, numbers, told):
    def stop(job):
        raise CancelledError

    monkeypatch.setattr(make, "read_views", lambda request: views)
    compared = ComparedViews(views, Borders(np.zeros(8), 0.0), None)
    monkeypatch.setattr(make, "compared_views", lambda *_: compared)
    monkeypatch.setattr(make, "_method", lambda name: stop)
    listener = _Listener()
    request = SurfaceRequest(tmp_path, tmp_path / "out" / "m.ply", case=_case(tmp_path / "case", numbers))
    with pytest.raises(CancelledError):
        make.make_surface(request, listener)
    assert listener.codes == told
