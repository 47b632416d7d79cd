"""The published program's own numbers, and the tiny network that made them."""

from __future__ import annotations

import os
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
def fixtures(request) -> Path:
    """The folder of the fixtures, or skip with the reason."""
    named = os.environ.get("TEETHSCAPE_FIXTURES")
    folder = Path(named) if named else request.getfixturevalue("shared") / "fixtures" / "teethdreamer"
    if not folder.is_dir():
        pytest.skip(f"needs the TeethDreamer fixtures: {folder} is absent")
    return folder


@pytest.fixture(scope="session")
def arrays(fixtures) -> Callable[[str], dict]:
    """Reads a fixture's arrays; floats become float32 tensors."""

    def read(name: str) -> dict:
        with np.load(fixtures / f"{name}.npz") as content:
            return {key: _tensor(content[key]) for key in content.files}

    return read


def _tensor(array: np.ndarray) -> object:
    if array.dtype.kind in "US":
        return str(array)
    tensor = torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape))
    return tensor.float() if array.dtype.kind == "f" else tensor


@pytest.fixture(scope="session")
def tiny_file(fixtures) -> Path:
    return fixtures / "tiny_teethdreamer_state_fp16.safetensors"


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


@pytest.fixture(scope="session")
def small_file(tmp_path_factory) -> Path:
    """Random weights of the smallest sizes, as a file of ours; every layer does something."""
    from teethscape.diffusion.config import TINY
    from teethscape.diffusion.start import fresh
    from teethscape.diffusion.weights_file import write_network

    torch.manual_seed(5)
    network = fresh(TINY)
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(std=0.05)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    write_network(path, TINY, network.state_dict(), half=False)
    return path
