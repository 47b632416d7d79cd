"""Views painted again while the others stay, and jaws compared with the case that they belong to."""

# ruff: noqa: E402 - the libraries are asked for before what needs them is imported
from __future__ import annotations

import json
from typing import cast

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="needs PyTorch")
pytest.importorskip("diffusers", reason="needs diffusers")

from teethscape import cli
from teethscape.anchor.compare import fitted_of
from teethscape.anchor.report import report_path
from teethscape.dental.fdi import Jaw, Jaws
from teethscape.dental.wishes import Backdrop
from teethscape.diffusion.card import Card
from teethscape.diffusion.config import TINY
from teethscape.diffusion.held import Held, Hold
from teethscape.diffusion.painter import Painter, Recipe, Watching
from teethscape.diffusion.pictures import MONTAGE_ENDING
from teethscape.diffusion.repaint import Rounds, anchored, is_anchorable
from teethscape.diffusion.schedule import kept
from teethscape.diffusion.sources import JawPhotos, read_source
from teethscape.diffusion.weights_file import read_network
from teethscape.errors import ExitCode
from teethscape.progress import NoProgress
from teethscape.weights.store import file_sha256

from .paint import Brush, strip, tiles, truth_of


@pytest.fixture(scope="module")
def case(finished_case):
    return finished_case


@pytest.fixture
def jaw(case):
    return read_source(case, Jaws.UPPER, Backdrop.AS_GIVEN, NoProgress())[0]


def _painter(weights):
    return Painter(read_network(weights), Card(torch.device("cpu"), torch.float32), 2)


def test_held_pictures_are_as_noisy_as_the_step_wants():
    clean = torch.full((2, 4, 32, 32), 3.0)
    hold, generator = Hold([1, 3], clean), torch.Generator().manual_seed(0)
    assert hold.others(4) == [0, 2]
    latents = torch.zeros(1, 4, 4, 32, 32)
    put = hold.at(latents, 600, generator)
    left = float(kept()[600])
    assert put[0, [1, 3]].mean().item() == pytest.approx(3 * left**0.5, abs=0.05)
    assert put[0, [1, 3]].std().item() == pytest.approx((1 - left) ** 0.5, abs=0.05)
    assert not put[0, [0, 2]].any()
    assert not torch.equal(put, hold.at(latents, 600, generator))
    assert torch.equal(hold.clear(latents)[0, [1, 3]], clean)
    assert Hold([]).at(latents, 600, generator) is latents


@pytest.mark.slow
def test_only_the_named_views_are_painted_again(jaw, small_file):
    painter, calls = _painter(small_file), []
    first = painter.paint(jaw, Recipe(steps=2), Watching(NoProgress()))
    painter.network.unet.body.conv_out.register_forward_hook(lambda _m, _i, out: calls.append(len(out)))
    held = Held(np.clip(first, -1, 1), frozenset(range(8)) - {2, 5})
    again = painter.paint(jaw, Recipe(steps=2, seed=7), Watching(NoProgress()), held)
    new = [2, 5, 10, 13]
    assert held.rows == [row for row in range(16) if row not in new]
    assert np.array_equal(again[held.rows], held.pictures[held.rows])
    for row in new:
        assert np.abs(again[row] - held.pictures[row]).mean() > 1e-3
    assert sum(calls) == 2 * 4 * 2  # steps, pictures, halves of the guidance
    # the held views speak: with other ones the fresh views come out otherwise
    other = Held(-held.pictures, held.views)
    told = painter.paint(jaw, Recipe(steps=2, seed=7), Watching(NoProgress()), other)
    assert np.abs(told[new] - again[new]).max() > 1e-5


class _Hand:
    """Paints good pictures where a painter is asked for new ones, and remembers what it was asked."""

    def __init__(self, good):
        self.good, self.asked = np.stack(good).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1, []

    def paint(self, _jaw, recipe, _watching, held=None):
        self.asked.append((recipe.seed, None if held is None else sorted(held.views)))
        if held is None:
            return self.good
        return np.where(np.isin(np.arange(16), held.rows)[:, None, None, None], held.pictures, self.good)


@pytest.mark.slow
def test_bad_views_are_replaced_by_better_ones(crowns, case, tmp_path):
    good = tiles(crowns, Jaw.UPPER, truth_of(crowns), Brush(noise=5))
    bad = [tile[:, ::-1].copy() if k in (3, 11) else tile for k, tile in enumerate(good)]
    file = tmp_path / f"case_upper{MONTAGE_ENDING}"
    Image.fromarray(strip(bad)).save(file)
    file.with_suffix(".json").write_text(json.dumps({"key": "k", "sha256": file_sha256(file)}))
    fitted = fitted_of(case, Jaw.UPPER)
    hand, photos = _Hand(good), JawPhotos("case_upper", Jaw.UPPER, ())
    report = anchored(fitted, photos, file, Rounds(0, Recipe(), lambda: cast("Painter", hand)), NoProgress())
    assert report.disagreeing == (3,)
    report = anchored(
        fitted, photos, file, Rounds(2, Recipe(seed=40), lambda: cast("Painter", hand)), NoProgress()
    )
    assert report.disagreeing == ()
    assert hand.asked == [(41, [0, 1, 2, 4, 5, 6, 7])]
    record = json.loads(file.with_suffix(".json").read_text())
    assert record["repainted"] == [{"seed": 41, "views": ["view 11"], "kept": True}]
    assert record["sha256"] == file_sha256(file)
    with Image.open(file) as image:
        assert np.abs(np.asarray(image, int) - strip(good)).max() <= 1
    assert json.loads(report_path(file).read_text())["disagreeing"] == []


@pytest.mark.slow
def test_a_case_is_compared_and_refused_by_itself(case, small_file, tmp_path, capsys):
    """Random networks paint nothing like teeth: the views are refused and named, the strip stays."""
    assert is_anchorable(case)
    line = ["generate", str(case), "--output", str(tmp_path / "o"), "--weights", str(small_file)]
    line += ["--steps", "2", "--jaw", "upper", "--device", "cpu", "--show", "0"]
    assert cli.main([*line, "--repaint", "1"]) == ExitCode.REFUSED
    told = capsys.readouterr().err
    assert "of 8 views agree with the fitted teeth" in told
    assert "view 8 disagrees" in told
    file = tmp_path / "o" / f"case_upper{MONTAGE_ENDING}"
    with Image.open(file) as image:
        assert image.size == (16 * TINY.image_size, TINY.image_size)
    assert len(json.loads(file.with_suffix(".json").read_text())["repainted"]) == 1
    assert json.loads(report_path(file).read_text())["jaw"] == "upper"
    # the same command finds the jaw done and its rounds used up
    assert cli.main([*line, "--repaint", "1"]) == ExitCode.REFUSED
    assert "(kept)" in capsys.readouterr().err
    assert cli.main([*line, "--no-anchor", "--json"]) == ExitCode.DONE
    assert "anchor" not in json.loads(capsys.readouterr().out)["views"][0]
