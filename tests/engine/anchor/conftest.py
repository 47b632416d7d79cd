"""A synthetic jaw, painted well."""

from __future__ import annotations

import numpy as np
import pytest

from teethscape.anchor.jaw import fitted_jaw
from teethscape.dataset.patient_arch import Dentition, random_arches
from teethscape.dental.fdi import Jaw
from teethscape.parametric.prior import load_prior

from .cases import write_case
from .paint import Brush, fitted, misfitted, tiles, truth_of

JAW = Jaw.UPPER
SIZE = 256


@pytest.fixture(scope="session")
def crowns():
    """Both jaws of a synthetic patient, 28 teeth."""
    return random_arches(load_prior(), Dentition(), np.random.default_rng(0))[0]


@pytest.fixture(scope="session")
def painted(crowns):
    """Its upper jaw, painted exactly."""
    return tiles(crowns, JAW, truth_of(crowns), Brush(size=SIZE))


@pytest.fixture(scope="session")
def arch(crowns):
    """The upper jaw as a fit might find it."""
    return fitted_jaw(fitted(misfitted(crowns, np.random.default_rng(1), 0.2)), JAW)


@pytest.fixture(scope="session")
def exact(crowns):
    """The upper jaw as it is."""
    return fitted_jaw(fitted(crowns), JAW)


@pytest.fixture(scope="session")
def finished_case(crowns, tmp_path_factory):
    """The patient as a finished case."""
    return write_case(tmp_path_factory.mktemp("anchor") / "case", crowns)


@pytest.fixture(scope="session")
def small_file(tmp_path_factory):
    """Random weights of the smallest sizes; every layer does something."""
    torch = pytest.importorskip("torch", reason="needs PyTorch")
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
