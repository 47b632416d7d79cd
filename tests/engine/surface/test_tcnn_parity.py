"""tiny-cuda-nn's hash grid against ours: the real one where there is a card and a stand-in of its layout."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from itertools import product
from types import ModuleType

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from teethscape.errors import MissingComponentError  # noqa: E402
from teethscape.surface.neus import encodings  # noqa: E402
from teethscape.surface.neus.encodings import TcnnGrid, hash_grid  # noqa: E402
from teethscape.surface.neus.fields import SdfField  # noqa: E402
from teethscape.surface.neus.hash_grid import HashGrid, HashGridSpec  # noqa: E402
from teethscape.surface.request import GridName  # noqa: E402

#: The first two levels have a row for every node, the others share theirs.
SPEC = HashGridSpec(levels=4, features=2, log2_table=9, base=4, growth=1.6)
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


class _Raw(torch.autograd.Function):
    """Nothing, but gradients must lie row by row in memory, as tiny-cuda-nn takes for granted."""

    @staticmethod
    def forward(ctx, unit):
        return unit.clone()

    @staticmethod
    def backward(ctx, gradient):
        return _RawBack.apply(gradient)


class _RawBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx, gradient):
        assert gradient.is_contiguous()
        return gradient.clone()

    @staticmethod
    def backward(ctx, gradient):
        assert gradient.is_contiguous()
        return gradient


class StandIn(torch.nn.Module):
    """What stands in for ``tinycudann.Encoding``: levels one after the other in one vector of numbers.

    Only how scales are rounded comes from our grid, so that it need not be allowed for.
    """

    def __init__(self, dimensions, config, dtype):
        super().__init__()
        assert (dimensions, config["otype"], dtype) == (3, "HashGrid", torch.float32)
        self.features, growth = config["n_features_per_level"], config["per_level_scale"]
        self.scales = HashGridSpec(config["n_levels"], base=config["base_resolution"], growth=growth).scales
        for level, scale in enumerate(self.scales):
            assert scale == pytest.approx(config["base_resolution"] * growth**level - 1, rel=1e-5)
        self.edges = [int(-(-scale // 1)) + 1 for scale in self.scales]
        most = 1 << config["log2_hashmap_size"]
        self.entries = [min((edge**3 + 7) // 8 * 8, most) for edge in self.edges]
        start = torch.empty(sum(self.entries) * self.features).uniform_(-1e-4, 1e-4)
        self.params = torch.nn.Parameter(start)

    def forward(self, unit):
        unit, first, found = _Raw.apply(unit), 0, []
        for scale, edge, entries in zip(self.scales, self.edges, self.entries, strict=True):
            last = first + entries * self.features
            table = self.params[first:last].reshape(entries, self.features)
            found.append(self._level(unit * scale + 0.5, edge, table))
            first = last
        return torch.cat(found, dim=1)

    def _level(self, place, edge, table):
        low = torch.floor(place.detach())
        inside = place - low
        found = 0
        for corner in product((0, 1), repeat=3):
            x, y, z = (inside[:, k] if high else 1 - inside[:, k] for k, high in enumerate(corner))
            row = self._row(low.long() + torch.tensor(corner), edge, len(table))
            found = found + (x * y * z)[:, None] * table[row]
        return found

    def _row(self, node, edge, entries):
        x, y, z = node.T
        if edge**3 <= entries:
            return (x + y * edge + z * edge**2) % 2**32 % entries
        return (x ^ y * 2654435761 ^ z * 805459861) % 2**32 % entries


@pytest.fixture
def installed(monkeypatch):
    """Lets an encoding be what is installed as tiny-cuda-nn."""

    def install(encoding=StandIn):
        module = ModuleType("tinycudann")
        module.Encoding, module.__spec__ = encoding, ModuleSpec("tinycudann", None)
        monkeypatch.setitem(sys.modules, "tinycudann", module)
        known.cache_clear()

    known = encodings.tcnn_runs
    yield install
    known.cache_clear()


def _pair(device):
    """Our grid and the other one with the same table."""
    torch.manual_seed(0)
    ours, theirs = HashGrid(SPEC).to(device), TcnnGrid(SPEC).to(device)
    with torch.no_grad():
        ours.table.normal_()
        theirs.grid.params.copy_(ours.table.reshape(-1))
    return ours, theirs


def _assert_parity_of_grids(device, alike):
    ours, theirs = _pair(device)
    unit = torch.rand(300, 3, device=device) * 1.2 - 0.1
    shapes = (300, SPEC.width), (300, SPEC.width, 3)
    weights = [torch.randn(shape, device=device) for shape in shapes]
    for levels in (4, 2):
        ours.active = theirs.active = levels
        gradients, answers = [], []
        for grid in (ours, theirs):
            answers.append(grid(unit))
            told = sum((a * w).sum() for a, w in zip(answers[-1], weights, strict=True))
            (gradient,) = torch.autograd.grad(told, list(grid.parameters()))
            gradients.append(gradient.reshape(-1))
        torch.testing.assert_close(answers[1], answers[0], atol=alike, rtol=alike)
        torch.testing.assert_close(gradients[1], gradients[0], atol=alike, rtol=alike)
        torch.testing.assert_close(theirs.values(unit), ours.values(unit), atol=alike, rtol=alike)


def _learnt(grid, points):
    """A field on a grid: what it says at points, and what slopes that are to be one teach it."""
    torch.manual_seed(1)
    field = SdfField(grid, 0.5).to(points.device)
    with torch.no_grad():
        field._two()[0].weight_v.add_(0.1)  # fresh, the distance does not ask the grid
    found = field(points)
    told = (found.gradient.norm(dim=1) - 1).square().sum() + found.feature.square().sum()
    told.backward()
    return found.sdf.detach(), found.gradient.detach(), *(p.grad.reshape(-1) for p in field.parameters())


def _assert_parity_of_fields(device, count, alike):
    points = torch.rand(count, 3, device=device) - 0.5
    for found, wanted in zip(*(_learnt(grid, points) for grid in _pair(device)), strict=True):
        torch.testing.assert_close(found, wanted, atol=alike * float(wanted.abs().max()), rtol=0)


def test_parity_of_a_stand_in(installed):
    installed()
    _assert_parity_of_grids(CPU, 1e-5)


@pytest.mark.parametrize("count", [256, 70])
def test_parity_of_a_field_on_a_stand_in(installed, count):
    installed()
    _assert_parity_of_fields(CPU, count, 1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="tiny-cuda-nn needs an NVIDIA card")
def test_parity_of_tinycudann_itself():
    pytest.importorskip("tinycudann", reason="needs tiny-cuda-nn: compiled from its source for one card")
    _assert_parity_of_grids(CUDA, 2e-3)
    for count in (256, 70):  # the first is taken as it is, the other is padded
        _assert_parity_of_fields(CUDA, count, 2e-3)
    assert encodings.tcnn_runs(CUDA)


class _Doubled(StandIn):
    def forward(self, unit):
        return 2 * super().forward(unit)


class _OtherOrder(StandIn):
    """A hash that is none of ours."""

    def _row(self, node, edge, entries):
        return super()._row(node.flip(1), edge, entries)


class _Flat(StandIn):
    """Values alone."""

    def forward(self, unit):
        return super().forward(unit.detach()) + 0 * unit.sum()


class _OnlyOnce(StandIn):
    """As versions whose gradients have none themselves."""

    def forward(self, unit):
        return _Once.apply(super().forward, unit, self.params)


class _Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, found, unit, params):
        with torch.enable_grad():
            unit = unit.detach().requires_grad_(True)
            ctx.kept = unit, params, found(unit)
        return ctx.kept[2].detach()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        unit, params, found = ctx.kept
        return None, *torch.autograd.grad(found, (unit, params), gradient, retain_graph=True)


class _NoGradientsOfSlopes(StandIn):
    """Slopes of the right numbers, of which the table hears nothing."""

    def forward(self, unit):
        table = self.params
        found = super().forward(unit.detach())
        self.params = torch.nn.Parameter(table.detach(), requires_grad=False)
        slopes = super().forward(unit)
        self.params = table
        return found + slopes - slopes.detach()


def test_what_gives_our_numbers_is_of_use(installed):
    installed()
    assert encodings.tcnn_runs(CPU)


@pytest.mark.parametrize("wrong", [_Doubled, _OtherOrder, _Flat, _OnlyOnce, _NoGradientsOfSlopes])
def test_what_training_cannot_use_is_not_taken(installed, wrong):
    installed(wrong)
    assert not encodings.tcnn_runs(CPU)


def test_what_is_not_there_is_not_taken(monkeypatch, installed):
    installed()
    monkeypatch.setitem(sys.modules, "tinycudann", None)
    assert not encodings.tcnn_runs(CPU)


def _pretend(monkeypatch, tcnn, triton):
    """Say what runs on a card, where there is none."""
    monkeypatch.setattr(encodings, "tcnn_runs", lambda device: tcnn)
    monkeypatch.setattr(encodings, "fused_runs", lambda device: triton)
    monkeypatch.setattr(encodings, "_own", lambda spec, name: name)


@pytest.mark.parametrize(
    ("tcnn", "triton", "taken"),
    [(True, True, "tcnn"), (False, True, GridName.TRITON), (False, False, GridName.TORCH)],
)
def test_on_a_card_tinycudann_comes_before_triton_and_that_before_pytorch(
    installed, monkeypatch, tcnn, triton, taken
):
    installed()
    _pretend(monkeypatch, tcnn, triton)
    assert getattr(grid := hash_grid(SPEC, GridName.AUTO, CUDA), "layout", grid) == taken


def test_a_processor_gets_our_grid_whatever_is_installed(installed, monkeypatch):
    installed()
    _pretend(monkeypatch, tcnn=True, triton=True)
    assert isinstance(hash_grid(SPEC, GridName.AUTO, CPU), HashGrid)


def test_tinycudann_that_is_too_large_for_the_card_is_not_taken(installed, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("out of memory")

    installed(full)
    _pretend(monkeypatch, tcnn=True, triton=True)
    assert hash_grid(SPEC, GridName.AUTO, CUDA) is GridName.TRITON


def test_tinycudann_is_refused_on_a_processor(installed):
    installed()
    with pytest.raises(MissingComponentError, match="does not run here") as refused:
        hash_grid(SPEC, GridName.TCNN, CPU)
    assert refused.value.code == "tinycudann_missing"
    assert "--device cuda" in refused.value.advice


def test_tinycudann_that_is_asked_for_is_taken_only_where_it_is_of_use(installed, monkeypatch):
    installed()
    _pretend(monkeypatch, tcnn=True, triton=True)
    assert isinstance(hash_grid(SPEC, GridName.TCNN, CUDA), TcnnGrid)
    _pretend(monkeypatch, tcnn=False, triton=True)
    with pytest.raises(MissingComponentError, match="numbers") as refused:
        hash_grid(SPEC, GridName.TCNN, CUDA)
    assert refused.value.code == "tinycudann_missing"
