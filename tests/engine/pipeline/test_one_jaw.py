"""One jaw from photos alone: the other one's teeth need no model."""

from __future__ import annotations

from pathlib import Path

import pytest

from teethscape.dental.fdi import Jaw, Jaws, arch
from teethscape.dental.request import ReconstructRequest
from teethscape.progress import NoProgress
from teethscape.reconstruct import reconstruct

SAMPLE = Path(__file__).resolve().parents[3] / "examples" / "sample" / "photos"


@pytest.mark.slow
@pytest.mark.parametrize("jaw", list(Jaw))
def test_one_jaw_of_the_sample(tmp_path, jaw):
    request = ReconstructRequest(SAMPLE, tmp_path / "case", jaws=Jaws(jaw.value))
    summary = reconstruct(request, NoProgress())
    assert set(summary.teeth) == set(arch(jaw))
