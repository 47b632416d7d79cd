"""What several packages of the engine are tested with: published numbers, a small network."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def published_folder(request) -> Path:
    """The TeethDreamer fixtures: ``TEETHSCAPE_FIXTURES``, else those of the shared folder.

    What is named and is not there is a mistake, and no reason to skip what it was named for.
    """
    named = os.environ.get("TEETHSCAPE_FIXTURES")
    folder = Path(named) if named else request.getfixturevalue("shared") / "fixtures" / "teethdreamer"
    if not folder.is_dir():
        if named:
            pytest.fail(f"TEETHSCAPE_FIXTURES names {folder}, which is no folder.")
        pytest.skip(f"needs the TeethDreamer fixtures of the shared folder: {folder} is absent")
    return folder


@pytest.fixture(scope="session")
def published(request) -> Path:
    """The TeethDreamer fixtures."""
    return published_folder(request)


@pytest.fixture(scope="session")
def small_file(tmp_path_factory) -> Path:
    """Random weights of the smallest sizes, as a file of ours; every layer does something."""
    import torch

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
