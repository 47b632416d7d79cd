"""NeuS against the published program: fixtures n02 to n08, at the README's tolerance."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch")

from teethscape.surface.mesh.marching import marching_cubes  # noqa: E402
from teethscape.surface.mesh.sampling import sampled, surface_box  # noqa: E402
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
from teethscape.surface.neus.march import Samples, box_bounds, march  # noqa: E402
from teethscape.surface.neus.occupancy import Occupancy, resting_opacity  # noqa: E402
from teethscape.surface.neus.render import gathered, render_rays, sample_alpha, weights_of  # noqa: E402
from teethscape.surface.neus.schedule import learning_factor, next_rays  # noqa: E402

TOLERANCE = {"atol": 1e-4, "rtol": 0}
RADIUS = 0.5


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
    model = NeusModel(FrequencyEncoding(4), RADIUS)
    state = {key[3:]: value for key, value in values.items() if key.startswith("sd/")}
    state.pop("scene_aabb")
    model.load_state_dict(state)
    return model


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
    per_ray = torch.bincount(ray, minlength=5)
    place = torch.arange(len(ray)) - (torch.cumsum(per_ray, 0) - per_ray)[ray]
    samples = Samples(ray, torch.zeros_like(alpha), torch.ones_like(alpha), place, int(per_ray.max()))
    weights = weights_of(alpha, samples, 5)
    _close(weights, d["vr_weights"][:, 0])
    _close(gathered(weights, None, samples, 5), d["vr_opacity"])
    _close(gathered(weights, d["vr_values"], samples, 5), d["vr_accum"])


def _in_ball(limit):
    def occupied(points):
        cell = torch.floor((points + RADIUS) * 128)
        inside = ((cell >= 0) & (cell < 128)).all(dim=1)
        return inside & (((cell + 0.5) / 128 - RADIUS).norm(dim=1) < limit)

    return occupied


def test_parity_n03_whole_forward_pass(published):
    d = _load(published, "n03_neus_forward.npz")
    model = _model(d)
    rays = d["rays"][:, :3], d["rays"][:, 3:]
    step = float(d["render_step_size"])
    near, far = box_bounds(*rays, RADIUS)
    bounds = near + step * d["jitter"], far
    samples = march(rays, bounds, step, _in_ball(float(d["occupancy_radius"])))
    assert torch.equal(samples.ray, d["ray_indices"])
    _close(samples.start, d["t_starts"][:, 0])
    _close(samples.end, d["t_ends"][:, 0])
    out = render_rays(model, rays, samples, float(d["cos_anneal_ratio"]))
    wanted = {
        "out_comp_rgb": out.colour, "out_comp_normal": out.normal, "out_opacity": out.opacity,
        "out_depth": out.depth, "out_sdf_samples": out.sdf, "out_sdf_grad_samples": out.gradient,
        "out_weights": out.weights, "feature": out.feature, "rgb_samples": out.sample_colour,
        "out_points": samples.middle, "out_intervals": samples.end - samples.start,
        "out_comp_rgb_full": out.over(d["background"]), "out_inv_s": out.inv_s,
    }  # fmt: skip
    for name, value in wanted.items():
        _close(value, d[name])
    points = 2 * d["random_points01"] - 1
    _close(model.geometry(points).gradient[:256], d["out_random_sdf_grad"])
    beside = model.geometry(points + 1e-2 * d["perturb_noise"]).gradient
    _close(beside[:256], d["out_normal_perturb"])


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
    for key, loss in losses.items():
        logged = {"rgb_l1": "rgb"}.get(key, key)
        assert float(loss) == pytest.approx(float(d[f"log/loss_{logged}"]), abs=1e-4), key
    prefix = "log/lambda/lambda_"
    lambdas = {key.removeprefix(prefix): float(v) for key, v in d.items() if key.startswith(prefix)}
    assert float(total_loss(losses, lambdas)) == pytest.approx(float(d["total_loss"]), abs=1e-4)
    assert next_rays(256, 400, 256 * 8192, 8192) == int(d["train_num_rays_after"])


@pytest.mark.parametrize(
    ("kind", "steps", "rates"),
    [
        ("normal", 20000, (1e-3, 5e-4, 5e-4)),
        ("colour", 10000, (1e-2, 1e-2, 1e-3)),
        ("colour_run_py_20000", 20000, (1e-2, 1e-2, 1e-3)),
    ],
)
def test_parity_n05_learning_rates(published, kind, steps, rates):
    d = _load(published, "n05_lr_schedule.npz")
    found = [[learning_factor(int(step), steps) * rate for rate in rates] for step in d[f"{kind}_steps"]]
    np.testing.assert_allclose(found, d[f"{kind}_lr_geometry_texture_variance"].numpy(), rtol=1e-9)


def test_parity_n06_mesh_and_colours(published):
    d = _load(published, "n06_marching_cubes.npz")
    model = _model(d)
    field, counts, corner = numpy_field(model), np.full(3, int(d["resolution"])), np.full(3, RADIUS)
    box = surface_box(field, -corner, corner, counts)
    assert box is not None
    vertices, faces = marching_cubes(sampled(field, *box, counts))
    vertices = box[0] + vertices / (counts - 1) * (box[1] - box[0])
    assert (len(vertices), len(faces)) == (int(d["n_vertices"]), int(d["n_faces"]))
    np.testing.assert_allclose(vertices.min(axis=0), d["bounds_min"].numpy(), **TOLERANCE)
    np.testing.assert_allclose(vertices.max(axis=0), d["bounds_max"].numpy(), **TOLERANCE)
    np.testing.assert_allclose(vertices.mean(axis=0), d["centroid"].numpy(), **TOLERANCE)
    corners = vertices[faces]
    volume = np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    assert volume == pytest.approx(float(d["signed_volume"]), abs=1e-4)
    wanted = d["v_pos_first2000"].numpy()
    nearest = np.array([np.argmin(((vertices - point) ** 2).sum(axis=1)) for point in wanted[::20]])
    np.testing.assert_allclose(vertices[nearest], wanted[::20], **TOLERANCE)
    colours = surface_colours(model, vertices[nearest])
    np.testing.assert_allclose(colours, d["v_rgb_first2000"].numpy()[::20], **TOLERANCE)


def test_parity_n07_level_sizes(published):
    wanted = json.loads((published / "n07_hashgrid_levels.json").read_text("utf-8"))
    spec = HashGridSpec()
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


@pytest.mark.slow
def test_parity_n08_first_occupancy_update(published):
    d = _load(published, "n08_occupancy_step0.npz")
    model = _model(_load(published, "n03_neus_forward.npz"))
    grid = Occupancy(RADIUS)
    cells = torch.arange(grid.resolution**3)
    step = float(d["render_step_size"])

    @torch.no_grad()
    def opacity(points):
        return resting_opacity(model.geometry.sdf(points), model.variance(), step)

    grid.merge(cells, grid.points(cells, 0.5), opacity)
    cube = grid.occs.reshape(128, 128, 128)
    _close(cube[::8, ::8, ::8], d["occs_sub8"])
    assert float(cube.mean()) == pytest.approx(float(d["occs_mean"]), abs=1e-6)
    assert int(grid.binary.sum()) == int(d["binary_count"])
    assert torch.equal(grid.binary.reshape(128, 128, 128)[::4, ::4, ::4], d["binary_sub4"])
