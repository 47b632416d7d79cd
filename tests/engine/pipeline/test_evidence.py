"""Labels on their way to the fit: teeth drawn as one are parted, and what may be added to masks."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from teethscape.dental.case import CaseFolder
from teethscape.dental.fdi import Jaw, Jaws
from teethscape.dental.request import MaskValues, ReconstructRequest
from teethscape.dental.views import View
from teethscape.pipeline import job
from teethscape.pipeline.evidence import parted_teeth
from teethscape.pipeline.job import Job
from teethscape.pipeline.segment_stage import Labels
from teethscape.progress import NoProgress


def row_of_teeth() -> np.ndarray:
    """Twelve round teeth; the fourth and fifth drawn as one."""
    labels = np.zeros((60, 480), np.int32)
    for k in range(12):
        disc = cv2.circle(np.zeros(labels.shape, np.uint8), (24 + 38 * k, 30), 20, 1, -1) > 0
        labels[disc] = 4 if k == 4 else k + 1
    return labels


def test_merged_teeth_of_an_occlusal_photo_are_parted_with_a_notice():
    view = View.MANDIBULAR_OCCLUSAL
    given = Labels(
        {view: row_of_teeth()}, MaskValues.INSTANCES, jaw_of={view: {4: Jaw.LOWER}}, notices=("before",)
    )
    found = parted_teeth(given)
    assert set(np.unique(found.images[view])) == {*range(13), 13} - {5}
    assert found.jaw_of is not None
    assert found.jaw_of[view][13] is Jaw.LOWER
    assert found.notices[0] == "before"
    assert "Mandibular Occlusal" in found.notices[1]


def test_fdi_numbers_and_bite_photos_stay_as_they_are():
    fdi = Labels({View.MANDIBULAR_OCCLUSAL: row_of_teeth()}, MaskValues.FDI)
    assert parted_teeth(fdi) is fdi
    bite = Labels({View.ANTERIOR: row_of_teeth()}, MaskValues.INSTANCES)
    np.testing.assert_array_equal(parted_teeth(bite).images[View.ANTERIOR], row_of_teeth())
    assert parted_teeth(bite).notices == ()


@pytest.mark.parametrize(
    ("change", "jaws", "looks"),
    [
        ({}, Jaws.BOTH, True),
        ({}, Jaws.UPPER, False),
        ({"kind": MaskValues.FDI}, Jaws.BOTH, True),
        ({"source": "network within the user's jaw masks"}, Jaws.BOTH, False),
    ],
)
def test_only_the_users_teeth_of_both_jaws_may_be_compared_with_the_photos(tmp_path, change, jaws, looks):
    labels = replace(Labels({View.ANTERIOR: row_of_teeth()}, MaskValues.INSTANCES), **change)
    run = Job(CaseFolder(tmp_path), ReconstructRequest(Path("photos"), tmp_path, jaws=jaws), NoProgress())
    assert (run._look({}, labels) is not None) == looks


@pytest.mark.parametrize("there", [True, False])
def test_masks_with_numbers_never_need_the_network_and_those_without_do_where_it_is(monkeypatch, there):
    monkeypatch.setattr(job, "has_network", lambda: there)
    needed = {
        kind: job._needs_network(Labels({View.ANTERIOR: row_of_teeth()}, kind))
        for kind in (MaskValues.FDI, MaskValues.INSTANCES, MaskValues.JAWS, MaskValues.NAMED)
    }
    assert list(needed.values()) == [False, there, True, True]
