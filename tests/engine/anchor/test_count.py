"""The count of painted teeth, told from creases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.anchor.cameras import cameras_in_mm, start_of
from teethscape.anchor.compare import compare
from teethscape.anchor.count import counted, fitted_row, pooled, without_gaps
from teethscape.anchor.creases import BIN_MM, Profile, profile
from teethscape.anchor.curve import arch_line
from teethscape.anchor.drawn import drawn_view
from teethscape.anchor.jaw import fitted_jaw
from teethscape.anchor.painted import painted_views
from teethscape.anchor.sequences import Change, Lattice, Row
from teethscape.dataset.patient_arch import Dentition, random_arches
from teethscape.parametric.prior import load_prior

from .conftest import JAW, SIZE
from .paint import Brush, fitted, misfitted, tiles, truth_of

WIDTHS = np.array([40.0, 28, 30, 20, 34, 34])


def _falls(widths, depth=0.8):
    """Falls of teeth of given widths: a crease between neighbours."""
    out = np.full(int(sum(widths)), -0.1)
    for border in np.cumsum(widths)[:-1].astype(int):
        out[border - 1 : border + 2] = depth
    return out


def _best(falls, widths=WIDTHS):
    row = Row(widths, np.full(len(widths) - 1, 0.3), np.full(len(widths), 0.2))
    lattice = Lattice(falls, row)
    best = max(lattice.rivals(), key=lambda rival: rival.score)
    return best, best.score - lattice.own()


def test_the_fitted_sequence_explains_its_own_creases():
    assert _best(_falls(WIDTHS))[1] < -6
    assert _best(_falls(WIDTHS * 1.06))[1] < -6


def test_rivals_are_told_by_kind_and_place():
    best, margin = _best(_falls(np.delete(WIDTHS, 3)))
    assert (best.change, best.place) == (Change.MISSING, 3)
    assert margin > 6
    best, margin = _best(_falls(np.insert(WIDTHS, 2, 29)))
    assert best.change is Change.ADDED
    assert best.place in (1, 2, 3)
    assert margin > 6
    best, margin = _best(_falls([40, 58, 20, 34, 34]))
    assert (best.change, best.place) == (Change.MERGED, 1)
    assert margin > 3


def test_gaps_are_one_deep_crease():
    weights = np.concatenate([np.zeros(8), np.full(40, 50.0), np.zeros(30), np.full(40, 50.0), np.zeros(9)])
    found = without_gaps(Profile(np.zeros(len(weights)), weights))
    assert len(found) == 81
    assert found[40] == 1
    assert len(without_gaps(Profile(np.zeros(9), np.zeros(9)))) == 0


def test_the_line_of_an_arch_runs_from_right_to_left(exact):
    line = arch_line(exact)
    way, along = line.found(exact.soup.vertices)
    owner = np.zeros(len(way), int)
    owner[exact.soup.faces] = exact.soup.owner[:, None]
    centres = np.bincount(owner, way) / np.bincount(owner)
    assert (np.diff(centres) > 3).all()
    assert (np.diff(centres) < 14).all()
    np.testing.assert_allclose(np.linalg.norm(along, axis=1), 1)
    front = np.abs(centres - centres.mean()).argmin()
    assert along[owner == front][:, 0].mean() > 0.9  # +X is the patient's left


def test_creases_stand_where_teeth_meet(exact, painted):
    line, total = arch_line(exact), []
    for camera, view in zip(
        cameras_in_mm(JAW, SIZE, start_of(exact)), painted_views(painted, JAW), strict=True
    ):
        total.append(profile(line, drawn_view(exact, camera), view.foreground, view.normals))
    whole = pooled(total, np.ones(8, bool))
    falls = whole.mean()
    way, _ = line.found(exact.soup.vertices)
    ends = np.array([way[exact.soup.faces[exact.soup.owner == k]].max() for k in range(14)])
    starts = np.array([way[exact.soup.faces[exact.soup.owner == k]].min() for k in range(14)])
    borders = ((ends[:-1] + starts[1:]) / 2 / BIN_MM).astype(int)
    middles = ((ends + starts) / 2 / BIN_MM).astype(int)
    deep = np.array([falls[b - 3 : b + 4].max() for b in borders])
    assert np.median(deep) > 0.5
    assert (np.array([falls[m - 3 : m + 4].mean() for m in middles]) < 0.3).all()
    assert counted(exact, line, whole, whole).change is Change.NONE
    assert fitted_row(exact, line, falls).widths.sum() * BIN_MM == pytest.approx(ends[-1] - starts[0], abs=1)


def _told(painted, fit, seed):
    """What a rough comparison tells of a jaw painted with other teeth than the fit has."""
    brush, rng = Brush(noise=8, wobble=0.8, blur=0.5, seed=seed), np.random.default_rng(seed)
    views = painted_views(tiles(painted, JAW, truth_of(painted), brush), JAW)
    return compare(fitted_jaw(fitted(misfitted(fit, rng, 0.25)), JAW), views, "p_upper")


def _merged(crowns, one, two):
    """Two crowns grown together: the first as wide as both."""
    a, b = crowns[one], crowns[two]
    axis, own = a.axes[:, 0], a.vertices[~a.cap] @ a.axes[:, 0]
    both = np.concatenate([own, b.vertices[~b.cap] @ axis])
    grown = (a.vertices @ axis - own.min()) * np.ptp(both) / np.ptp(own) + both.min()
    wide = replace(a, vertices=a.vertices + np.outer(grown - a.vertices @ axis, axis))
    return {fdi: wide if fdi == one else crown for fdi, crown in crowns.items() if fdi != two}


def _without(crowns, fdi):
    return {number: crown for number, crown in crowns.items() if number != fdi}


@pytest.fixture(scope="module")
def closed():
    """The same patient whose neighbours have closed the gap of a premolar."""
    missing = frozenset([14])
    return random_arches(load_prior(), Dentition(missing, missing), np.random.default_rng(0))[0]


@pytest.mark.slow
def test_as_many_teeth_as_the_photos_show(crowns, closed):
    assert _told(crowns, crowns, 1).count.change is Change.NONE
    assert _told(closed, closed, 2).count.change is Change.NONE
    assert _told(_without(crowns, 24), _without(crowns, 24), 3).count.change is Change.NONE


@pytest.mark.slow
def test_a_tooth_too_few_or_too_many_is_told(crowns, closed):
    for painted, fit, wanted in (
        (_without(crowns, 25), crowns, (Change.MISSING, 13)),
        (closed, crowns, (Change.MISSING, 13)),
        (_without(crowns, 27), crowns, (Change.MISSING, 13)),
        (_merged(crowns, 14, 15), crowns, (Change.MERGED, 13)),
        (crowns, _without(crowns, 25), (Change.ADDED, 14)),
        (crowns, closed, (Change.ADDED, 14)),
        (crowns, _without(crowns, 27), (Change.ADDED, 14)),
    ):
        found = _told(painted, fit, 4).count
        assert found.teeth == wanted[1], (wanted, found)
        assert found.change in (wanted[0], Change.MISSING if wanted[1] == 13 else Change.ADDED)
