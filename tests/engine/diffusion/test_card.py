"""Which attention runs: xformers only where its kernels do, not where it merely imports."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from teethscape.diffusion import card

CPU = torch.device("cpu")


def broken(*_: object) -> None:
    raise NotImplementedError("no kernel for these inputs")


@pytest.fixture
def installed(monkeypatch):
    """Installs an xformers with the given attention."""

    def install(run) -> None:
        card.xformers_runs.cache_clear()
        monkeypatch.setattr(card.util, "find_spec", lambda _: object())
        monkeypatch.setattr(card, "import_module", lambda _: SimpleNamespace(memory_efficient_attention=run))

    yield install
    card.xformers_runs.cache_clear()


def test_kernels_that_run_are_used(installed):
    installed(torch.nn.functional.scaled_dot_product_attention)
    assert card.xformers_runs(CPU)


def test_a_build_for_another_torch_is_not(installed):
    installed(broken)
    assert not card.xformers_runs(CPU)


def test_without_a_graphics_processor_it_is_not_even_looked_for(installed):
    installed(broken)
    assert card.attention(CPU) == "PyTorch"
