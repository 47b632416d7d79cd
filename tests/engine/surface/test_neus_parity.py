"""NeuS against the published program: fixtures n02 to n08, at the README's tolerance."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import KDTree

torch = pytest.importorskip("torch", reason="needs PyTorch")

from teethscape.dental.fdi import Jaw  # noqa: E402
from teethscape.surface.mesh.marching import marching_cubes  # noqa: E402
from teethscape.surface.mesh.sampling import sampled, surface_box  # noqa: E402
from teethscape.surface.neus.batches import RayBank, RayBatch  # noqa: E402
from teethscape.surface.neus.encodings import FrequencyEncoding  # noqa: E402
from teethscape.surface.neus.extract import numpy_field, surface_colours  # noqa: E402
from teethscape.surface.neus.fields import NeusModel  # noqa: E402
from teethscape.surface.neus.hash_grid import HashGrid, HashGridSpec  # noqa: E402
from teethscape.surface.neus.losses import (  # noqa: E402
    LossRules,
    RayTargets,
    Rendered,
    all_losses,
    total_loss,
)
from teethscape.surface.neus.march import Samples  # noqa: E402
from teethscape.surface.neus.presets import load_preset  # noqa: E402
from teethscape.surface.neus.render import gathered, sample_alpha, weights_of  # noqa: E402
from teethscape.surface.neus.schedule import next_rays  # noqa: E402
from teethscape.surface.neus.train import RADIUS, Trainer  # noqa: E402
from teethscape.surface.read.montage import montage_views  # noqa: E402
from teethscape.surface.request import GridName  # noqa: E402

TOLERANCE = {"atol": 1e-4, "rtol": 0}
#: A hash grid that is made at once, where another encoding is tested.
SMALL = {"levels": 2, "base": 4, "finest": 8, "start_level": 2, "log2_table": 8}


def _load(published, name):
    with np.load(published / name) as file:
        return {
            key: torch.from_numpy(np.asarray(file[key]))
            for key in file.files
            if file[key].dtype.kind in "fiub"
        }


def _close(found, wanted):
    np.testing.assert_allclose(found.detach().numpy(), wanted.numpy(), **TOLERANCE)


def _model(values):
    state = {key[3:]: value for key, value in values.items() if key.startswith("sd/")}
    assert state.pop("scene_aabb").tolist() == [-RADIUS] * 3 + [RADIUS] * 3
    inputs = state["geometry.network.layers.0.weight_v"].shape[1]
    model = NeusModel(FrequencyEncoding((inputs - 3) // 6), RADIUS)
    model.load_state_dict(state)
    return model


def _bank(published):
    """Rays of n01's upper jaw, whose box is the cube."""
    strip = _load(published, "n01_dataset.npz")["montage_rgba_uint8"].numpy()
    tiles = strip.reshape(len(strip), -1, len(strip), 4).transpose(1, 0, 2, 3)
    views = montage_views(list(tiles), Jaw.UPPER, with_normals=True)
    return RayBank(views, (np.zeros(3), 1.0), torch.device("cpu"))


def _trainer(published, with_normals=True, **changes):
    """What trains by the published preset, on a small grid."""
    preset = replace(load_preset("upstream", with_normals), **SMALL, **changes)
    return Trainer(preset, _bank(published), GridName.TORCH)


@pytest.mark.parametrize("variance", ["0.3", "0.55"])
@pytest.mark.parametrize("anneal", ["0.0", "0.37", "1.0"])
def test_parity_n02_alpha(published, variance, anneal):
    d = _load(published, "n02_alpha_weights.npz")
    inv_s = torch.exp(torch.tensor(10 * float(variance)))
    normals = torch.nn.functional.normalize(d["normal"], dim=1)
    found = sample_alpha((d["sdf"], normals), d["dirs"], d["dists"][:, 0], inv_s, float(anneal))
    _close(found, d[f"alpha_var{variance}_cos{anneal}"])


def test_parity_n02_weights_of_rays_some_without_samples(published):
    d = _load(published, "n02_alpha_weights.npz")
    ray, alpha = d["vr_ray_indices"], d["vr_alpha"][:, 0]
    rays = len(d["vr_opacity"])
    per_ray = torch.bincount(ray, minlength=rays)
    place = torch.arange(len(ray)) - (torch.cumsum(per_ray, 0) - per_ray)[ray]
    samples = Samples(ray, torch.zeros_like(alpha), torch.ones_like(alpha), place, int(per_ray.max()))
    weights = weights_of(alpha, samples, rays)
    _close(weights, d["vr_weights"][:, 0])
    _close(gathered(weights, None, samples, rays), d["vr_opacity"])
    _close(gathered(weights, d["vr_values"], samples, rays), d["vr_accum"])


def test_parity_n03_rays_of_pixels(published):
    d, n01 = _load(published, "n03_neus_forward.npz"), _load(published, "n01_dataset.npz")
    side, view = len(n01["directions"]), d["ray_view"]
    row, column = (d[name].clamp(max=side - 1) for name in ("ray_py", "ray_px"))
    turned = (n01["upper_c2w"][view, :, :3] @ n01["directions"][row, column, :, None])[..., 0]
    if float((turned - d["rays_d_unnormalised"]).norm(dim=1).median()) > TOLERANCE["atol"]:
        pytest.skip("These n03 are rays of other views than those of n01.")
    batch, long = _bank(published).at((view * side + row) * side + column), d["rays_d_unnormalised"]
    _close(batch.directions, long / long.norm(dim=1, keepdim=True))
    _close(torch.cat([batch.origins, batch.directions], dim=1), d["rays"])


def _of_n03(published, d):
    """The published training at the step and with the model and occupancy of n03."""
    trainer = _trainer(published, samples_per_ray=round(1.732 * 2 * RADIUS / float(d["render_step_size"])))
    trainer.model, grid = _model(d), trainer.occupancy
    trainer.age = float(d["cos_anneal_ratio"]) * 20_000
    centres = grid.points(torch.arange(grid.resolution**3), 0.5)
    grid.binary = centres.norm(dim=1) < float(d["occupancy_radius"])
    assert trainer.step_length == pytest.approx(float(d["render_step_size"]), abs=1e-9)
    assert trainer.anneal == pytest.approx(float(d["cos_anneal_ratio"]), abs=1e-9)
    return trainer


def test_parity_n03_whole_forward_pass(published, monkeypatch):
    d = _load(published, "n03_neus_forward.npz")
    trainer = _of_n03(published, d)
    monkeypatch.setattr(torch, "rand_like", lambda _: d["jitter"])
    targets = trainer.bank.at(torch.zeros(len(d["rays"]), dtype=torch.long)).targets
    out = trainer.render(RayBatch(d["rays"][:, :3], d["rays"][:, 3:], targets), jitter=True)
    samples = out.samples
    for name in ("ray_indices", "out_ray_indices"):
        assert torch.equal(samples.ray, d[name].long())
    for name in ("out_num_samples", "out_num_samples_full"):  # no background has any
        assert d[name].tolist() == [len(samples.ray)]
    assert torch.equal(out.valid, d["out_rays_valid"][:, 0] > 0)
    assert torch.equal(out.valid, d["out_rays_valid_full"][:, 0] > 0)
    _close(samples.start, d["t_starts"][:, 0])
    _close(samples.end, d["t_ends"][:, 0])
    wanted = {
        "out_comp_rgb": out.colour, "out_comp_normal": out.normal, "out_opacity": out.opacity,
        "out_depth": out.depth, "out_sdf_samples": out.sdf, "out_sdf_grad_samples": out.gradient,
        "out_weights": out.weights, "feature": out.feature, "rgb_samples": out.sample_colour,
        "out_points": samples.middle, "out_intervals": samples.end - samples.start,
        "out_comp_rgb_full": out.over(d["background"]), "out_inv_s": out.inv_s,
        "out_comp_rgb_bg": d["background"].expand_as(out.colour),
        "positions": d["rays"][samples.ray, :3] + samples.middle[:, None] * d["rays"][samples.ray, 3:],
    }  # fmt: skip
    for name, value in wanted.items():
        _close(value, d[name])


def test_parity_n03_gradients_at_random_points_and_beside_them(published, monkeypatch):
    d = _load(published, "n03_neus_forward.npz")
    trainer = _of_n03(published, d)
    monkeypatch.setattr(torch, "rand", lambda *_, **__: d["random_points01"])
    monkeypatch.setattr(torch, "randn_like", lambda _: d["perturb_noise"])
    trainer.preset = replace(trainer.preset, smooth_points=len(d["random_points01"]))
    for found, name in zip(trainer._smoothness(), ("random_sdf_grad", "normal_perturb"), strict=True):
        _close(found[: len(d[f"out_{name}"])], d[f"out_{name}"])


_VARIANT = LossRules(geo_aware=False, keep_rgb=0.7, keep_normal=0.8, keep_mask=0.9)


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("n04a_losses_normal_geoaware", LossRules()),
        ("n04b_losses_normal_variant", _VARIANT),
        ("n04c_losses_colour_only", LossRules()),
    ],
)
def test_parity_n04_every_loss_and_their_sum(published, name, rules):
    d = _load(published, f"{name}.npz")
    out = Rendered(
        d["out_comp_rgb_full"], d["out_comp_normal"], d["out_opacity"][:, 0], d["out_rays_valid_full"][:, 0],
        d["out_sdf_samples"], d["out_sdf_grad_samples"], d["out_random_sdf_grad"], d["out_normal_perturb"],
    )  # fmt: skip
    normal = None if "colour" in name else d["batch_normal"]
    wanted = RayTargets(
        d["batch_rgb"], d["batch_rgb_mask"], d["batch_fg_mask"], normal, d["batch_rays"][:, 3:],
        d["batch_view_weights"],
    )  # fmt: skip
    losses = all_losses(out, wanted, rules)
    logged = {{"rgb_l1": "rgb"}.get(name, name): float(loss) for name, loss in losses.items()}
    assert set(logged) == {key.removeprefix("log/loss_") for key in d if key.startswith("log/loss_")}
    for name, loss in logged.items():
        assert loss == pytest.approx(float(d[f"log/loss_{name}"]), abs=1e-4), name
    prefix = "log/lambda/lambda_"
    lambdas = {key.removeprefix(prefix): float(v) for key, v in d.items() if key.startswith(prefix)}
    assert float(total_loss(losses, lambdas)) == pytest.approx(float(d["total_loss"]), abs=1e-4)
    samples = int(d["out_num_samples_full"])
    assert next_rays(256, samples, 256 * 8192, 8192) == int(d["train_num_rays_after"])


@pytest.mark.parametrize(
    ("name", "with_normals"), [("n04a_losses_normal_geoaware", True), ("n04c_losses_colour_only", False)]
)
def test_parity_n04_weights_and_rays_of_the_published_preset(published, name, with_normals):
    d, preset = _load(published, f"{name}.npz"), load_preset("upstream", with_normals)
    prefix = "log/lambda/lambda_"
    wanted = {key.removeprefix(prefix): float(v) for key, v in d.items() if key.startswith(prefix)}
    assert not wanted.pop("distortion_bg", 0.0)  # of a background that is learnt; none is
    if not with_normals:
        wanted.pop("normal")  # of what is not there
    assert dict(preset.lambdas) == pytest.approx(wanted)
    after = next_rays(
        preset.first_rays, int(d["out_num_samples_full"]), preset.sample_target, preset.most_rays
    )
    assert after == int(d["train_num_rays_after"]) == int(d["log/num_rays"])


@pytest.mark.parametrize(
    ("kind", "with_normals", "changes"),
    [("normal", True, {}), ("colour", False, {"steps": 10000}), ("colour_run_py_20000", False, {})],
)
def test_parity_n05_learning_rates(published, kind, with_normals, changes):
    d = _load(published, "n05_lr_schedule.npz")
    trainer = _trainer(published, with_normals, occupancy=8, **changes)
    found = []
    for step in map(int, d[f"{kind}_steps"]):
        trainer.step_number = trainer.age = step
        trainer._descend(trainer.model.variance())
        grid, *rates = (group["lr"] for group in trainer.optimiser.param_groups)
        assert grid == rates[0]
        found.append(rates)
    np.testing.assert_allclose(found, d[f"{kind}_lr_geometry_texture_variance"].numpy(), rtol=1e-9)


def test_parity_n06_mesh_and_colours(published):
    d = _load(published, "n06_marching_cubes.npz")
    model = _model(d)
    field, counts, corner = numpy_field(model), np.full(3, int(d["resolution"])), np.full(3, RADIUS)
    box = surface_box(field, -corner, corner, counts)
    assert box is not None
    vertices, faces = marching_cubes(sampled(field, *box, counts))
    vertices = box[0] + vertices / (counts - 1) * (box[1] - box[0])
    # Where a node lies on the surface, or a cell is ambiguous, libraries count otherwise.
    assert len(vertices) == pytest.approx(int(d["n_vertices"]), rel=2e-3)
    assert len(faces) == pytest.approx(int(d["n_faces"]), rel=2e-3)
    np.testing.assert_allclose(vertices.min(axis=0), d["bounds_min"].numpy(), **TOLERANCE)
    np.testing.assert_allclose(vertices.max(axis=0), d["bounds_max"].numpy(), **TOLERANCE)
    np.testing.assert_allclose(vertices.mean(axis=0), d["centroid"].numpy(), **TOLERANCE)
    corners = vertices[faces]
    volume = np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    assert volume == pytest.approx(float(d["signed_volume"]), abs=1e-4)
    wanted = d["v_pos_first2000"].numpy()
    nearest = KDTree(vertices).query(wanted)[1]
    np.testing.assert_allclose(vertices[nearest], wanted, **TOLERANCE)
    colours = surface_colours(model, vertices[nearest])
    np.testing.assert_allclose(colours, d["v_rgb_first2000"].numpy(), **TOLERANCE)


def test_parity_n07_level_sizes(published):
    wanted = json.loads((published / "n07_hashgrid_levels.json").read_text("utf-8"))
    spec = load_preset("upstream", with_normals=True).grid
    assert spec == HashGridSpec()
    assert list(spec.resolutions) == wanted["resolutions"]
    assert list(spec.entries) == wanted["entries_per_level"]
    assert sum(spec.entries) * spec.features == wanted["n_params"]
    np.testing.assert_allclose(spec.scales, wanted["scales"], **TOLERANCE)


def test_parity_n07_hash_grid(published):
    d = _load(published, "n07_hashgrid_emulated.npz")
    spec = HashGridSpec(
        int(d["n_levels"]), int(d["n_features_per_level"]), int(d["log2_hashmap_size"]),
        int(d["base_resolution"]), float(d["per_level_scale"]),
    )  # fmt: skip
    assert list(spec.resolutions) == d["resolutions"].tolist()
    assert list(spec.entries) == d["entries"].tolist()
    grid = HashGrid(spec)
    grid.table.data = d["params"].reshape(-1, spec.features)
    _close(grid(d["x"])[0], d["out"])
    _close(grid.values(d["x"]), d["out"])


@pytest.mark.slow
def test_parity_n08_first_occupancy_update(published, monkeypatch):
    d = _load(published, "n08_occupancy_step0.npz")
    step = float(d["render_step_size"])
    trainer = _trainer(published, samples_per_ray=round(1.732 * 2 * RADIUS / step))
    trainer.model, grid = _model(_load(published, "n03_neus_forward.npz")), trainer.occupancy
    assert trainer.step_length == pytest.approx(step, abs=1e-9)
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.full(shape, 0.5))
    trainer.update_occupancy()
    cube, binary = (values.reshape(3 * (grid.resolution,)) for values in (grid.occs, grid.binary))
    _close(cube[::8, ::8, ::8], d["occs_sub8"])
    assert float(cube.mean()) == pytest.approx(float(d["occs_mean"]), abs=1e-6)
    assert int(binary.sum()) == int(d["binary_count"])
    assert int((grid.occs > float(d["occ_thre"])).sum()) == int(d["binary_count"])
    assert torch.equal(binary[::4, ::4, ::4], d["binary_sub4"])
