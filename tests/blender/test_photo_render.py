"""Synthetic photo cases in real Blender, whatever its series and with or without a denoiser."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from teethscape.dataset.photo_looks import Looks
from teethscape.dataset.photo_patient import PatientOptions, write_patient

pytestmark = [pytest.mark.blender, pytest.mark.slow, pytest.mark.timeout(2400)]


def test_a_case_renders_and_errors_have_codes(render_box):
    box = render_box
    write_patient(4, box.folder / "p4.npz", PatientOptions(160, 120, Looks()))
    script = ("--python", "/w/source/render_scripts/photo_render.py", "--")
    options = ("--output", "/w/cases", "--samples", "1")
    done = box.blender("--background", *script, "--patient", "/w/p4.npz", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    case = box.folder / "cases" / "p4"
    for number in range(5):
        photo = cv2.imread(str(case / "photos" / f"{number}.jpg"))
        assert photo is not None
        assert photo.shape == (120, 160, 3)
        fdi = cv2.imread(str(case / "labels" / "fdi" / f"{number}.png"), cv2.IMREAD_UNCHANGED)
        assert fdi is not None
        assert len(np.unique(fdi)) > 8
        assert photo[fdi > 0].mean() > photo[fdi == 0].mean()  # teeth are the bright things
    (box.folder / "bad.npz").write_bytes(b"nonsense")
    bad = box.blender("--background", *script, "--patient", "/w/bad.npz", *options)
    assert bad.returncode == 3  # from Blender itself, without --python-exit-code
    assert "Traceback" not in bad.stdout + bad.stderr
