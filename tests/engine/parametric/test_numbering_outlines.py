"""Outlines of a rendered mean arch: what they give back, and which numbers they prefer."""

from dataclasses import replace

import numpy as np
import pytest

from teethscape.dental.fdi import TEETH
from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.parametric.arch import ArchState
from teethscape.parametric.camera import CAMERA_SIZE, Camera
from teethscape.parametric.numbering.aim import aim
from teethscape.parametric.numbering.bite_search import shifted
from teethscape.parametric.numbering.expect import expected_state
from teethscape.parametric.numbering.fit import Effort, Guess, fit_outlines
from teethscape.parametric.numbering.hulls import FORMS, hulls_of, place_hulls
from teethscape.parametric.numbering.joint import NumberedView
from teethscape.parametric.numbering.layout import Layouts
from teethscape.parametric.numbering.measure import measure
from teethscape.parametric.numbering.number import require_sure
from teethscape.parametric.numbering.outline import believed, outlines
from teethscape.parametric.numbering.reach import GROWTH, Rows, camera_slopes, reach
from teethscape.parametric.numbering.read import BiteScene, Reader
from teethscape.parametric.numbering.rivals import renumbered, rows_of, settle, weigh_rival
from teethscape.parametric.numbering.search import Found
from teethscape.parametric.prior import load_prior
from teethscape.parametric.rotation import rotation_matrix

from .test_numbering_parts import camera_at, rendered

PRIOR = load_prior()
LAYOUT = Layouts(PRIOR).get(frozenset())
CAMERAS = {
    View.ANTERIOR: camera_at(0, 0),
    View.LEFT_BUCCAL: camera_at(45, 0),
    View.RIGHT_BUCCAL: camera_at(-45, 0),
    View.MAXILLARY_OCCLUSAL: camera_at(0, 60),
    View.MANDIBULAR_OCCLUSAL: camera_at(0, -60),
}
LABELS = {view: rendered(view, camera) for view, camera in CAMERAS.items()}
FOUND = {view: measure(labels) for view, labels in LABELS.items()}
OUTLINES = {view: outlines(labels, FOUND[view].ids) for view, labels in LABELS.items()}


def nudged(camera: Camera) -> Camera:
    return replace(camera, rotation=rotation_matrix(np.array([0.02, -0.03, 0.01])) @ camera.rotation)


def mean_guess() -> Guess:
    """The true numbers, the mean teeth, cameras a little off."""
    views = {}
    for view, camera in CAMERAS.items():
        tooth = np.array([TEETH.index(int(i)) for i in FOUND[view].ids])
        views[view] = NumberedView(
            FOUND[view], tooth, nudged(camera), (float(np.log(500.0)), 0.06), exif=True
        )
    return Guess(LAYOUT, ArchState.mean(len(TEETH), FORMS), views)


@pytest.fixture(scope="module")
def settled():
    return settle(mean_guess(), OUTLINES)


def test_extents_are_those_of_the_label():
    labels = np.zeros((40, 60), np.int32)
    labels[10:20, 20:50] = 7
    outline = outlines(labels, np.array([7], np.int32))
    assert outline.extent[0, 0] == pytest.approx(49.5)
    assert outline.extent[0, 6] == pytest.approx(19.5)
    assert outline.valid.all()


def test_an_extent_at_the_border_says_nothing():
    labels = np.zeros((40, 60), np.int32)
    labels[10:20, 40:60] = 7
    valid = outlines(labels, np.array([7], np.int32)).valid[0]
    assert not valid[0]
    assert valid[12]


def test_the_fit_finds_the_cameras_again(settled):
    for view, truth in CAMERAS.items():
        found = settled.guess.views[view].camera
        angle = np.arccos(np.clip((np.trace(found.rotation @ truth.rotation.T) - 1) / 2, -1, 1))
        assert np.degrees(angle) < 2.0
    assert np.abs(settled.guess.state.translation).max() < 0.7


def test_less_noise_is_noticed_and_believed(settled):
    assert settled.effort.loose > 1.0


def test_a_view_moved_by_a_tooth_is_no_match(settled):
    view = View.LEFT_BUCCAL
    now = settled.guess.views[view]
    moved = replace(now, tooth=shifted(now.tooth, LAYOUT, (1, 1)))
    rows = settled.rows[view].only(frozenset(int(k) for k in moved.used))
    efforts = (Effort(6, 16 * settled.effort.loose), Effort(4, settled.effort.loose))
    placed = place_hulls(settled.guess.layout, settled.guess.state)
    guess = replace(settled.guess, views={**settled.guess.views, view: moved})
    wrong = aim(guess, view, rows, placed, efforts)
    right = aim(settled.guess, view, settled.rows[view], placed, efforts)
    assert wrong.energy > right.energy + 60.0


def test_exchanged_neighbours_explain_the_outlines_worse(settled):
    one, two = TEETH.index(13), TEETH.index(14)
    table = np.arange(len(TEETH))
    table[[one, two]] = table[[two, one]]
    teeth = {view: table[numbered.tooth] for view, numbered in settled.guess.views.items()}
    rival = weigh_rival(settled, renumbered(settled.guess, LAYOUT, teeth))
    assert rival.behind > 20.0


def test_what_is_seen_stays_where_it_is_under_other_numbers(settled):
    closed = Layouts(PRIOR).get(frozenset({14}), frozenset({14}))
    table = np.arange(len(TEETH))
    table[TEETH.index(14)] = TEETH.index(15)
    table[TEETH.index(15)] = -1
    teeth = {view: table[numbered.tooth] for view, numbered in settled.guess.views.items()}
    moved = renumbered(settled.guess, closed, teeth)
    before, after = TEETH.index(14), TEETH.index(15)
    old = PRIOR.centre[before] + PRIOR.axes[before] @ settled.guess.state.translation[before]
    new = closed.prior.centre[after] + closed.prior.axes[after] @ moved.state.translation[after]
    np.testing.assert_allclose(old, new, atol=1e-9)
    np.testing.assert_allclose(moved.state.shape[after], 0.0)


def test_extents_that_another_tooth_hides_are_left_out():
    guess, view = mean_guess(), View.LEFT_BUCCAL
    teeth = guess.layout, place_hulls(guess.layout, guess.state)
    free = believed(view, guess.views[view], OUTLINES[view], teeth, covered=False)
    kept = believed(view, guess.views[view], OUTLINES[view], teeth)
    assert len(kept.extent) < len(free.extent)


def test_the_slopes_of_joined_views_are_those_of_their_own_cameras():
    guess = mean_guess()
    order = [View.MAXILLARY_OCCLUSAL, View.LEFT_BUCCAL]
    found = rows_of(guess, OUTLINES)
    views = [guess.views[view] for view in order]
    rows = Rows.joined(views, [found[view] for view in order])
    placed, cameras = place_hulls(guess.layout, guess.state), [view.camera for view in views]
    here = reach(cameras, rows, placed)
    own = reach(cameras[1:], Rows.joined(views[1:], [found[order[1]]]), placed)
    np.testing.assert_allclose(here.extent[rows.parts[1]], own.extent)
    sloped = camera_slopes(cameras, rows, here)
    for k in range(GROWTH):
        step = np.zeros(CAMERA_SIZE)
        step[k] = 1e-6
        there = reach([camera.moved(step) for camera in cameras], rows, placed)
        np.testing.assert_allclose((there.extent - here.extent) / 1e-6, sloped[..., k], rtol=1e-3, atol=0.02)


def test_the_energy_falls():
    guess = mean_guess()
    teeth = guess.layout, place_hulls(guess.layout, guess.state)
    rows = {v: believed(v, numbered, OUTLINES[v], teeth) for v, numbered in guess.views.items()}
    first, last = (fit_outlines(guess, rows, Effort(rounds)) for rounds in (1, 8))
    assert last.energy < first.energy
    assert last.cost < first.cost


def test_a_fit_that_can_not_catch_up_is_given_up():
    guess = mean_guess()
    rows = rows_of(guess, OUTLINES)
    given_up, whole = (fit_outlines(guess, rows, Effort(8, hopeless=limit)) for limit in (-1e9, np.inf))
    one_step = fit_outlines(guess, rows, Effort(1))
    assert given_up.energy == one_step.energy > whole.energy


def test_hulls_look_outward():
    placed, hulls = place_hulls(LAYOUT, ArchState.mean(len(TEETH), FORMS)), hulls_of(PRIOR)
    for points, faces in zip(placed.points, hulls.faces, strict=True):
        a, b, c = (points[faces[:, k]] - points.mean(axis=0) for k in range(3))
        assert ((np.cross(a, b) * c).sum(axis=1) > 0).all()


def test_numbers_are_read_off_the_arch(settled):
    view = View.RIGHT_BUCCAL
    shuffled = np.where(LABELS[view] > 0, LABELS[view] + 100, 0)
    reader = Reader(PRIOR, settled.guess.state)
    seen = reader.overlaps(view, shuffled, settled.guess.views[view].camera, TEETH)
    numbers = reader.numbers(seen)
    assert len(numbers) > 8
    assert all(fdi == identity - 100 for identity, fdi in numbers.items())


def test_a_scrap_joins_the_tooth_that_covers_it(settled):
    view = View.MAXILLARY_OCCLUSAL
    labels = LABELS[view].copy()
    rows, columns = np.nonzero(labels == 16)
    scrap = columns < np.quantile(columns, 0.25)
    labels[rows[scrap], columns[scrap]] = 99
    reader = Reader(PRIOR, settled.guess.state)
    seen = reader.overlaps(view, labels, settled.guess.views[view].camera, TEETH)
    numbers = reader.numbers(seen)
    assert 99 not in numbers
    assert reader.merged(seen, numbers, frozenset(TEETH))[99] == 16


def test_a_sliver_gets_no_number(settled):
    view = View.RIGHT_BUCCAL
    labels, rows = LABELS[view].copy(), np.nonzero(LABELS[view] == 13)
    keep = rows[1] < np.quantile(rows[1], 0.15)
    labels[rows[0][~keep], rows[1][~keep]] = 0
    reader = Reader(PRIOR, settled.guess.state)
    assert 13 not in reader.numbers(reader.overlaps(view, labels, settled.guess.views[view].camera, TEETH))


def test_a_tooth_without_a_number_is_expected_where_its_neighbours_have_gone():
    guess, index = mean_guess(), TEETH.index(25)
    views = {v: replace(n, tooth=np.where(n.tooth == index, -1, n.tooth)) for v, n in guess.views.items()}
    state = replace(
        guess.state, translation=np.tile([0.0, 0.5, 0.0], (len(TEETH), 1)), log_size=np.full(len(TEETH), 0.05)
    )
    state.translation[index], state.log_size[index] = 0.0, 0.0
    expected = expected_state(replace(guess, state=state, views=views))
    assert 0.1 < expected.translation[index, 1] < 0.7
    assert 0.02 < expected.log_size[index] < 0.08
    others = np.arange(len(TEETH)) != index
    np.testing.assert_array_equal(expected.translation[others], state.translation[others])


def test_an_instance_that_lies_elsewhere_than_its_tooth_loses_its_number(settled):
    view = View.MAXILLARY_OCCLUSAL
    reader = Reader(PRIOR, settled.guess.state)
    seen = reader.overlaps(view, LABELS[view], settled.guess.views[view].camera, TEETH)
    right = {int(i): int(i) for i in seen.ids}
    assert reader.credible(seen, right) == right
    assert reader.credible(seen, {**right, 27: 26, 26: 25}) == {
        i: n for i, n in right.items() if i not in (26, 27)
    }


def test_a_sliver_in_its_place_says_that_the_tooth_exists(settled):
    view = View.RIGHT_BUCCAL
    labels, (rows, columns) = LABELS[view].copy(), np.nonzero(LABELS[view] == 16)
    rest = columns < np.quantile(columns, 0.4)
    labels[rows[rest], columns[rest]] = 0
    reader = Reader(PRIOR, settled.guess.state)
    scene = BiteScene(view, labels, settled.guess.views[view].camera, frozenset(TEETH))
    others = {int(i): int(i) for i in np.unique(labels) if i not in (0, 16)}
    assert reader.peeping(scene, others, frozenset({16})) == {16}
    assert reader.peeping(scene, {**others, 16: 16}, frozenset({16})) == frozenset()
    assert reader.peeping(scene, others, frozenset({26})) == frozenset()  # 16 explains its own sliver


def test_a_refusal_names_the_two_teeth_of_which_one_is_missing(settled):
    view = View.MANDIBULAR_OCCLUSAL
    named = {int(t) for t in settled.guess.views[view].tooth if TEETH[t] != 31}
    tooth = np.array([-1 if TEETH[t] == 41 else t for t in settled.guess.views[view].tooth])
    views = {**settled.guess.views, view: replace(settled.guess.views[view], tooth=tooth)}
    best = replace(settled, weighed=replace(settled.weighed, guess=replace(settled.guess, views=views)))
    with pytest.raises(RefusedError) as refusal:
        require_sure(Found(best, {view: 0.5}, {view: frozenset(named)}), TEETH)
    assert "tooth 31 or tooth 41 is missing" in str(refusal.value)
    assert "--absent 31 or --absent 41" in refusal.value.advice
    require_sure(Found(best, {view: 9.0}, {view: frozenset(named)}), TEETH)
    require_sure(Found(best, {view: 0.5}, {view: frozenset(named)}), TEETH, unsure=[view])
