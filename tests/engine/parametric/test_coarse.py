"""Crowns of few faces: closed, and like the whole ones from afar."""

import numpy as np
import pytest

from teethscape.dental.views import View
from teethscape.parametric.arch import Arch, ArchState
from teethscape.parametric.coarse import coarse_crown, coarse_soup
from teethscape.parametric.prior import load_prior
from teethscape.parametric.raster import render_ids
from teethscape.parametric.rims import build_soup, tooth_map, visible_teeth

from .test_numbering_parts import camera_at

PRIOR = load_prior()
ARCH = Arch(PRIOR, ArchState.mean(len(PRIOR.fdi)))


def test_a_coarse_crown_is_closed_and_has_few_faces():
    crown = coarse_crown(PRIOR)
    ends = np.sort(np.concatenate([crown.faces[:, [0, 1]], crown.faces[:, [1, 2]], crown.faces[:, [2, 0]]]))
    _, count = np.unique(ends, axis=0, return_counts=True)
    assert (count == 2).all()
    assert len(crown.faces) < len(PRIOR.faces) / 4
    assert crown.cap.any()


@pytest.mark.parametrize(
    ("view", "yaw", "pitch"),
    [(View.ANTERIOR, 0, 0), (View.LEFT_BUCCAL, 45, 0), (View.MANDIBULAR_OCCLUSAL, 0, -60)],
)
def test_few_faces_show_the_same_teeth(view, yaw, pitch):
    camera = camera_at(yaw, pitch)
    teeth = visible_teeth(PRIOR, np.arange(len(PRIOR.fdi)), view)
    whole = tooth_map(PRIOR, render_ids(build_soup(ARCH, teeth, view), camera))
    few = render_ids(coarse_soup(ARCH, teeth, view), camera).owner
    either = (whole >= 0) | (few >= 0)
    assert (whole == few)[either].mean() > 0.97
