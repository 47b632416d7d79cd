"""The bundled sample."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from teethscape.dataset.photo_patient import PatientOptions, make_photo_patient

SAMPLE = Path(__file__).resolve().parents[3] / "examples" / "sample"


@pytest.fixture(scope="module")
def truth() -> dict:
    return json.loads((SAMPLE / "truth.json").read_text(encoding="utf-8"))


def test_sample_is_five_small_synthetic_photos() -> None:
    photos = sorted((SAMPLE / "photos").iterdir())
    assert [p.name for p in photos] == [f"{k}.jpg" for k in range(5)]
    assert sum(p.stat().st_size for p in photos) < 1.5e6
    for path in photos:
        exif = Image.open(path).getexif()
        assert "Synthetic" in exif[0x010E]
        assert 20 < exif.get_ifd(0x8769)[0xA405] < 150
    assert "synthetic" in (SAMPLE / "README.md").read_text(encoding="utf-8")


def test_truth_belongs_to_the_photos(truth: dict) -> None:
    assert len(truth["teeth"]) == 28
    for k, camera in enumerate(truth["cameras"].values()):
        assert camera["mirrored"] is False
        with Image.open(SAMPLE / "photos" / f"{k}.jpg") as photo:
            assert photo.size == (camera["width"], camera["height"])
    assert all(4.0 < tooth["width_mm"] < 14.0 for tooth in truth["teeth"])


def test_truth_is_the_patient_of_its_seed(truth: dict) -> None:
    first = next(iter(truth["cameras"].values()))
    made = make_photo_patient(truth["seed"], PatientOptions(first["width"], first["height"]))
    assert [t["fdi"] for t in truth["teeth"]] == [t["fdi"] for t in made.record["teeth"]]
    for stated, drawn in zip(truth["teeth"], made.record["teeth"], strict=True):
        assert np.allclose(stated["centre"], drawn["centre"], atol=0.01)
