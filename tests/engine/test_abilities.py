"""What an installation can do, and why not."""

from __future__ import annotations

from importlib import util

import pytest

from teethscape import abilities
from teethscape.dental.request import Engine
from teethscape.dental.wishes import ForegroundName, SurfaceMethod
from teethscape.doctor import examine
from teethscape.weights.store import FOLDER_VARIABLE


@pytest.fixture
def without(monkeypatch, tmp_path):
    """Pretend that modules are not installed; weights are looked for in an empty folder."""
    find, gone = util.find_spec, set()
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(util, "find_spec", lambda name: None if name in gone else find(name))
    return gone.update


def _by_name(found):
    return {one.name: one for one in found}


def test_every_engine_and_method_is_listed(without):
    assert set(_by_name(abilities.engines())) == {engine.value for engine in Engine}
    assert set(_by_name(abilities.surface_methods())) == {method.value for method in SurfaceMethod}
    assert _by_name(abilities.engines())["parametric"].missing == ""
    assert _by_name(abilities.surface_methods())["grid"].missing == ""


def test_an_engine_that_is_only_planned_says_so(without):
    planned = _by_name(abilities.engines())["regression"]
    assert planned.missing == "This version of the engine does not have it."  # as the sidebar's own words
    assert (planned.need, "parametric" in planned.advice) == (abilities.Need.NOTHING, True)


def test_without_torch_only_the_grid_is_left(without):
    without({"torch"})
    found = _by_name(abilities.surface_methods())
    assert "PyTorch" in found["neus"].missing
    assert "pip install torch" in found["gspull"].advice
    engine = _by_name(abilities.engines())["teethdreamer"]
    assert "torch is missing" in engine.missing
    assert "teethscape[full]" in engine.advice
    assert engine.need is abilities.Need.PROFILE


def test_missing_weights_are_another_matter(without):
    pytest.importorskip("diffusers", reason="needs diffusers")
    engine = _by_name(abilities.engines())["teethdreamer"]
    assert "not installed" in engine.missing
    assert engine.advice.startswith("Run: teethscape weights")
    assert engine.need is abilities.Need.WEIGHTS


def test_ways_to_cut_out_views_say_what_they_lack(without):
    without({"rembg"})
    found = _by_name(abilities.foregrounds())
    assert set(found) == {name.value for name in ForegroundName}
    assert found["plain"].missing == found["fit"].missing == ""
    assert "pip install rembg" in found["rembg"].advice
    assert (found["sam"].need, found["sam"].advice[:4]) == (abilities.Need.WEIGHTS, "Run:")


def test_the_doctor_tells_them(without):
    without({"torch"})
    checks = {check.name: check for check in examine()}
    assert checks["engine parametric"].ok
    neus = checks["surface method neus"]
    assert (neus.ok, neus.needed) == (False, False)
    assert "PyTorch" in neus.detail
