"""Neighbours, overlaps and the bite."""

import numpy as np
import pytest
import trimesh

from teethscape.parametric.arch import Arch, ArchState
from teethscape.parametric.contact import Neighbours, add_contacts, measure_gap, neighbours
from teethscape.parametric.occlusion import BiteProblem, inspect, settle
from teethscape.parametric.penetration import Surface
from teethscape.parametric.prior import load_prior
from teethscape.parametric.separation import ALLOWED_MM, separate, worst_overlap
from teethscape.parametric.system import Layout, NormalEquations


def ball(centre, radius=4.0):
    mesh = trimesh.creation.icosphere(4, radius).apply_translation(centre)
    return np.array(mesh.vertices), np.array(mesh.faces, np.int32)


def test_neighbours_skip_missing_teeth():
    prior = load_prior()
    present = [i for i, fdi in enumerate(prior.fdi) if fdi not in (12, 36)]
    pairs = {(prior.fdi[n.first], prior.fdi[n.second]) for n in neighbours(prior, present, set())}
    assert {(13, 11), (35, 37), (11, 21), (41, 31)} <= pairs
    assert not any(12 in p or 36 in p for p in pairs)


def test_the_gap_follows_a_tooth_that_moves():
    prior = load_prior()
    pair = Neighbours(prior.fdi.index(11), prior.fdi.index(21), True)
    step = np.zeros((28, 10 + 7))
    step[pair.first, 0] = -0.5  # away from the midline
    before = measure_gap(Arch(prior, ArchState.mean()), pair).size
    after = measure_gap(Arch(prior, ArchState.mean().moved(step, np.zeros(6))), pair).size
    assert after - before == pytest.approx(0.5, abs=0.05)


def test_contacts_pull_touching_teeth_together():
    prior = load_prior()
    pair = Neighbours(prior.fdi.index(11), prior.fdi.index(21), True)
    step = np.zeros((28, 17))
    step[pair.first, 0] = -0.6
    state = ArchState.mean().moved(step, np.zeros(6))
    system = NormalEquations(Layout(28, 10, 0))
    add_contacts(system, Arch(prior, state), [pair], 0.15)
    free = system.layout.tooth(pair.first)[:1]
    move = system.solve(free, 0.0)[free[0]]
    gap = measure_gap(Arch(prior, state), pair).size
    assert move == pytest.approx(gap, rel=0.15)


def test_separation_leaves_no_overlap_and_nothing_else_changed():
    meshes, faces = {}, {}
    for key, x in ((0, 0.0), (1, 7.6), (2, 20.0)):
        meshes[key], faces[key] = ball([x, 0, 0])
    pairs = [(0, 1), (1, 2)]
    assert worst_overlap(meshes, faces, pairs) > 0.3
    apart = separate(meshes, faces, pairs)
    assert worst_overlap(apart, faces, pairs) < ALLOWED_MM + 0.03
    assert np.array_equal(apart[2], meshes[2])
    far = meshes[0][:, 0] < 2
    assert np.array_equal(apart[0][far], meshes[0][far])


def test_the_bite_closes_without_overlap():
    upper = [ball([x, y, 4.0]) for x in (-15, 15) for y in (0, 12, 24)]
    shift = np.cumsum([0, *(len(v) for v, _ in upper)])
    faces = np.concatenate([f + s for (_, f), s in zip(upper, shift, strict=False)])
    surface = Surface.of(np.concatenate([v for v, _ in upper]), faces)
    lower = [ball([x, y, -4.5])[0] for x in (-15, 15) for y in (0, 12, 24)]
    problem = BiteProblem(surface, lower, np.array([0.0, 12.0, -4.5]), np.diag([0.3] * 3 + [0.02] * 3) ** 2)
    step = settle(problem, closed=True)
    assert step[2] == pytest.approx(0.5, abs=0.15)
    moved = {f: v + step[:3] for f, v in zip((45, 46, 47, 35, 36, 37), lower, strict=True)}
    report = inspect(surface, moved)
    assert report.penetration_p99_mm < 0.1
    assert (report.contacts_right, report.contacts_left) == (3, 3)
    assert np.allclose(settle(problem, closed=False), 0, atol=1e-6)
