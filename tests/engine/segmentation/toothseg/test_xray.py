"""Segmenting X-rays with the user's network: as a command, as a job, with an export alone."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from teethscape import cli, protocol  # noqa: E402
from teethscape.segmentation.toothseg.card import Card  # noqa: E402
from teethscape.segmentation.toothseg.export import export_onnx  # noqa: E402
from teethscape.segmentation.toothseg.networks import build  # noqa: E402
from teethscape.segmentation.toothseg.spec import NetworkSpec  # noqa: E402
from teethscape.worker_job import JobProgress, perform  # noqa: E402

from .arches import draw_arch  # noqa: E402


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small network as checkpoint and export, and a picture of another size."""
    folder = tmp_path_factory.mktemp("trained")
    torch.manual_seed(0)
    spec = NetworkSpec(base=4)
    network = build(spec).eval()
    torch.nn.init.constant_(network.outc.conv.bias, 0.3)  # so that something is found
    torch.save(network.state_dict(), folder / "best_model.pth")
    Card(spec, (48, 64)).write(folder / "best_model.pth")
    export_onnx(folder / "best_model.pth", folder / "net.onnx")
    cv2.imwrite(str(folder / "x.png"), draw_arch(0, (90, 180))[0])
    return folder


@pytest.mark.parametrize("weights", ["net.onnx", "best_model.pth"])
def test_the_command_writes_mask_overlay_and_record(trained, tmp_path, capsys, weights):
    arguments = ["segment", str(trained / "x.png"), "--engine", "toothseg", "--json"]
    assert cli.main([*arguments, "--weights", str(trained / weights), "--output", str(tmp_path / "o")]) == 0
    found = json.loads(capsys.readouterr().out)["xrays"][0]
    mask = cv2.imread(found["mask"], cv2.IMREAD_UNCHANGED)
    assert mask.shape == (90, 180)
    assert set(np.unique(mask)) <= {0, 1}
    assert found["classes"]["tooth"] == {"value": 1, "share": pytest.approx(mask.mean(), abs=1e-4)}
    picture, overlay = cv2.imread(str(trained / "x.png")), cv2.imread(found["overlay"])
    away = cv2.dilate(mask, np.ones((7, 7))) == 0
    assert np.array_equal(picture[away], overlay[away])
    assert (picture != overlay).any()
    assert json.loads((tmp_path / "o" / "x.json").read_text())["classes"] == found["classes"]


def test_an_export_needs_no_torch(trained, tmp_path):
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from teethscape.cli import main\n"
        f"sys.exit(main(['segment', {str(trained / 'x.png')!r}, '--engine', 'toothseg', "
        f"'--weights', {str(trained / 'net.onnx')!r}, '--output', {str(tmp_path)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    script = script.replace("net.onnx", "best_model.pth")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "PyTorch" in done.stderr


def _perform(request, cancelled=False):
    sent = []
    stop = threading.Event()
    if cancelled:
        stop.set()
    run = protocol.Run("j", request, protocol.Command.SEGMENT_XRAY)
    return perform(run, JobProgress("j", sent.append, stop)), sent


def test_the_worker_segments(trained, tmp_path):
    request = {
        "picture": str(trained / "x.png"),
        "weights": str(trained / "net.onnx"),
        "output": str(tmp_path),
    }
    end, sent = _perform(request)
    assert isinstance(end, protocol.Result)
    assert end.summary["xrays"][0]["overlay"] == str(tmp_path / "x_overlay.png")
    shares = [message.overall for message in sent if isinstance(message, protocol.Progress)]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    protocol.encode(end)
    end, _ = _perform(request, cancelled=True)
    assert end.outcome is protocol.Outcome.CANCELLED


@pytest.mark.parametrize(
    ("changes", "code", "exit_code"),
    [
        ({"weights": ""}, "usage", 2),
        ({"picture": "nowhere.png"}, "file_missing", 3),
        ({"weights": "nowhere.onnx"}, "file_missing", 3),
        ({"output": "HERE"}, "same_folder", 2),
    ],
)
def test_mistakes_are_told(trained, tmp_path, changes, code, exit_code):
    request = {
        "picture": str(trained / "x.png"),
        "weights": str(trained / "net.onnx"),
        "output": str(tmp_path),
    }
    changes = {name: str(trained) if value == "HERE" else value for name, value in changes.items()}
    end, _ = _perform({**request, **changes})
    assert isinstance(end, protocol.Error)
    assert (end.code, end.exit_code) == (code, exit_code)


def test_pictures_of_one_name_keep_their_results_apart(trained, tmp_path):
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for seed, name in enumerate(("a.jpg", "a.png", "b.png", "b_overlay.png", "c_overlay.png")):
        cv2.imwrite(str(source / name), draw_arch(seed, (90, 180))[0])
    values = {"picture": source, "weights": trained / "net.onnx", "output": output}
    end, _ = _perform({name: str(path) for name, path in values.items()})
    found = [Path(one["mask"]).name for one in end.summary["xrays"]]
    assert found == ["a_jpg.png", "a_png.png", "b.png", "b_overlay_png.png", "c_overlay.png"]
    assert len(list(output.iterdir())) == 3 * 5
    end, _ = _perform({name: str(path) for name, path in {**values, "output": source}.items()})
    assert end.code == "same_folder"


def test_a_text_is_no_xray(trained, tmp_path):
    (tmp_path / "x.png").write_text("no picture")
    values = {"picture": tmp_path / "x.png", "weights": trained / "net.onnx", "output": tmp_path / "o"}
    end, _ = _perform({name: str(path) for name, path in values.items()})
    assert end.code == "not_an_image"
