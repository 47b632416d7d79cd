"""SAM through its own package against transformers: the same clicks, the same masks.

torchvision, which the package imports, is not everywhere. Its predictor uses two functions of it, both
on Pillow pictures; where it is absent the test gives it these two, made of the same Pillow calls. Two
others belong to its mask generator, which nobody calls here.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from teethscape.errors import BadInputError, MissingComponentError, UsageError
from teethscape.segmentation.clicks import engines
from teethscape.segmentation.clicks.interface import ClickEngineName, Clicks
from teethscape.segmentation.clicks.sam_engine import SamEngine
from teethscape.segmentation.clicks.sam_original import OriginalSamEngine, original_imports

from .original_sam import NAME, tiny

torch = pytest.importorskip("torch", reason="needs PyTorch")
transformers = pytest.importorskip("transformers", reason="needs transformers")
_LOADED = transformers.SamModel  # before anything here says that torchvision is there


def _pillow_torchvision() -> dict[str, ModuleType]:
    """The two functions that the predictor calls, and the names of those that it does not."""
    parts = ("", ".transforms", ".transforms.functional", ".ops", ".ops.boxes")
    modules = {f"torchvision{part}": ModuleType(f"torchvision{part}") for part in parts}
    modules["torchvision.ops.boxes"].batched_nms = modules["torchvision.ops.boxes"].box_area = None
    last = modules["torchvision.transforms.functional"]
    last.to_pil_image = Image.fromarray
    last.resize = lambda image, size: image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return modules


@pytest.fixture
def package(monkeypatch):
    """The package segment-anything, started as its users start it."""
    if importlib.util.find_spec("torchvision") is None:
        for name, module in _pillow_torchvision().items():
            monkeypatch.setitem(sys.modules, name, module)
    if importlib.util.find_spec(NAME) is None:
        pytest.skip("needs the package segment-anything")
    for name in [name for name in sys.modules if name.split(".")[0] == NAME]:
        monkeypatch.delitem(sys.modules, name)
    yield importlib.import_module(NAME)
    for name in [name for name in sys.modules if name.split(".")[0] == NAME]:
        sys.modules.pop(name)  # made with our torchvision: nobody else may get it


@pytest.fixture
def published():
    return tiny()


@pytest.fixture
def weights(published, tmp_path):
    library = pytest.importorskip("safetensors.torch", reason="needs safetensors")
    library.save_file(published.state_dict(), tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


CLICKS = [
    Clicks(((60.0, 40.0),), (True,)),
    Clicks(((60.0, 40.0), (20.5, 70.0)), (True, False)),
    Clicks(box=(10.0, 15.0, 70.0, 80.0)),
    Clicks(((60.0, 40.0),), (True,), (10.0, 15.0, 70.0, 80.0)),
]


@pytest.mark.parametrize("size", [(90, 120), (120, 90), (64, 64)])
def test_both_packages_draw_the_same_masks(published, weights, package, size):
    photo = np.random.default_rng(2).integers(0, 256, (*size, 3), np.uint8)
    ours, theirs = SamEngine.load(weights).prepare(photo), OriginalSamEngine(published).prepare(photo)
    first = [engine.click(CLICKS[0]) for engine in (ours, theirs)]
    for clicks in CLICKS:
        one, two = ours.click(clicks), theirs.click(clicks)
        np.testing.assert_allclose(one.probability, two.probability, atol=2e-3)
        assert one.score == pytest.approx(two.score, abs=1e-4)
        assert (one.mask != two.mask).mean() < 1e-3
    one, two = ours.click(CLICKS[1], first[0]), theirs.click(CLICKS[1], first[1])
    np.testing.assert_allclose(one.probability, two.probability, atol=2e-3)


def test_a_click_must_say_where(published, package):
    photo = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(UsageError, match="No click"):
        OriginalSamEngine(published).prepare(photo).click(Clicks(((1.0, 1.0),), (False,)))


def test_other_weights_are_refused(weights, package):
    with pytest.raises(BadInputError, match="holds no SAM"):  # a tiny network is none of the published
        OriginalSamEngine.load(weights)


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is not None, reason="torchvision is installed")
def test_without_torchvision_the_package_is_left_alone(weights, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == NAME]:
        monkeypatch.delitem(sys.modules, name)
    assert not original_imports()
    with pytest.raises(MissingComponentError, match="torchvision is missing"):
        OriginalSamEngine.load(weights)


def test_the_package_serves_where_transformers_is_missing(monkeypatch):
    asked = []
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("teethscape.segmentation.clicks.sam_original.original_imports", lambda: True)
    monkeypatch.setattr("teethscape.segmentation.clicks.sam_engine.smallest_installed", lambda: "weights")
    monkeypatch.setattr(OriginalSamEngine, "load", classmethod(lambda cls, *how: asked.append(how)))
    engines.make_engine(ClickEngineName.SAM)
    engines.make_engine(ClickEngineName.SAM, published=True)
    assert asked == [("weights", True), ("weights", False)]
