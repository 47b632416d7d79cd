"""Unfinished views of a running job: a picture in its panel, renewed, gone when the job is over."""

from __future__ import annotations

import os
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from case_factory import write_png
from fake_layout import draw

SIDE = 8


def _strip(levels):
    """Sixteen grey tiles side by side."""
    tiles = [np.full((SIDE, SIDE, 3), level, np.uint8) for level in levels]
    return np.concatenate(tiles, axis=1)


@pytest.fixture
def unfinished(part, own_runtime, scene):
    found = part("session.unfinished").unfinished
    found.clear()
    yield found
    found.clear()


@pytest.fixture
def preview(tmp_path):
    """The unfinished views of an upper jaw."""
    path = tmp_path / "views" / "preview" / "Fall_7_upper.png"
    path.parent.mkdir(parents=True)
    write_png(path, _strip(range(0, 160, 10)))
    return path


def _job(case, stage="paint", over=False):
    return SimpleNamespace(case=case, stage=stage, state=SimpleNamespace(is_over=over))


def _pixels(unfinished):
    preview = unfinished._previews["unfinished"]
    flat = np.empty(np.prod(preview.image_size) * 4, np.float32)
    preview.image_pixels_float.foreach_get(flat)
    return flat.reshape(*preview.image_size, 4)[::-1]


def test_the_picture_is_shown_once_and_renewed_when_its_file_is(unfinished, preview, tmp_path):
    assert unfinished.refresh(_job(tmp_path))
    assert unfinished.jaw == "upper"
    assert not unfinished.refresh(_job(tmp_path))
    write_png(preview, _strip([200] * 16))
    os.utime(preview, ns=(0, preview.stat().st_mtime_ns + 1_000_000))
    assert unfinished.refresh(_job(tmp_path))
    np.testing.assert_allclose(_pixels(unfinished)[..., :3], 200 / 255, atol=0.01)
    assert not [image for image in bpy.data.images if image.name.endswith(".png")]  # nothing stays loaded


def test_the_tiles_stand_in_the_order_of_reading(unfinished, preview, tmp_path):
    unfinished.refresh(_job(tmp_path))
    pixels = _pixels(unfinished)
    assert pixels.shape == (4 * SIDE, 4 * SIDE, 4)
    middles = pixels[SIDE // 2 :: SIDE, SIDE // 2 :: SIDE, 0] * 255
    np.testing.assert_allclose(middles.ravel(), range(0, 160, 10), atol=2)
    assert (pixels[..., 3] == 1).all()


def test_the_newest_jaw_is_shown(unfinished, preview, tmp_path):
    lower = preview.with_name("Fall_7_lower.png")
    write_png(lower, _strip([50] * 16))
    os.utime(lower, ns=(0, preview.stat().st_mtime_ns + 1_000_000))
    unfinished.refresh(_job(tmp_path))
    assert unfinished.jaw == "lower"


@pytest.mark.parametrize("end", ["no job", "over", "next stage", "finished jaw"])
def test_the_picture_goes_with_what_it_shows(unfinished, preview, tmp_path, end):
    unfinished.refresh(_job(tmp_path))
    if end == "finished jaw":
        preview.unlink()
    ends = {"no job": None, "over": _job(tmp_path, over=True), "next stage": _job(tmp_path, "wrap")}
    job = ends.get(end, _job(tmp_path))
    assert unfinished.refresh(job)
    assert (unfinished.jaw, unfinished._previews) == ("", None)
    assert not unfinished.refresh(job)


@pytest.mark.parametrize("damage", [b"", b"no picture", None])
def test_a_damaged_file_shows_nothing_and_is_read_once(unfinished, preview, tmp_path, damage, monkeypatch):
    if damage is None:
        write_png(preview, _strip(range(15)))
    else:
        preview.write_bytes(damage)
    assert not unfinished.refresh(_job(tmp_path))
    assert unfinished.jaw == ""
    monkeypatch.setattr(type(unfinished), "_show", None)
    assert not unfinished.refresh(_job(tmp_path))


def test_the_panel_draws_the_picture_of_the_running_job(part, unfinished, preview, tmp_path, monkeypatch):
    client, state = part("backend.client"), part("session.view_state").state
    view = client.JobView("j", tmp_path, client.JobState.RUNNING, "paint", "step 3 of 200")
    monkeypatch.setattr(part("session.runtime").Runtime, "job_view", view)
    panel = part("panels.reconstruct").TEETH_PT_reconstruct
    part("session.runtime").runtime()
    part("session.ticker").refresh()
    drawn = draw(panel)
    assert state.job is view
    assert drawn.icons == [unfinished.icon]
    assert any("upper jaw" in text for text in drawn.texts)
    preview.unlink()
    part("session.ticker").refresh()
    assert draw(panel).icons == []
