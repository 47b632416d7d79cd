"""A patient with known teeth, and a fit at the truth."""

from __future__ import annotations

import numpy as np
import pytest

from teethscape.dental.views import View
from teethscape.parametric.arch import Arch, ArchState
from teethscape.parametric.fit import Evidence, Fit, problem_of
from teethscape.parametric.prior import load_prior
from teethscape.parametric.raster import render_ids
from teethscape.parametric.result import Numbered
from teethscape.parametric.rims import build_soup, tooth_map, visible_teeth
from teethscape.parametric.solver import FitState

from .scenes import looking


@pytest.fixture(scope="module")
def patient():
    """True teeth, cameras, and clean labels rendered from them."""
    prior = load_prior()
    rng = np.random.default_rng(5)
    pose = rng.multivariate_normal(np.zeros(168), prior.pose_cov).reshape(28, 6) * 0.6
    state = ArchState(pose[:, :3], pose[:, 3:], np.zeros(28), rng.normal(0, 0.7, (28, 10)), np.zeros(6))
    arch = Arch(prior, state)
    cameras = {view: looking(view, arch) for view in View}
    labels = {}
    for view, camera in cameras.items():
        teeth = visible_teeth(prior, np.arange(28), view)
        shown = tooth_map(prior, render_ids(build_soup(arch, teeth, view), camera))
        labels[view] = np.where(shown >= 0, np.array(prior.fdi)[shown], 0).astype(np.int32)
    return arch, cameras, labels


@pytest.fixture(scope="module")
def exact(patient):
    """A fit at the truth, and its labels."""
    arch, cameras, labels = patient
    evidence = Evidence(labels, frozenset(arch.prior.fdi), dict.fromkeys(labels))
    fit = Fit(
        problem_of(arch.prior, evidence, 480), FitState(arch.state, tuple(cameras[view] for view in labels))
    )
    numbering = {view: {int(n): int(n) for n in np.unique(image) if n} for view, image in labels.items()}
    return fit, Numbered(labels, frozenset(arch.prior.fdi), numbering, {}, ())
