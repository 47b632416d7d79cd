"""The Triton kernels of the hash grid against plain PyTorch, by Triton's interpreter on a processor."""

from __future__ import annotations

import importlib
import sys

import pytest
import torch

from teethscape.errors import MissingComponentError
from teethscape.surface.neus import encodings
from teethscape.surface.neus.hash_grid import HashGrid, HashGridSpec, Lookup
from teethscape.surface.request import GridName

NAME = "teethscape.surface.neus.triton_lookup"
#: The first level has a row for every node, the last one shares its rows.
SPEC = HashGridSpec(levels=3, features=2, log2_table=9, base=4, growth=2.0)
CPU = torch.device("cpu")


@pytest.fixture
def interpreted(monkeypatch):
    """The module with its kernels run by Python."""
    pytest.importorskip("triton", reason="needs triton: pip install triton")
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    sys.modules.pop(NAME, None)
    encodings.fused_runs.cache_clear()
    yield importlib.import_module(NAME)
    sys.modules.pop(NAME, None)
    encodings.fused_runs.cache_clear()


def test_parity_of_the_kernels_with_pytorch(interpreted):
    torch.manual_seed(0)
    plain = HashGrid(SPEC)
    plain.table.data.normal_()
    fused = HashGrid(SPEC, interpreted.TritonLookup)
    fused.load_state_dict(plain.state_dict())
    unit = torch.rand(150, 3) * 1.2 - 0.1  # beyond the cube, too, and more than one program
    weights = torch.randn(150, SPEC.width), torch.randn(150, SPEC.width, 3)
    for levels in (3, 2):
        plain.active = fused.active = levels
        plain.table.grad = fused.table.grad = None
        wanted, found = plain(unit), fused(unit)
        for grid, answer in ((plain, wanted), (fused, found)):
            sum((a * w).sum() for a, w in zip(answer, weights, strict=True)).backward()
            assert grid.table.grad is not None
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(fused.table.grad, plain.table.grad, atol=1e-4, rtol=1e-4)


def test_no_positions_are_no_trouble(interpreted):
    fused = HashGrid(SPEC, interpreted.TritonLookup)
    found, slopes = fused(torch.zeros(0, 3))
    (found.sum() + slopes.sum()).backward()
    assert found.shape == (0, SPEC.width)
    assert not fused.table.grad.any()


def test_kernels_that_run_are_found_to_run(interpreted):
    assert encodings.fused_runs(CPU)
    assert isinstance(encodings.hash_grid(SPEC, GridName.TRITON, CPU), HashGrid)


def _doubled_forward(ctx, table, unit, shapes):
    return tuple(2 * found for found in Lookup.forward(ctx, table, unit, shapes))


def _sevens_in_hashed_levels(ctx, table, unit, shapes):
    values, slopes = Lookup.forward(ctx, table, unit, shapes)
    for level, (_, edge, entries, _) in enumerate(shapes):
        if edge**3 > entries:
            values[:, 2 * level : 2 * level + 2] = 7
    return values, slopes


def _beyond_a_program_nothing(ctx, table, unit, shapes):
    values, slopes = Lookup.forward(ctx, table, unit, shapes)
    values[128:] = 0
    return values, slopes


def _no_gradients(ctx, *grads):
    return torch.zeros_like(Lookup.backward(ctx, *grads)[0]), None, None


def _wild_gradients(ctx, *grads):
    return 1e6 * torch.randn_like(Lookup.backward(ctx, *grads)[0]), None, None


def _no_gradients_of_slopes(ctx, of_value, of_slope):
    return Lookup.backward(ctx, of_value, torch.zeros_like(of_slope))


@pytest.mark.parametrize(
    ("way", "fake"),
    [
        ("forward", _doubled_forward),
        ("forward", _sevens_in_hashed_levels),
        ("forward", _beyond_a_program_nothing),
        ("backward", _no_gradients),
        ("backward", _wild_gradients),
        ("backward", _no_gradients_of_slopes),
    ],
)
def test_wrong_numbers_are_no_use(interpreted, monkeypatch, way, fake):
    wrong = type("Wrong", (Lookup,), {way: staticmethod(fake)})
    monkeypatch.setattr(interpreted, "TritonLookup", wrong)
    assert not encodings.fused_runs(CPU)
    with pytest.raises(MissingComponentError) as missing:
        encodings.hash_grid(SPEC, GridName.TRITON, CPU)
    assert missing.value.code == "triton_missing"


def test_the_probe_leaves_random_numbers_alone(interpreted):
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    assert encodings.fused_runs(CPU)
    torch.testing.assert_close(torch.rand(3), wanted)


def test_a_processor_alone_gets_the_plain_grid(interpreted):
    grid = encodings.hash_grid(SPEC, GridName.AUTO, CPU)
    assert not isinstance(grid, encodings.TcnnGrid)
    assert grid._look_up.__name__ == "Lookup"


@pytest.mark.parametrize("capability", [75, 89, 90, 120])
def test_the_kernels_compile_for_graphics_processors(monkeypatch, tmp_path, capability):
    pytest.importorskip("triton", reason="needs triton: pip install triton")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    from triton.compiler import compile as compiled

    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    sys.modules.pop(NAME, None)
    module = importlib.import_module(NAME)
    sizes = {"F": "constexpr", "BLOCK": "constexpr", "n": "i32", "levels": "i32", "sizes": "*i64"}
    for kernel in (module._look_up, module._spread):
        types = {name: sizes.get(name, "*fp32") for name in kernel.arg_names}
        source = ASTSource(kernel, types, {"F": 2, "BLOCK": 128})
        assert compiled(source, target=GPUTarget("cuda", capability, 32)).asm["cubin"]
