"""The stages leave a whole case folder, resume, and tell how they ended."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from teethscape import cli
from teethscape.dental import files
from teethscape.dental.case import CaseFolder, schema
from teethscape.dental.request import ExportFormat, PhotoSlot, ReconstructRequest
from teethscape.dental.schema import problems
from teethscape.dental.views import View
from teethscape.errors import CancelledError, RefusedError, ResourceError
from teethscape.mesh.ply import read_ply
from teethscape.progress import NoProgress, Stage
from teethscape.reconstruct import reconstruct

ALL = ["recognise", "segment", "fit", "meshes", "overlays"]


class Watcher(NoProgress):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, code: str, message: str) -> None:
        self.warnings.append(message)


def _tree(case: Path) -> set[str]:
    return {p.relative_to(case).as_posix() for p in case.rglob("*") if p.is_file()}


def test_case_folder_is_whole(small, engine, tmp_path):
    small.write_inputs(tmp_path)
    summary = reconstruct(small.request(tmp_path, tuple(ExportFormat)), NoProgress())
    case = CaseFolder(tmp_path / "case")
    tree = _tree(case.root)
    expected = {"case.json", "meshes/upper.ply", "meshes/lower.ply", "log/job.jsonl"}
    expected |= {f"{folder}/{k}.png" for folder in ("photos", "masks", "overlays") for k in range(5)}
    expected |= {f"meshes/teeth/FDI_{f}.ply" for f in summary.teeth}
    expected |= {f"meshes/export/{name}" for name in ("upper.stl", "teeth.3mf", "teeth.obj", "teeth.glb")}
    assert expected <= tree
    record = case.read_finished()
    assert problems(record, schema()) == []
    assert record["status"] == "done"
    assert record["notices"] == ["A notice."]
    assert record["metrics"]["residual_px"] == 0.5
    assert "nothing" not in record["metrics"]
    assert str(tmp_path) not in json.dumps(record)  # no path of the user's machine
    upper, columns = read_ply(case.root / "meshes" / "upper.ply")
    assert set(np.unique(columns["fdi"])) == {f for f in summary.teeth if f < 30}
    assert {"sigma_mm", "inferred"} <= set(columns)
    assert len(upper.vertices) == 42 * sum(f < 30 for f in summary.teeth)
    assert np.array_equal(np.asarray(Image.open(case.root / "masks" / "0.png")), small.mask_of(0))
    assert not Image.open(case.root / "photos" / "0.png").getexif()


def test_same_request_resumes_everything(small, engine, tmp_path, monkeypatch):
    small.write_inputs(tmp_path)
    reconstruct(small.request(tmp_path), NoProgress())
    before = (tmp_path / "case" / "case.json").read_text()
    monkeypatch.setattr(engine, "fit_case", None)
    again = reconstruct(small.request(tmp_path), NoProgress())
    assert list(again.resumed) == ALL
    after = json.loads((tmp_path / "case" / "case.json").read_text())
    assert after["teeth"] == json.loads(before)["teeth"]
    assert after["created"] == json.loads(before)["created"]


def test_another_export_runs_only_the_export(small, engine, tmp_path):
    small.write_inputs(tmp_path)
    reconstruct(small.request(tmp_path, (ExportFormat.STL,)), NoProgress())
    again = reconstruct(small.request(tmp_path, (ExportFormat.OBJ,)), NoProgress())
    assert list(again.resumed) == ALL
    tree = _tree(tmp_path / "case")
    assert "meshes/export/teeth.obj" in tree
    assert "meshes/export/upper.stl" not in tree  # of the former wish; it would age unnoticed


def test_changed_mask_starts_again_and_leaves_no_old_tooth(small, engine, tmp_path):
    _, masks = small.write_inputs(tmp_path)
    reconstruct(small.request(tmp_path), NoProgress())
    for number in range(5):
        mask = np.asarray(Image.open(masks / f"{number}.png")).copy()
        mask[mask == 22] = 0
        Image.fromarray(mask).save(masks / f"{number}.png")
    again = reconstruct(small.request(tmp_path), NoProgress())
    assert list(again.resumed) == ["recognise"]
    assert 22 not in again.teeth
    assert "meshes/teeth/FDI_22.ply" not in _tree(tmp_path / "case")


@pytest.mark.parametrize("change", ["seed", "known_lengths", "absent_teeth"])
def test_other_wishes_fit_anew(small, engine, tmp_path, change):
    from teethscape.dental.lengths import KnownLength

    small.write_inputs(tmp_path)
    reconstruct(small.request(tmp_path), NoProgress())
    value = {"seed": 3, "known_lengths": (KnownLength((11,), 8.5),), "absent_teeth": (14,)}[change]
    again = reconstruct(replace(small.request(tmp_path), **{change: value}), NoProgress())
    assert list(again.resumed) == ["recognise", "segment"]


def test_damaged_output_is_made_again(small, engine, tmp_path):
    small.write_inputs(tmp_path)
    reconstruct(small.request(tmp_path), NoProgress())
    (tmp_path / "case" / "meshes" / "upper.ply").write_bytes(b"cut")
    again = reconstruct(small.request(tmp_path), NoProgress())
    assert list(again.resumed) == ["recognise", "segment", "fit"]
    assert read_ply(tmp_path / "case" / "meshes" / "upper.ply")


def test_exchanged_photos_are_put_right(small, engine, tmp_path):
    small.write_inputs(tmp_path, order=(0, 2, 1, 4, 3))
    watcher = Watcher()
    reconstruct(small.request(tmp_path), watcher)
    record = CaseFolder(tmp_path / "case").read_finished()
    assert record["photos"]["1"]["source_name"] == "2.png"
    assert record["photos"]["3"]["source_name"] == "4.png"
    assert np.array_equal(np.asarray(Image.open(tmp_path / "case" / "masks" / "1.png")), small.mask_of(1))
    assert any("it shows the Left Buccal view" in text for text in watcher.warnings)


def test_slots_with_the_users_turn(small, engine, tmp_path):
    photos, masks = small.write_inputs(tmp_path)
    for folder in (photos, masks):
        image = Image.open(folder / "3.png")
        image.transpose(Image.Transpose.ROTATE_270).save(folder / "3.png")
    for path in photos.iterdir():
        path.rename(path.with_name(f"Foto {path.name}"))
    slots = tuple(
        PhotoSlot(view, photos / f"Foto {view.value}.png", quarter_turns=1 if view is View(3) else 0)
        for view in View
    )
    request = replace(small.request(tmp_path), photos=tmp_path / "nowhere", slots=slots)
    reconstruct(ReconstructRequest.from_json(request.to_json()), NoProgress())
    case = CaseFolder(tmp_path / "case")
    assert case.read_finished()["photos"]["3"]["quarter_turns"] == 1
    assert np.array_equal(np.asarray(Image.open(case.mask(View(3)))), small.mask_of(View(3)))


def test_trusted_views_stay(small, engine, tmp_path):
    small.write_inputs(tmp_path, order=(0, 2, 1, 3, 4))
    reconstruct(replace(small.request(tmp_path), trust_views=True), NoProgress())
    assert CaseFolder(tmp_path / "case").read_record()["photos"]["1"]["source_name"] == "1.png"


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize(
    ("stage", "share"),
    [
        ("recognise", 0),
        ("segment", 0),
        ("segment", 1),
        ("number", 0),
        ("fit", 1),
        ("meshes", 0),
        ("overlays", 0.5),
    ],
)
def test_killed_at_any_stage_can_be_resumed(small, engine, tmp_path, stage, share):
    small.write_inputs(tmp_path)
    script = Path(small.__file__ or Path(__file__).with_name("small_case.py"))
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), stage, str(share)], capture_output=True
    )
    assert done.returncode == -9, done.stderr.decode()
    case = CaseFolder(tmp_path / "case")
    assert case.read_record()["status"] == "running"
    summary = reconstruct(small.request(tmp_path, (ExportFormat.STL,)), NoProgress())
    finished = ALL.index("fit" if stage == "number" else stage) + (
        share == 1
    )  # the fit begins with numbering
    assert list(summary.resumed) == ALL[:finished]
    assert case.read_finished()["teeth"]
    assert not list(case.root.rglob("*.part"))


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_command_says_cancelled(small, tmp_path, number):
    small.write_inputs(tmp_path)
    script = Path(__file__).with_name("small_case.py")
    arguments = [sys.executable, str(script), str(tmp_path), "command"]
    child = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"fitting\n"
    child.send_signal(number)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert err.decode().splitlines()[-1] == "Cancelled."
    assert CaseFolder(tmp_path / "case").read_record()["status"] == "cancelled"


def test_refusal_is_recorded(small, engine, tmp_path, monkeypatch):
    small.write_inputs(tmp_path)

    def refuse(inputs, progress):
        raise RefusedError("numbering_unsure", "The teeth cannot be numbered.", "Give FDI masks.")

    monkeypatch.setattr(engine, "fit_case", refuse)
    with pytest.raises(RefusedError):
        reconstruct(small.request(tmp_path), NoProgress())
    record = CaseFolder(tmp_path / "case").read_record()
    assert record["status"] == "failed"
    assert record["error"]["code"] == "numbering_unsure"
    assert record["error"]["exit_code"] == 5
    assert record["teeth"] == []
    assert not list((tmp_path / "case" / "meshes").rglob("*.ply"))


def test_a_full_graphics_processor_is_recorded_as_such(small, engine, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    small.write_inputs(tmp_path)

    def full(inputs, progress):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(engine, "fit_case", full)
    with pytest.raises(ResourceError):
        reconstruct(small.request(tmp_path), NoProgress())
    assert CaseFolder(tmp_path / "case").read_record()["error"]["code"] == "card_memory"


def test_refused_then_told_which_teeth_are_missing(small, engine, tmp_path, monkeypatch):
    small.write_inputs(tmp_path)

    def refuse_unless_told(inputs, progress):
        if not inputs.absent_teeth:
            raise RefusedError("numbering_uncertain", "Which teeth?", "Say which are missing.")
        return small.quick_fit(inputs, progress)

    monkeypatch.setattr(engine, "fit_case", refuse_unless_told)
    with pytest.raises(RefusedError):
        reconstruct(small.request(tmp_path), NoProgress())
    told = reconstruct(replace(small.request(tmp_path), absent_teeth=(14,)), NoProgress())
    assert list(told.resumed) == ["recognise", "segment"]
    record = CaseFolder(tmp_path / "case").read_finished()
    assert record["request"]["absent_teeth"] == [14]
    assert "error" not in record


@pytest.mark.parametrize("kind", [CancelledError, KeyboardInterrupt])
def test_cancelled_then_continued(small, engine, tmp_path, monkeypatch, kind):
    small.write_inputs(tmp_path)

    def cancel(inputs, progress):
        raise kind

    monkeypatch.setattr(engine, "fit_case", cancel)
    with pytest.raises(kind):
        reconstruct(small.request(tmp_path), NoProgress())
    assert CaseFolder(tmp_path / "case").read_record()["status"] == "cancelled"
    monkeypatch.setattr(engine, "fit_case", small.quick_fit)
    assert list(reconstruct(small.request(tmp_path), NoProgress()).resumed) == ["recognise", "segment"]


def test_own_mistake_is_logged_in_the_case(small, engine, tmp_path, monkeypatch, capsys):
    small.write_inputs(tmp_path)
    monkeypatch.setattr(engine, "fit_case", lambda inputs, progress: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        reconstruct(small.request(tmp_path), NoProgress())
    capsys.readouterr()
    wish = small.request(tmp_path)
    arguments = ["--output", str(wish.output), "--masks", str(wish.masks)]
    assert cli.main(["reconstruct", str(wish.photos), *arguments]) == 6
    err = capsys.readouterr().err
    assert "Error: The engine made a mistake (ZeroDivisionError at" in err
    assert "Traceback" not in err
    assert "ZeroDivisionError" in (tmp_path / "case" / "log" / "engine.log").read_text()
    assert CaseFolder(tmp_path / "case").read_record()["error"]["code"] == "internal"


def test_disk_that_fills_up_half_way(small, engine, tmp_path, monkeypatch):
    small.write_inputs(tmp_path)
    real, full = os.fsync, []

    def fsync(descriptor):
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    class Filler(NoProgress):
        def stage(self, name, fraction, message=""):
            if name is Stage.MESHES:
                full.append(True)

    monkeypatch.setattr(files.os, "fsync", fsync)
    with pytest.raises(ResourceError) as caught:
        reconstruct(small.request(tmp_path), Filler())
    assert caught.value.code == "disk_full"
    full.clear()
    assert not list((tmp_path / "case" / "meshes").rglob("*.ply"))
    again = reconstruct(small.request(tmp_path), NoProgress())
    assert list(again.resumed) == ["recognise", "segment", "fit"]


def test_running_case_is_not_taken_twice(small, engine, tmp_path, monkeypatch):
    small.write_inputs(tmp_path)
    codes = []

    def second(inputs, progress):
        from teethscape.errors import BadInputError

        with pytest.raises(BadInputError) as caught:
            reconstruct(small.request(tmp_path), NoProgress())
        codes.append(caught.value.code)
        return small.quick_fit(inputs, progress)

    monkeypatch.setattr(engine, "fit_case", second)
    reconstruct(small.request(tmp_path), NoProgress())
    assert codes == ["case_locked"]
