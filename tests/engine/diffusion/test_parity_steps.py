"""Parity of cameras, schedule, sampler and pictures with the published program (f04-f07, f10, f12)."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch
from PIL import Image

from teethscape.dental.fdi import Jaw
from teethscape.dental.wishes import Backdrop
from teethscape.diffusion.condition import Condition, decoded, published_views
from teethscape.diffusion.config import OFFICIAL
from teethscape.diffusion.denoiser import Denoiser
from teethscape.diffusion.embeddings import ViewAngles, flagged, sinusoid, view_embedding
from teethscape.diffusion.geometry import ViewCameras, frustum_points, grid_points, projected
from teethscape.diffusion.memory import Chunking
from teethscape.diffusion.pictures import MONTAGE_ENDING, montage, network_input, read_picture
from teethscape.diffusion.schedule import Steps, buffers


@pytest.mark.parametrize("jaw", list(Jaw))
def test_parity_f04_geometry(arrays, agree, jaw):
    f04 = arrays("f04_projection_geometry")
    cameras, _ = published_views(jaw, OFFICIAL)
    for view in (0, 5):
        projections = cameras.of_latents(OFFICIAL)[0, view : view + 1]
        places = projected(grid_points(OFFICIAL), projections, 32).reshape(1, 32, 32, 32, 2)
        agree(places[:, ::3, ::5, ::7], f04[f"{jaw.value}_warp_view{view}_sub"])
        points, depths = frustum_points(projections, OFFICIAL)
        points = points.permute(0, 4, 1, 2, 3)[:, :, ::5, ::6, ::7]
        agree(points, f04[f"{jaw.value}_frustum_xyz_view{view}_sub"])
        wanted = f04[f"{jaw.value}_frustum_depth_view{view}_sub"]
        agree(depths[::5, None, None].expand(wanted.shape[2:])[None, None], wanted)
    corners = grid_points(OFFICIAL).reshape(32, 32, 32, 3)
    agree(corners[[0, 0, 0, 31], [0, 0, 31, 0], [0, 31, 0, 0]], f04["volume_verts_corner_order"])


@pytest.mark.parametrize("jaw", list(Jaw))
def test_parity_f05_views_and_cameras(arrays, agree, jaw):
    f05 = {
        name.removeprefix(f"{jaw.value}_"): value for name, value in arrays("f05_view_time_embedding").items()
    }
    cameras, views = published_views(jaw, OFFICIAL)
    agree(cameras.poses, f05["target_pose"])
    agree(cameras.intrinsics[:, 0], f05["target_K"])
    agree(views, f05["v_embed"])
    targets, source = (
        ViewAngles(*(f05[f"{kind}_{name}"] for name in ("az", "el", "dis"))) for kind in ("target", "input")
    )
    agree(view_embedding(targets, source), f05["v_embed"])
    agree(flagged(f05["da"], f05["de"], f05["dz"]), f05["v_embed"])


@torch.no_grad()
def test_parity_f05_times(tiny, arrays, agree):
    f05 = arrays("f05_view_time_embedding")
    for width in (256, 320):
        agree(sinusoid(f05["time_t"], width), f05[f"time_sinusoid_{width}"])
    agree(tiny.time_embed(sinusoid(f05["time_t"], 256)), f05["time_embed_out"])


def test_parity_f06_schedule(arrays, agree):
    f06 = arrays("f06_schedules")
    for name, table in buffers().items():
        agree(table, f06[name])
    for count in sorted({int(name[1:].split("_")[0]) for name in f06 if name[1].isdigit()}):
        tables = Steps(count).tables()
        assert tables.times.tolist() == f06[f"s{count}_timesteps"].tolist()
        agree(tables.left, f06[f"s{count}_ddim_alphas"])
        agree(tables.left_before, f06[f"s{count}_ddim_alphas_prev"])
        agree(tables.spread, f06[f"s{count}_ddim_sigmas"])
        agree((1 - tables.left).sqrt(), f06[f"s{count}_ddim_sqrt_one_minus_alphas"])


@pytest.mark.slow
@pytest.mark.parametrize("chunking", [Chunking(3, True), Chunking(16, False)], ids=str)
@torch.no_grad()
def test_parity_f07_whole_sampling(tiny, arrays, agree, chunking):
    f07 = arrays("f07_ddim_4steps")
    cameras = ViewCameras(f07["poses"], f07["K128"])
    views = flagged(f07["da"], f07["de"], f07["dz"])
    denoiser = Denoiser(tiny, Condition(f07["clip_embed"], f07["x_input"], views, cameras))
    steps, latents = Steps(len(f07["timesteps"])), f07["x_T"]
    assert steps.times[::-1] == f07["timesteps"].tolist()
    fresh = [*f07["noise_per_step"], None]
    for number, time in enumerate(steps.times):
        noise = denoiser.guided(latents, time, chunking)
        agree(noise, f07["eps_per_step"][number])
        latents = steps.step(number, latents, noise, fresh[number])
        agree(latents, f07["x_after_step"][number])
    agree(latents, f07["x0"])
    agree(decoded(tiny, latents[0, 3:4]), f07["decoded_view3"])


@pytest.mark.parametrize("jaw", list(Jaw))
def test_parity_f10_photos(arrays, published, shared, jaw):
    wanted = arrays("f10_condition_images")[f"{jaw.value}_uint8_256x256x12"].numpy()
    folder = shared / "cases" / "case-c" / "official" / f"1832_{jaw.value}"
    pictures = [read_picture(folder / f"{n:03d}.png", Backdrop.AS_GIVEN) for n in range(4)]
    values = np.concatenate([network_input(picture, 256) for picture in pictures], -1)
    levels = np.rint((values + 1) / 2 * 255).astype(np.uint8)
    assert np.array_equal(levels, wanted)
    known = json.loads((published / "f10_condition_images.json").read_text())[jaw.value]
    assert hashlib.sha256(levels.tobytes()).hexdigest() == known["sha256_uint8"]
    assert values.mean() == pytest.approx(known["mean"], abs=1e-4)
    assert values.std() == pytest.approx(known["std"], abs=1e-4)


@pytest.mark.parametrize("crop", [-1, 200])
def test_parity_f10_pictures_with_opacity(arrays, agree, crop):
    f10 = arrays("f10_condition_images")
    picture = Image.fromarray(f10["rgba_input"].numpy(), "RGBA")
    found = torch.from_numpy(network_input(picture, 256, crop))
    agree(found[::2, ::2], f10[f"rgba_out_crop_{crop}"])


def test_parity_f12_montage(arrays):
    f12 = arrays("f12_save_montage")
    found = montage(f12["x_sample"][0].numpy())
    assert np.array_equal(found, f12["montage_uint8"].numpy())
    assert f12["file_name"].endswith(f"_upper{MONTAGE_ENDING}")
