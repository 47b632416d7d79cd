"""Which hash grid is taken where tiny-cuda-nn is missing or broken."""

from __future__ import annotations

import sys

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from teethscape.errors import MissingComponentError  # noqa: E402
from teethscape.surface.neus import encodings  # noqa: E402
from teethscape.surface.neus.encodings import hash_grid  # noqa: E402
from teethscape.surface.neus.hash_grid import HashGrid, HashGridSpec  # noqa: E402
from teethscape.surface.request import GridName  # noqa: E402

SPEC = HashGridSpec(4, 2, 8, 4, 1.6)


@pytest.fixture(autouse=True)
def unknown():
    """Nothing is known yet of what runs here."""
    encodings.tcnn_runs.cache_clear()
    encodings.fused_runs.cache_clear()
    yield
    encodings.tcnn_runs.cache_clear()
    encodings.fused_runs.cache_clear()


def test_a_missing_tinycudann_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "tinycudann", None)
    with pytest.raises(MissingComponentError) as missing:
        hash_grid(SPEC, GridName.TCNN, torch.device("cuda"))
    assert missing.value.code == "tinycudann_missing"


def test_a_tinycudann_that_cannot_be_loaded_is_said_and_not_taken(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "tinycudann" or None)

    def broken(spec):
        raise OSError("no extension for this card")

    monkeypatch.setattr(encodings, "TcnnGrid", broken)
    with pytest.raises(MissingComponentError, match="no extension for this card"):
        hash_grid(SPEC, GridName.TCNN, torch.device("cuda"))
    assert isinstance(hash_grid(SPEC, GridName.AUTO, torch.device("cuda")), HashGrid)
