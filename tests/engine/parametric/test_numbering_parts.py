"""Order, rows, layouts and first cameras: the parts that numbering is made of."""

import numpy as np
import pytest

from teethscape.dental.fdi import TEETH, UPPER_ARCH, Jaw
from teethscape.dental.views import View
from teethscape.parametric.arch import ArchState
from teethscape.parametric.camera import Camera
from teethscape.parametric.numbering.layout import Layouts, arch_directions
from teethscape.parametric.numbering.measure import Instances, along_arch, measure, split_rows
from teethscape.parametric.numbering.names import Told
from teethscape.parametric.numbering.occlusal import Candidate, OcclusalJudge, enumerate_numberings, gaps_mm
from teethscape.parametric.prior import load_prior
from teethscape.parametric.raster import TriangleSoup, render_ids
from teethscape.parametric.start_cameras import start_from_fdi, view_rotation


def rendered(view: View, camera: Camera, missing: frozenset[int] = frozenset()) -> np.ndarray:
    """FDI labels of the mean arch."""
    prior, parts, count = load_prior(), [], 0
    for fdi in TEETH:
        if fdi not in missing and (not view.is_occlusal or (fdi >= 30) == (view is View.MANDIBULAR_OCCLUSAL)):
            vertices, faces = prior.mean_vertices(fdi), prior.faces_of(fdi)
            parts.append((vertices, faces + count, np.full(len(faces), fdi, np.int32)))
            count += len(vertices)
    vertices, faces, owner = (np.concatenate(p) for p in zip(*parts, strict=True))
    return np.maximum(render_ids(TriangleSoup(vertices, faces.astype(np.int32), owner), camera).owner, 0)


def camera_at(yaw: float, pitch: float) -> Camera:
    rotation = view_rotation(yaw, pitch)
    return Camera(
        400, 300, 500.0, np.array([199.5, 149.5]), rotation, np.array([0.0, 0.0, 95.0]), np.zeros(3)
    )


def upper_instances(missing: frozenset[int] = frozenset()) -> Instances:
    found = measure(rendered(View.MAXILLARY_OCCLUSAL, camera_at(0, 60), missing))
    return found.only(along_arch(found.centre, incisors_up=True))


def test_an_occlusal_arch_is_ordered_from_the_patients_right():
    assert upper_instances().ids.tolist() == list(UPPER_ARCH)


def test_rows_of_the_anterior_view_are_told_apart():
    found = measure(rendered(View.ANTERIOR, camera_at(0, 0)))
    front = found.only(np.isin(found.ids % 10, (1, 2, 3)))
    assert (split_rows(front) == (front.ids >= 30)).all()


def test_a_whole_arch_is_numbered_in_one_way_first():
    found = upper_instances()
    best = enumerate_numberings(found, Jaw.UPPER, gaps_mm(found, Jaw.UPPER))[0]
    assert best.places == tuple(range(14))


def test_a_tooth_that_the_user_says_is_missing_gets_no_instance():
    found = upper_instances(frozenset({24}))
    gaps = gaps_mm(found, Jaw.UPPER)
    free = enumerate_numberings(found, Jaw.UPPER, gaps)
    place = UPPER_ARCH.index(24)
    told = enumerate_numberings(found, Jaw.UPPER, gaps, Told(absent=frozenset({place})))
    assert any(place in numbering.places for numbering in free)
    assert told
    assert not any(place in numbering.places for numbering in told)
    assert told[0].cost == 0.0


def test_a_tooth_that_the_user_has_named_keeps_its_number():
    found = upper_instances(frozenset({14}))
    gaps = gaps_mm(found, Jaw.UPPER)
    row, place = UPPER_ARCH.index(15), UPPER_ARCH.index(14)  # 15 is the first before the gap
    told = enumerate_numberings(found, Jaw.UPPER, gaps, Told(named=(*(-1,) * row, place)))
    assert told
    assert {numbering.places[row] for numbering in told} == {place}
    assert all(numbering.places.count(place) == 1 for numbering in told)
    free = enumerate_numberings(found, Jaw.UPPER, gaps)
    assert free[0].places[row] == row
    # Where both neighbours of a gap are named, its width has no say.
    widest = enumerate_numberings(found, Jaw.UPPER, gaps, Told(named=(0, 2)))
    assert {numbering.places[:2] for numbering in widest} == {(0, 2)}
    assert enumerate_numberings(found, Jaw.UPPER, gaps, Told(named=(5, 2))) == []


def test_an_open_gap_keeps_its_place_free():
    found = upper_instances(frozenset({15}))
    gaps = gaps_mm(found, Jaw.UPPER)
    assert int(np.argmax(gaps)) == 1
    best = enumerate_numberings(found, Jaw.UPPER, gaps)[0]
    assert best.places == (0, 1, *range(3, 14))


def test_a_closed_gap_brings_the_teeth_behind_it_forward():
    prior = load_prior()
    layout = Layouts(prior).get(frozenset({14}), frozenset({14}))
    moved = np.linalg.norm(layout.prior.centre - prior.centre, axis=1)
    index = {fdi: k for k, fdi in enumerate(prior.fdi)}
    assert moved[index[16]] > 3.0
    assert moved[index[36]] == pytest.approx(0.0)
    assert layout.missing == {14}
    assert np.linalg.eigvalsh(layout.spread.place_cov).min() > 0


def test_teeth_that_drift_are_less_sure_of_their_turn_and_place():
    layouts = Layouts(load_prior())
    whole, closed = layouts.get(frozenset()), layouts.get(frozenset({14}), frozenset({14}))
    index = {fdi: k for k, fdi in enumerate(closed.prior.fdi)}
    assert not whole.spread.turn_var.any()
    assert (closed.spread.turn_var[index[16]] > 0).all()
    assert not closed.spread.turn_var[index[36]].any()
    block = slice(3 * index[16], 3 * index[16] + 3)
    assert np.trace(closed.spread.place_cov[block, block]) > np.trace(whole.spread.place_cov[block, block])


def test_a_second_molar_is_less_sure_of_its_place_along_the_arch_than_a_central():
    layout = Layouts(load_prior()).get(frozenset())
    along = arch_directions(layout.prior)
    spread = [
        along[k] @ layout.spread.place_cov[3 * k : 3 * k + 3, 3 * k : 3 * k + 3] @ along[k]
        for k in (layout.prior.fdi.index(11), layout.prior.fdi.index(17))
    ]
    assert spread[1] > spread[0] + 0.5


def test_two_teeth_missing_side_by_side_leave_either_gap_closed():
    """A gap of one tooth before 17 may be that of 15 or of 16: the same numbers mean two arches."""
    view, camera = View.MAXILLARY_OCCLUSAL, camera_at(0, 60)
    found = upper_instances(frozenset({15, 17}))
    frame = (camera.width, camera.height, float(np.log(camera.focal)), 0.06)
    judge = OcclusalJudge(view, found, frame, Layouts(load_prior()))
    one_missing = np.array([load_prior().fdi.index(f) for f in UPPER_ARCH if f not in (15, 17)])
    current = Candidate(one_missing, Layouts(load_prior()).get(frozenset({15})), camera, 0.0)
    numbers = np.array([load_prior().fdi.index(f) for f in UPPER_ARCH if f not in (15, 16)])
    same = [c for c in judge.alternatives(current) if (c.tooth == numbers).all()]
    assert {frozenset({15}), frozenset({16})} <= {c.layout.closed for c in same}
    assert len({c.key for c in same}) == len(same)


@pytest.mark.parametrize(
    ("view", "yaw", "pitch"),
    [(View.LEFT_BUCCAL, 40, 0), (View.MAXILLARY_OCCLUSAL, 0, 60), (View.ANTERIOR, 0, 5)],
)
def test_a_camera_is_found_from_numbered_teeth(view, yaw, pitch):
    truth = camera_at(yaw, pitch)
    found = start_from_fdi({view: rendered(view, truth)}, load_prior(), {view: 500.0}, ArchState.mean())[view]
    between = np.arccos(np.clip((np.trace(found.rotation @ truth.rotation.T) - 1) / 2, -1, 1))
    assert np.degrees(between) < 8.0
    assert np.linalg.norm(found.centre - truth.centre) < 0.15 * 95
