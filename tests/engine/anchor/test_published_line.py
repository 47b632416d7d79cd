"""The published line with a network that was really trained, on one patient: photos to teeth in mm."""

# ruff: noqa: E402 - the libraries are asked for before what needs them is imported
from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")
pytest.importorskip("diffusers", reason="needs diffusers")

from teethscape import cli
from teethscape.dental.case import CaseFolder
from teethscape.mesh.load import load_teeth
from teethscape.mesh.scores import Alignment, score_teeth
from teethscape.mesh.solid import Solid

from .one_patient import JAW, MASKS, NETWORK, PHOTOS, STEPS, jaw_crowns

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def truth():
    """The true crowns of the jaw."""
    return {fdi: Solid(str(fdi), crown.vertices, crown.faces) for fdi, crown in jaw_crowns().items()}


def _line(case, *more):
    return cli.main(
        [
            "reconstruct", str(PHOTOS), "--masks", str(MASKS), "--trust-views", "--jaw", JAW.value,
            "--output", str(case), "--engine", "teethdreamer", "--weights", str(NETWORK),
            "--steps", str(STEPS), *more,
        ]
    )  # fmt: skip


def test_photos_become_teeth_by_grid_and_by_neus(tmp_path, truth):
    case = tmp_path / "case"
    for more in (("--surface", "grid"), ("--surface", "neus", "--preset", "small", "--budget", "120")):
        assert _line(case, *more) == 0
        assert {tooth["fdi"] for tooth in CaseFolder(case).read_finished()["teeth"]} == set(truth)
        found = score_teeth(load_teeth(case), truth, Alignment.SIMILARITY)
        assert found.missing == ()
        assert found.mean["cd_l1_mm"] < 0.5
    report = json.loads(next((case / "views").glob("*.anchor.json")).read_text("utf-8"))
    assert (report["change"], report["painted_teeth"]) == ("none", len(truth))
