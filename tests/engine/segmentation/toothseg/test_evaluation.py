"""Scores, their files, the report and the export agree with the network itself (check C5)."""

from __future__ import annotations

import csv
import json
import math

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from teethscape.errors import BadInputError  # noqa: E402
from teethscape.segmentation.toothseg.card import Card  # noqa: E402
from teethscape.segmentation.toothseg.evaluate import (  # noqa: E402
    Evaluation,
    evaluate_network,
    outcomes,
    write_rows,
)
from teethscape.segmentation.toothseg.export import export_onnx  # noqa: E402
from teethscape.segmentation.toothseg.layouts import find_items  # noqa: E402
from teethscape.segmentation.toothseg.networks import build  # noqa: E402
from teethscape.segmentation.toothseg.predict import load_predictor  # noqa: E402
from teethscape.segmentation.toothseg.report import Model, saliency, write_report  # noqa: E402
from teethscape.segmentation.toothseg.scores import bootstrap, score  # noqa: E402
from teethscape.segmentation.toothseg.spec import NetworkSpec  # noqa: E402

from .arches import cases, sts  # noqa: E402

SIZE = (48, 64)


def _network(spec):
    torch.manual_seed(0)
    return build(spec).eval()


def _disc(x, y, radius, size=(80, 100)):
    mask = np.zeros(size, np.uint8)
    return cv2.circle(mask, (x, y), radius, 1, -1) > 0


def test_scores_of_shifted_discs():
    same = score(_disc(50, 40, 20), _disc(50, 40, 20))
    assert (same.dice, same.hd95) == (1.0, 0.0)
    off = score(_disc(56, 40, 20), _disc(50, 40, 20))
    assert 5 < off.hd95 <= 6
    assert off.boundary_iou < off.iou < off.dice < 1
    inside = score(_disc(50, 40, 10), _disc(50, 40, 20))
    assert inside.precision == pytest.approx(1.0)
    assert inside.recall == pytest.approx(0.25, abs=0.03)


def test_empty_masks():
    nothing = np.zeros((20, 30), bool)
    both = score(nothing, nothing)
    assert (both.dice, both.iou, both.hd95) == (1.0, 1.0, 0.0)
    one = score(nothing, _disc(5, 5, 3, (20, 30)))
    assert one.dice < 1e-3
    assert math.isnan(one.hd95)


def test_the_interval_holds_the_mean_and_is_repeatable():
    values = np.random.default_rng(0).normal(0.8, 0.1, 50).tolist()
    interval = bootstrap([*values, math.nan], 1)
    assert interval == bootstrap(values, 1)
    assert interval.low < interval.mean < interval.high
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * 0.1 / math.sqrt(50), rel=0.3)


def test_the_csv_holds_what_a_recount_finds(tmp_path):
    items = [item for item in find_items(sts(tmp_path / "x")) if item.mask]
    network, card = _network(NetworkSpec(base=4)), Card(NetworkSpec(base=4), SIZE)
    evaluation = Evaluation(items, card, batch=3)
    evaluated = evaluate_network(network, evaluation, tmp_path / "masks")
    write_rows(tmp_path / "scores.csv", evaluated)
    with (tmp_path / "scores.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["pair_id"] for row in rows] == [item.pair_id for item in items]
    for row, outcome in zip(rows, outcomes(network, evaluation), strict=True):
        p = cv2.imread(str(tmp_path / "masks" / f"{row['pair_id']}.png"), cv2.IMREAD_UNCHANGED).astype(float)
        t = outcome.truth.astype(float)
        both = (p * t).sum()
        assert float(row["dice"]) == pytest.approx((2 * both + 1e-6) / (p.sum() + t.sum() + 1e-6), abs=1e-6)
        assert float(row["iou"]) == pytest.approx((both + 1e-6) / (p.sum() + t.sum() - both + 1e-6), abs=1e-6)
    summary = evaluated.summary(seed=0)
    assert summary["dice"] == pytest.approx(np.mean([float(row["dice"]) for row in rows]), abs=1e-6)
    assert {name: group["pictures"] for name, group in summary["age_groups"].items()} == {
        "adult": 4,
        "children": 4,
    }
    json.dumps(summary, allow_nan=False)


class _LeftHalf(torch.nn.Module):
    """Sees the left half of a picture alone, the more the brighter it is."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.scale * (x + 3)[..., : x.shape[-1] // 2] ** 2


def test_saliency_looks_where_the_network_looks():
    image = np.random.default_rng(0).uniform(0.2, 0.9, (12, 16, 1)).astype(np.float32)
    heat = saliency(_LeftHalf(), image)
    assert heat.shape == (12, 16)
    assert not heat[:, 8:].any()
    left = (image[:, :8, 0] - 0.5) / 0.25 + 3  # half the gradient
    assert np.allclose(heat[:, :8], left / left.max(), atol=1e-5)


def test_saliency_is_the_gradient_that_differences_give():
    network = _network(NetworkSpec(base=4))
    image = np.random.default_rng(1).uniform(0.2, 0.8, (32, 32, 1))
    heat = saliency(network, image.astype(np.float32))
    network.double()
    places = [(4, 5), (9, 30), (16, 16), (27, 3), (31, 31), (20, 12)]
    step, slopes = 1e-6, []
    for row, column in places:
        low, high = image.copy(), image.copy()
        low[row, column, 0] -= step
        high[row, column, 0] += step
        with torch.no_grad():
            sums = [float(network((torch.from_numpy(x[..., 0])[None, None] - 0.5) / 0.25).sum())
                    for x in (low, high)]  # fmt: skip
        slopes.append(abs(sums[1] - sums[0]) / (2 * step))
    found = np.array([heat[place] for place in places])
    assert np.allclose(found / found.max(), np.array(slopes) / max(slopes), atol=0.02)


def test_the_report_shows_models_side_by_side(tmp_path):
    items = find_items(cases(tmp_path / "set"))
    spec = NetworkSpec(inputs=3, outputs=3, base=4)
    evaluation = Evaluation(items, Card(spec, SIZE, "jaws"))
    models = [Model("one", _network(spec), evaluation), Model("<two>", _network(spec), evaluation)]
    summaries = write_report(tmp_path / "report.html", models, 2, seed=0)
    text = (tmp_path / "report.html").read_text("utf-8")
    assert text.count("<img") == 2 * 2 * 2 * 5  # best and worst, two pictures, two models, five panels
    assert "&lt;two&gt;" in text
    assert "http" not in text
    assert summaries["one"] == summaries["<two>"]
    assert set(summaries["one"]["classes"]) == {"upper teeth", "lower teeth"}
    other = Model("three", models[0].network, Evaluation(items, Card(spec, SIZE, "teeth")))
    with pytest.raises(BadInputError, match="different classes"):
        write_report(tmp_path / "no.html", [models[0], other], 1, seed=0)


@pytest.mark.parametrize(
    "spec", [NetworkSpec(base=4), NetworkSpec(inputs=3, outputs=4, base=4, bilinear=False)]
)
def test_the_export_answers_like_the_checkpoint(tmp_path, spec):
    pytest.importorskip("onnx")
    weights = tmp_path / "best_model.pth"
    torch.save(_network(spec).state_dict(), weights)
    Card(spec, (47, 65), "teeth" if spec.outputs == 1 else "mouth").write(weights)
    with pytest.raises(BadInputError, match="cannot be written"):
        export_onnx(weights, tmp_path / ("x" * 300) / "net.onnx")
    export_onnx(weights, tmp_path / "net.onnx")
    picture = next((cases(tmp_path / "set", 1, 1)).rglob("photos/0.png"))
    one, other = (load_predictor(path).chances(picture) for path in (weights, tmp_path / "net.onnx"))
    assert one.shape == (spec.outputs, 64, 96)
    assert np.allclose(one, other, atol=1e-4)
    assert load_predictor(tmp_path / "net.onnx").size == (47, 65)


def test_a_foreign_onnx_is_told(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"nothing")
    with pytest.raises(BadInputError, match="no exported"):
        load_predictor(tmp_path / "net.onnx")
