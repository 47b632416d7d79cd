"""The published program's own numbers, and the tiny network that made them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")
pytest.importorskip("diffusers", reason="needs diffusers")
pytest.importorskip("transformers", reason="needs transformers")

#: The README's tolerance for everything.
TOLERANCE = 1e-4


@pytest.fixture(scope="session")
def arrays(published) -> Callable[[str], dict]:
    """Reads a fixture's arrays; floats become float32 tensors."""

    def read(name: str) -> dict:
        with np.load(published / f"{name}.npz") as content:
            return {key: _tensor(content[key]) for key in content.files}

    return read


def _tensor(array: np.ndarray) -> object:
    if array.dtype.kind in "US":
        return str(array)
    tensor = torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape))
    return tensor.float() if array.dtype.kind == "f" else tensor


@pytest.fixture(scope="session")
def tiny_file(published) -> Path:
    return published / "tiny_teethdreamer_state_fp16.safetensors"


@pytest.fixture(scope="session")
def tiny(tiny_file):
    """The tiny network in float32."""
    from safetensors.torch import load_file

    from teethscape.diffusion.networks import TeethDreamer, load

    from .sizes import FIXTURE

    network = TeethDreamer.empty(FIXTURE)
    state = {name: tensor.float() for name, tensor in load_file(tiny_file).items()}
    report = load(network, state)
    assert not report.missing
    assert not report.unexpected
    return network


@pytest.fixture
def agree():
    """Compares with the published program's numbers at the README's tolerance."""

    def check(found, wanted, tolerance=TOLERANCE):
        torch.testing.assert_close(found.float(), wanted.float(), atol=tolerance, rtol=0)

    return check


@pytest.fixture
def pictures(tmp_path):
    """The masked photos of two jaws."""
    from teethscape.segmentation.clicks.pictures import Background, write_pictures

    from .photos import photos

    write_pictures(tmp_path / "in", "p", photos(), Background.BLACK)
    return tmp_path / "in"
