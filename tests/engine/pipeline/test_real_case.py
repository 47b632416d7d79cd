"""The whole way on a real patient's photos and masks, against scanned crowns."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from teethscape.dental.request import ExportFormat, MaskValues, ReconstructRequest
from teethscape.dental.views import View
from teethscape.mesh.load import load_teeth
from teethscape.mesh.scores import Alignment, score_teeth
from teethscape.progress import NoProgress
from teethscape.reconstruct import reconstruct


def _shuffled(source, folder):
    """The hand-made masks with arbitrary ids instead of FDI numbers."""
    folder.mkdir()
    rng = np.random.default_rng(7)
    for number in range(5):
        mask = np.asarray(Image.open(source / f"{number}.png"))
        values = [value for value in np.unique(mask) if value]
        table = np.zeros(256, np.uint8)
        table[values] = rng.permutation(np.arange(1, len(values) + 1))
        Image.fromarray(table[mask]).save(folder / f"{number}.png")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("values", [MaskValues.FDI, MaskValues.INSTANCES])
def test_case_a_from_hand_made_masks(shared, tmp_path, values):
    case = shared / "cases" / "case-a"
    masks = case / "labels" / "teeth"
    if values is MaskValues.INSTANCES:
        masks = _shuffled(masks, tmp_path / "ids")
    request = ReconstructRequest(
        case / "photos", tmp_path / "case", masks, values, exports=(ExportFormat.STL,), trust_views=True
    )
    summary = reconstruct(request, NoProgress())
    found = score_teeth(
        load_teeth(tmp_path / "case"), load_teeth(case / "reference" / "teeth"), Alignment.SIMILARITY
    )
    assert found.missing == ()
    assert len(summary.teeth) == 28
    assert found.mean["cd_mm2"] <= 0.28
    assert found.mean["cd_l1_mm"] <= 0.30
    assert found.mean["dice"] >= 0.87
    for number in range(5):
        given = np.asarray(Image.open(case / "labels" / "teeth" / f"{number}.png"))
        written = np.asarray(Image.open(tmp_path / "case" / "masks" / f"{number}.png"))
        assert (written == given).mean() > 0.99


def _damaged(source, folder, values):
    """The masks with a molar in none of them, or, under arbitrary ids, drawn as one with its neighbour."""
    folder.mkdir()
    for number in range(5):
        mask = np.asarray(Image.open(source / f"{number}.png")).copy()
        if values is MaskValues.FDI:
            mask[mask == 17] = 0
        elif number == View.MAXILLARY_OCCLUSAL:
            mask[mask == 17] = 16
        Image.fromarray(mask).save(folder / f"{number}.png")
    return folder if values is MaskValues.FDI else _shuffled(folder, folder / "ids")


@pytest.mark.slow
@pytest.mark.parametrize("values", [MaskValues.FDI, MaskValues.INSTANCES])
def test_case_a_from_masks_that_lack_teeth(shared, tmp_path, values):
    case = shared / "cases" / "case-a"
    masks = _damaged(case / "labels" / "teeth", tmp_path / "masks", values)
    request = ReconstructRequest(case / "photos", tmp_path / "case", masks, values, trust_views=True)
    summary = reconstruct(request, NoProgress())
    found = score_teeth(
        load_teeth(tmp_path / "case"), load_teeth(case / "reference" / "teeth"), Alignment.SIMILARITY
    )
    assert len(summary.teeth) == 28
    assert found.mean["cd_mm2"] <= 0.28
    name = f"{int(View.MAXILLARY_OCCLUSAL)}.png"
    truth = np.asarray(Image.open(case / "labels" / "teeth" / name)) == 17
    written = np.asarray(Image.open(tmp_path / "case" / "masks" / name)) == 17
    assert (truth & written).sum() > 0.7 * (truth | written).sum()
    if values is MaskValues.FDI:
        assert any("17" in notice for notice in summary.notices)


#: Linux counts the memory of the process that forks as the child's: a small process stands between.
_MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the unit of the peak memory is Linux's")
def test_case_a_needs_less_than_two_gigabytes(shared, tmp_path):
    case = shared / "cases" / "case-a"
    engine = [sys.executable, "-m", "teethscape", "reconstruct", str(case / "photos")]
    masks = ["--masks", str(case / "labels" / "teeth"), "--mask-values", "fdi"]
    command = [sys.executable, "-c", _MEASURE, *engine, "--output", str(tmp_path / "case"), *masks]
    ballast = np.ones(2**28)  # 2 GiB that are not the engine's: the measure must not see them
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    assert ballast.nbytes > 2e9
    assert 0.1 < int(done.stdout.split()[-1]) / 1e6 < 2.0
