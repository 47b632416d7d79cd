"""The bundled sample and what makes it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "examples" / "sample"


@pytest.fixture
def nets(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    sys.modules.pop("sample_surface", None)
    import sample_surface

    return sample_surface


def test_surface_nets_of_a_ball_are_closed_and_outward(nets: ModuleType) -> None:
    axis = np.arange(-6, 6.01, 0.5)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    vertices, quads = nets.surface_nets(np.sqrt(x**2 + y**2 + z**2) - 4.0, np.full(3, -6.0), 0.5)
    assert np.linalg.norm(vertices, axis=1) == pytest.approx(4.0, abs=0.12)
    edges = np.vstack([quads[:, [k, (k + 1) % 4]] for k in range(4)])
    forward = {tuple(e) for e in edges}
    assert len(forward) == len(edges)
    assert all((b, a) in forward for a, b in forward)  # every edge has its opposite: closed, consistent
    corners = vertices[quads]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert ((normal * corners.mean(axis=1)).sum(axis=1) > 0).all()


def test_sample_is_five_small_synthetic_photos() -> None:
    photos = sorted((SAMPLE / "photos").iterdir())
    assert [p.name for p in photos] == [f"{k}.jpg" for k in range(5)]
    assert sum(p.stat().st_size for p in photos) < 1.5e6
    for path in photos:
        exif = Image.open(path).getexif()
        assert "Synthetic" in exif[0x010E]
        assert 20 < exif.get_ifd(0x8769)[0xA405] < 120
    assert "synthetic" in (SAMPLE / "README.md").read_text(encoding="utf-8")


def test_truth_belongs_to_the_photos() -> None:
    truth = json.loads((SAMPLE / "truth.json").read_text(encoding="utf-8"))
    assert len(truth["teeth"]) == 28
    for k, camera in enumerate(truth["cameras"].values()):
        with Image.open(SAMPLE / "photos" / f"{k}.jpg") as photo:
            assert photo.size == (camera["width"], camera["height"])
    assert all(4.0 < tooth["width_mm"] < 14.0 for tooth in truth["teeth"])
