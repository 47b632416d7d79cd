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


def test_where_a_cut_mask_shows_more_the_nearest_colour_that_is_believed_is_learnt():
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    from teethscape.surface.gspull.train import GaussianRules, targets_of
    from teethscape.surface.neus.batches import RayBank

    vertices, faces = arch_mesh()
    views = views_of(vertices, faces)
    half = views.foreground * (np.arange(96) < 48)
    plain = replace(views, colours=views.colours * half[..., None], colour_mask=half, foreground=half)
    crown = Solid(object_name(41), vertices * SCALE, faces)
    cut = cut_by_fit(plain, _frame(KnownArch({41: crown})))
    inside = cut.foreground > 0.5
    assert inside.sum() > 1.5 * half.sum()
    bank = RayBank(cut, (np.zeros(3), 1.0), torch.device("cpu")).at(torch.arange(inside.size)).targets
    assert np.array_equal(bank.colour_mask.numpy(), half.ravel())
    splats = torch.stack([t.colour for t in targets_of(cut, GaussianRules(), torch.device("cpu"))])
    for colours in (bank.colour.numpy().reshape(cut.colours.shape), splats.numpy()):
        np.testing.assert_allclose(colours[inside], 0.8, atol=1e-6)
        assert not colours[~inside].any()
