"""Reading montages against the published loader: fixture n01."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from teethscape.dental.fdi import Jaw
from teethscape.dental.wishes import ForegroundName, Preset, SurfaceMethod
from teethscape.errors import BadInputError
from teethscape.surface.read.any import read_views
from teethscape.surface.read.montage import (
    MontageOptions,
    encoded_normals,
    montage_views,
    read_montage_views,
)
from teethscape.surface.request import SurfaceRequest

TOLERANCE = {"atol": 1e-4, "rtol": 0}


@pytest.fixture(scope="module")
def data(published):
    with np.load(published / "n01_dataset.npz") as file:
        return {key: file[key] for key in file.files}


@pytest.fixture(scope="module")
def tiles(data):
    strip = data["montage_rgba_uint8"]
    side = len(strip)
    return list(strip.reshape(side, -1, side, 4).transpose(1, 0, 2, 3))


@pytest.fixture(scope="module")
def read(data, tiles, tmp_path_factory):
    """Views of the strip's file, as the published training sees them; the jaw is told by its name."""
    folder = tmp_path_factory.mktemp("strips")

    def views(jaw):
        path = _strip(folder, f"a_{jaw.value}.png", tiles)
        return read_montage_views(path, MontageOptions(size=len(data["directions"]), published=True))

    return views


@pytest.mark.parametrize("jaw", list(Jaw))
def test_parity_n01_pictures_masks_normals_and_cameras(data, read, jaw):
    views = read(jaw)
    np.testing.assert_allclose(views.colours, data["images"], **TOLERANCE)
    assert np.array_equal(views.foreground, data["fg_masks"])
    assert np.array_equal(views.colour_mask, data["color_masks"])
    assert views.normals is not None
    np.testing.assert_allclose(views.normals, data[f"{jaw.value}_normals_world"], **TOLERANCE)
    np.testing.assert_allclose(views.cam2world, data[f"{jaw.value}_c2w"], **TOLERANCE)
    assert views.intrinsics[0, 0, 0] == pytest.approx(float(data["focal"]), abs=1e-4)


@pytest.mark.parametrize("jaw", list(Jaw))
def test_parity_n01_cameras_are_those_of_the_written_file(data, read, jaw):
    views = read(jaw)
    wanted = data[f"{jaw.value}_transform_matrix"]
    np.testing.assert_allclose(views.cam2world, wanted[:, :3], **TOLERANCE)
    assert np.array_equal(wanted[:, 3], np.tile([0.0, 0, 0, 1], (len(views), 1)))
    width = np.tan(float(data[f"{jaw.value}_camera_angle_x"]) / 2) * 2 * views.intrinsics[:, 0, 0]
    np.testing.assert_allclose(width, views.size[1], **TOLERANCE)
    numbers = [int(name.split()[-1]) for name in views.names]
    assert [f"train/{number:03d}.png" for number in numbers] == data[f"{jaw.value}_file_paths"].tolist()


def test_parity_n01_ray_directions_and_the_published_picture_of_normals(data, read):
    views = read(Jaw.UPPER)
    turned_back = views.directions(0) @ views.cam2world[0, :, :3]
    np.testing.assert_allclose(turned_back, data["directions"], **TOLERANCE)
    assert views.normals is not None
    picture = ((views.normals[0] * 0.5 + 0.5) * 255).astype(np.uint8).astype(int)
    assert np.abs(picture - data["upper_world_normal_png_view0"]).max() <= 1


def test_parity_n01_without_normals_the_last_tiles_are_colours(data, tiles):
    views = montage_views(tiles, Jaw.UPPER, with_normals=False)
    np.testing.assert_allclose(views.colours[0], data["coloronly_images_view0"], **TOLERANCE)
    np.testing.assert_allclose(views.foreground[0], data["coloronly_fg_masks_view0"], **TOLERANCE)
    assert views.normals is None


def test_normals_survive_being_encoded_and_read(tiles):
    views = montage_views(tiles, Jaw.LOWER, with_normals=True)
    assert views.normals is not None
    rng = np.random.default_rng(0)
    normals = rng.standard_normal(views.normals.shape)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    coded = encoded_normals(normals, np.ones(normals.shape[:3]), Jaw.LOWER)
    again = montage_views([*coded, *coded], Jaw.LOWER, with_normals=True).normals
    assert again is not None
    np.testing.assert_allclose(again, normals, atol=0.012)


def _strip(folder, name, tiles, mode="RGBA"):
    path = folder / name
    Image.fromarray(np.concatenate(tiles, axis=1), "RGBA").convert(mode).save(path)
    return path


def test_a_strip_is_read_from_its_file(tmp_path, tiles, data):
    views = read_montage_views(_strip(tmp_path, "a_lower.png", tiles), MontageOptions())
    assert views.jaw is Jaw.LOWER
    np.testing.assert_allclose(views.colours, data["images"], **TOLERANCE)


def test_a_strip_without_opacity_needs_a_method(tmp_path, tiles):
    path = _strip(tmp_path, "a_upper.png", tiles, "RGB")
    with pytest.raises(BadInputError, match="foreground") as refused:
        read_montage_views(path, MontageOptions())
    assert refused.value.code == "opacity_missing"
    assert len(read_montage_views(path, MontageOptions(foreground=ForegroundName.PLAIN))) == 8


@pytest.mark.parametrize("opaque", [range(16), range(8, 16)])
def test_a_strip_whose_masks_are_opaque_everywhere_has_no_opacity(tmp_path, tiles, opaque):
    full = [tile.copy() for tile in tiles]
    for k in opaque:
        full[k][..., 3] = 255
    path = _strip(tmp_path, "a_upper.png", full)
    with pytest.raises(BadInputError) as refused:
        read_montage_views(path, MontageOptions())
    assert refused.value.code == "opacity_missing"
    fitted = read_montage_views(
        path, MontageOptions(foreground=ForegroundName.FIT)
    )  # cut out plainly till then
    assert fitted.foreground.mean() < 1


def test_a_name_must_tell_the_jaw(tmp_path, tiles):
    with pytest.raises(BadInputError, match="jaw"):
        read_montage_views(_strip(tmp_path, "strip.png", tiles), MontageOptions())


def _pieces(strip):
    with Image.open(strip) as image:
        whole = np.asarray(image)
    return list(whole.reshape(64, -1, 64, 4).transpose(1, 0, 2, 3))


@pytest.mark.parametrize("mode", ["RGBA", "RGB"])
def test_without_normals_the_colours_of_a_strip_that_has_them_are_taken(strip, tmp_path, mode):
    options = MontageOptions(normals=False, foreground=None if mode == "RGBA" else ForegroundName.PLAIN)
    pieces = _pieces(strip)
    views = read_montage_views(_strip(tmp_path, "a_lower.png", pieces, mode), options)
    assert views.normals is None
    inside = np.stack(pieces[:8])[..., 3] > 127
    np.testing.assert_allclose(views.colours[inside], 0.8, atol=0.002)
    assert (views.foreground[~inside] == 0).mean() > 0.99


def test_of_sixteen_colour_tiles_of_other_views_the_last_are_ours(strip, tmp_path):
    """An older model drew them all; the first eight show the arch from elsewhere."""
    pieces = _pieces(strip)[:8]
    first = [np.roll(piece // [2, 2, 2, 1], 20, axis=0).astype(np.uint8) for piece in pieces]
    path = _strip(tmp_path, "a_lower.png", [*first, *pieces])
    views = read_montage_views(path, MontageOptions(normals=False))
    inside = np.stack(pieces)[..., 3] > 127
    assert np.array_equal(views.foreground > 0.5, inside)
    np.testing.assert_allclose(views.colours[inside], 0.8, atol=0.002)


def test_opaque_colour_tiles_show_the_object_where_the_normals_do(strip, tmp_path):
    pieces = [piece.copy() for piece in _pieces(strip)]
    for piece in pieces[:8]:
        piece[..., 3] = 255
    views = read_montage_views(_strip(tmp_path, "a_lower.png", pieces), MontageOptions())
    assert np.array_equal(views.colour_mask, views.foreground)
    assert 0.02 < views.colour_mask.mean() < 0.5


def test_colours_that_a_foreground_method_removed_are_believed_by_the_published_training_alone(
    strip, tmp_path
):
    path = _strip(tmp_path, "a_lower.png", _pieces(strip), "RGB")
    out = tmp_path / "out.ply"
    ours = SurfaceRequest(path, out, SurfaceMethod.NEUS, Preset.TEETH, foreground=ForegroundName.PLAIN)
    views = read_views(replace(ours, normals=False))
    assert np.array_equal(views.colour_mask, views.foreground)
    assert 0.02 < views.colour_mask.mean() < 0.5
    assert read_views(ours).colour_mask.mean() == pytest.approx(views.colour_mask.mean())
    assert read_views(replace(ours, preset=Preset.UPSTREAM)).colour_mask.all()
