"""What the gums of a fitted arch hide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.dental.fdi import TEETH
from teethscape.dental.views import View
from teethscape.parametric.arch import Arch, ArchState
from teethscape.parametric.expected import expected_teeth
from teethscape.parametric.gums import with_gums
from teethscape.parametric.prior import load_prior
from teethscape.parametric.raster import render_ids
from teethscape.parametric.rims import build_soup, tooth_map, visible_teeth
from teethscape.parametric.start_cameras import view_rotation

from .scenes import looking


@pytest.fixture(scope="module")
def arch():
    prior = load_prior()
    return Arch(prior, ArchState.mean(len(prior.fdi)))


def drawn_without(arch, view, camera):
    """(h, w) FDI numbers with nothing but the crowns."""
    teeth = visible_teeth(arch.prior, np.arange(28), view)
    seen = tooth_map(arch.prior, render_ids(build_soup(arch, teeth, view), camera))
    return np.where(seen < 0, 0, np.array(arch.prior.fdi)[seen])


@pytest.mark.parametrize(("pitch", "far"), [(12.0, 4), (-12.0, 1)])
def test_the_other_side_is_not_seen_past_the_necks(arch, pitch, far):
    camera = replace(looking(View.LEFT_BUCCAL, arch), rotation=view_rotation(45.0, pitch))
    bare = drawn_without(arch, View.LEFT_BUCCAL, camera)
    gums = expected_teeth(arch, frozenset(TEETH), View.LEFT_BUCCAL, camera)
    behind = (bare // 10 == far) & (bare % 10 > 3)
    assert behind.sum() > 100
    assert (gums[behind] // 10 == far).mean() < 0.1
    near = np.isin(bare // 10, (2, 3))
    assert (gums[near] == bare[near]).mean() > 0.999
    assert not gums[bare == 0].any()


@pytest.mark.parametrize("view", [View.MAXILLARY_OCCLUSAL, View.MANDIBULAR_OCCLUSAL])
def test_an_occlusal_photo_shows_every_crown(arch, view):
    camera = looking(view, arch)
    found = expected_teeth(arch, frozenset(TEETH), view, camera)
    assert np.array_equal(found, drawn_without(arch, view, camera))


def test_a_jaw_without_teeth_has_no_wall(arch):
    upper = [i for i, fdi in enumerate(arch.prior.fdi) if fdi < 30]
    soup = build_soup(arch, upper, View.ANTERIOR)
    added = len(with_gums(soup, arch, upper, View.ANTERIOR).faces) - len(soup.faces)
    assert added == 4 * (len(upper) - 1)
