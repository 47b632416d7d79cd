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
