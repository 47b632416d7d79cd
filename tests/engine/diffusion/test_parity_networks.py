"""Parity of every network with the published program (fixtures f01, f03, f08, f09)."""

from __future__ import annotations

import pytest
import torch

from teethscape.diffusion.condition import (
    Condition,
    clip_input,
    decoded,
    encoded,
    photo_tokens,
    view_tokens,
)  # fmt: skip
from teethscape.diffusion.config import LATENT_SCALE
from teethscape.diffusion.denoiser import GUIDANCE, Denoiser
from teethscape.diffusion.geometry import ViewCameras, frustum_points, gathered, sampled

from .sizes import FIXTURE

_CAPTURES = {
    "cap_unet_time_embed": "time_embedding",
    "cap_input_block_0": "conv_in",
    "cap_input_block_1": "down_blocks.0.attentions.0",
    "cap_input_block_3_downsample": "down_blocks.0.downsamplers.0",
    "cap_input_block_11": "down_blocks.3.resnets.1",
    "cap_middle_block": "mid_block.resnets.1",
    "cap_middle_conditions": "mid_block",
    "cap_output_block_2": "up_blocks.0.upsamplers.0",
    "cap_output_block_5": "up_blocks.1.upsamplers.0.conv",
    "cap_output_condition_0": "up_blocks.1.attentions.0",
    "cap_output_condition_2": "up_blocks.1.upsamplers.0",
    "cap_output_condition_8": "up_blocks.3.attentions.2",
}


@pytest.fixture(scope="module")
def f01(arrays):
    return arrays("f01_unet")


@pytest.fixture(scope="module")
def f03(arrays):
    return arrays("f03_volumes")


@pytest.fixture(scope="module")
def denoiser(tiny, f03):
    cameras = ViewCameras(f03["poses"], f03["Ks"])
    return Denoiser(tiny, Condition(f03["clip_embed"], f03["x_input"], f03["v_embed"], cameras))


def _volumes(f01):
    return {width: f01[f"volume_{width}"] for width in (16, 8, 4, 2)}


def _whole(f01):
    return torch.cat([f01["x"], f01["x_concat"] / LATENT_SCALE], 1)


@torch.no_grad()
def test_parity_f01_unet_and_its_parts(tiny, f01, agree):
    seen = {}
    handles = [
        tiny.unet.body.get_submodule(place).register_forward_hook(
            lambda _, __, out, name=name: seen.update({name: out[0] if isinstance(out, tuple) else out})
        )
        for name, place in _CAPTURES.items()
    ]
    # Of an output block that depth attention follows the outcome is what that begins with.
    conditions = tiny.unet.get_submodule("output_conditions.0")
    handles.append(
        conditions.register_forward_hook(lambda _, taken, __: seen.update(cap_output_block_3=taken[0]))
    )
    out = tiny.unet(_whole(f01), f01["t"], f01["context"], _volumes(f01))
    for handle in handles:
        handle.remove()
    agree(out, f01["out"])
    assert set(seen) == {name for name in f01 if name.startswith("cap_")}
    for name, found in seen.items():
        agree(found, f01[name])


@torch.no_grad()
def test_parity_f01_guidance_with_empty_volumes_never_built(tiny, f01, agree):
    empty_photos = torch.cat([f01["x"], torch.zeros_like(f01["x_concat"])], 1)
    x = torch.cat([_whole(f01), empty_photos])
    tokens = torch.cat([f01["context"], torch.zeros_like(f01["context"])])
    with_it, without = tiny.unet(x, f01["t"].repeat(2), tokens, _volumes(f01)).chunk(2)
    agree(without + GUIDANCE * (with_it - without), f01["out_cfg2"])
    # what an empty volume adds is computed without it; with it the result is the same
    zeros = {width: torch.zeros_like(volume) for width, volume in _volumes(f01).items()}
    agree(tiny.unet(empty_photos, f01["t"], tokens[len(empty_photos) :], zeros), without)


@torch.no_grad()
def test_parity_f03_volumes(tiny, denoiser, f03, agree):
    time = denoiser.embedded_time(f03["t"])
    agree(time, f03["t_embed"])
    colours = f03["x_noisy"][:, :8]
    features = denoiser.encoded_views(tiny.spatial_volume, colours, time, f03["v_embed"][:, :8])
    agree(features[:2][None], f03["encoder_out_views01"])
    projections = ViewCameras(f03["poses"], f03["Ks"]).of_latents(FIXTURE)
    voxels = gathered(features, projections[0], FIXTURE).reshape(1, 128, 32, 32, 32)
    agree(voxels[:, :32, ::4, ::4, ::4], f03["unproj_feats_sub4"])
    for domain, name in enumerate(("spatial", "normal")):
        volume = denoiser.domain_volume(f03["x_noisy"][:, 8 * domain :][:, :8], time, domain)
        agree(volume[:, :, ::2, ::2, ::2], f03[f"{name}_volume_sub2"])
    merged = denoiser.volume(f03["x_noisy"], time)
    agree(merged[:, :, ::2, ::2, ::2], f03["merged_volume_sub2"])
    agree(merged, f03["merged_volume_fp16"], 4e-3)  # the file's own rounding


@torch.no_grad()
def test_parity_f03_frustums_and_tokens(tiny, denoiser, f03, agree):
    index = f03["target_index"][0]
    count = len(index)
    time = denoiser.embedded_time(f03["t"]).repeat(count, 1)
    volume = denoiser.volume(f03["x_noisy"], denoiser.embedded_time(f03["t"])).repeat(count, 1, 1, 1, 1)
    projections = ViewCameras(f03["poses"], f03["Ks"]).of_latents(FIXTURE)[0, index]
    points, _ = frustum_points(projections, FIXTURE)
    agree(sampled(volume, points, FIXTURE)[:, :, ::8, ::2, ::2], f03["frustum_in_sub"])
    case = torch.zeros_like(index)
    for domain, name in enumerate(("colour", "normal")):
        places = torch.stack([case, index + 8 * domain], 1)
        found = denoiser.frustums(volume, time, places)
        for key in (key for key in f03 if key.startswith(f"frustum_{name}_")):
            width = int(key.split("_")[2])
            if key.endswith("_sub"):
                agree(found[width][:1, :, ::4], f03[key])
            else:
                agree(found[width][:, :, :: {16: 6, 8: 4}.get(width, 1)], f03[key])
        tokens = view_tokens(
            tiny, f03["clip_embed"].repeat(count, 1, 1), f03["v_embed"][0, index + 8 * domain]
        )
        agree(tokens, f03[f"clip_embed_out_{name}"])


@torch.no_grad()
def test_parity_f08_autoencoder(tiny, arrays, agree):
    f08 = arrays("f08_vae")
    distribution = tiny.vae.encode(f08["image"]).latent_dist
    agree(distribution.parameters, f08["moments"])
    agree(encoded(tiny, f08["image"], None), f08["z_mode_scaled"])
    drawn = (distribution.mean + distribution.std * f08["noise"]) * LATENT_SCALE
    agree(drawn, f08["z_sampled_scaled"])
    agree(decoded(tiny, f08["z_sampled_scaled"]), f08["decoded"])


@torch.no_grad()
def test_parity_f09_image_encoder(tiny, arrays, agree):
    f09 = arrays("f09_clip_image")
    picture = arrays("f10_condition_images")["upper_uint8_256x256x12"][..., :3].float() / 255 * 2 - 1
    picture = picture.permute(2, 0, 1)[None]
    prepared = clip_input(picture)
    agree(prepared[:, :, ::4, ::4], f09["preprocessed_sub"])
    agree(prepared.mean((0, 2, 3)), f09["preprocessed_mean"])
    agree(prepared.std((0, 2, 3)), f09["preprocessed_std"])
    tokens = photo_tokens(tiny, picture.repeat(1, 4, 1, 1))
    agree(tokens[:, :1], f09["embedding"])
