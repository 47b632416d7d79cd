"""The fit itself, on teeth whose truth is known."""

import numpy as np
import pytest

from teethscape.dental.lengths import KnownLength
from teethscape.parametric.arch import Arch, ArchState
from teethscape.parametric.fit import Evidence, RoughFit, fit_arches
from teethscape.parametric.matching import OutlineNoise
from teethscape.parametric.penetration import vertex_normals
from teethscape.parametric.placement import Placement, rigid_alignment
from teethscape.parametric.posterior import (
    centre_covariance,
    jaw_posterior,
    posterior_covariance,
    surface_sigma,
)
from teethscape.parametric.rotation import rotation_matrix
from teethscape.parametric.scale import estimate_scale, tooth_width
from teethscape.parametric.solver import assemble


@pytest.fixture(scope="module")
def fitted(patient):
    arch, cameras, labels = patient
    wrong = np.array([0.05, -0.04, 0.03, 1.0, -1.0, 6.0, 0.05, 0, 0])
    start = {view: camera.moved(wrong) for view, camera in cameras.items()}
    rough = RoughFit(arch.prior, start, ArchState.mean())
    return fit_arches(Evidence(labels, frozenset(arch.prior.fdi), {}), rough)


@pytest.mark.slow
def test_the_fit_finds_the_teeth_again(patient, fitted):
    arch, _, _ = patient
    found = Arch(arch.prior, fitted.state.arch)
    for jaw in (range(14), range(14, 28)):
        true = np.array([arch.vertices(i).mean(axis=0) for i in jaw])
        centres = np.array([found.vertices(i).mean(axis=0) for i in jaw])
        centres = rigid_alignment(centres, true).points(centres)
        mean_only = np.linalg.norm(
            true - rigid_alignment(arch.prior.centre[list(jaw)], true).points(arch.prior.centre[list(jaw)]),
            axis=1,
        ).mean()
        error = np.linalg.norm(centres - true, axis=1).mean()
        assert error < 0.5
        assert error < 0.5 * mean_only
    assert max(fitted.state.residual_px) < 1.2


@pytest.mark.slow
def test_the_posterior_is_proper_and_larger_where_less_is_seen(fitted):
    arch = Arch(fitted.problem.prior, fitted.state.arch)
    system, _ = assemble(fitted.problem, fitted.state, OutlineNoise())
    covariance = posterior_covariance(system, 1.0)
    assert np.linalg.eigvalsh(covariance).min() > 0
    upper = jaw_posterior(arch, system, covariance, list(range(14)))
    sigma = {}
    for fdi in (11, 17):
        index = arch.prior.fdi.index(fdi)
        normals = vertex_normals(arch.vertices(index), arch.prior.faces_of(fdi))
        sigma[fdi] = surface_sigma(arch, upper, index, normals).mean()
        assert np.linalg.eigvalsh(centre_covariance(arch, upper, index)).min() > 0
    assert 0.02 < sigma[11] < sigma[17] < 1.5


@pytest.mark.slow
def test_known_widths_fix_the_scale(fitted):
    arch = Arch(fitted.problem.prior, fitted.state.arch)
    system, _ = assemble(fitted.problem, fitted.state, OutlineNoise())
    posterior = jaw_posterior(arch, system, posterior_covariance(system, 1.0), list(range(14)))
    width = tooth_width(arch, posterior, arch.prior.fdi.index(11))
    bigger = estimate_scale([KnownLength((11,), 1.06 * width.mm)], [width], 0.05)
    assert 1.04 < bigger.factor < 1.06
    assert bigger.relative_sigma < 0.03
    both = estimate_scale(
        [KnownLength((11,), 1.06 * width.mm), KnownLength((16,), 1.06 * width.mm)], [width, width], 0.05
    )
    assert both.relative_sigma <= bigger.relative_sigma + 1e-9
    assert estimate_scale([], [], 0.05).factor == 1.0


def test_placements_compose_and_invert():
    a = Placement(1.1, rotation_matrix(np.array([0.1, 0.2, 0.3])), np.array([1.0, 2.0, 3.0]))
    b = Placement(0.9, rotation_matrix(np.array([-0.3, 0.1, 0.0])), np.array([-1.0, 0.5, 0.0]))
    points = np.random.default_rng(0).normal(size=(4, 3))
    assert np.allclose(a.after(b).points(points), a.points(b.points(points)))
    assert np.allclose(a.inverse().points(a.points(points)), points)
