"""Views cut out by the fitted teeth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from teethscape.dental.fdi import object_name
from teethscape.dental.units import ScaleRecord, ScaleSource
from teethscape.errors import UsageError
from teethscape.mesh.solid import Solid
from teethscape.surface.fit_masks import cut_by_fit
from teethscape.surface.frame import Frame, OwnNote
from teethscape.surface.mesh.teeth import KnownArch

from .scene import SCALE, arch_mesh, views_of


def _frame(arch):
    return Frame(SCALE, np.zeros(3), True, OwnNote(ScaleRecord(ScaleSource.ESTIMATED, 0.0)), arch)


def test_masks_become_those_of_the_fitted_teeth():
    vertices, faces = arch_mesh()
    views = views_of(vertices, faces)
    crown = Solid(object_name(41), vertices * SCALE, faces)
    painted = replace(views, foreground=np.ones_like(views.foreground))
    cut = cut_by_fit(painted, _frame(KnownArch({41: crown})))
    assert np.array_equal(cut.foreground, views.foreground)
    assert np.array_equal(painted.colours, cut.colours)


def test_without_a_fit_the_advice_is_to_give_one():
    views = views_of(*arch_mesh())
    with pytest.raises(UsageError, match="fitted teeth") as refused:
        cut_by_fit(views, _frame(None))
    assert "--case" in refused.value.advice
