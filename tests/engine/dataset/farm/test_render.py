"""The pool: parallel, stubborn, resumable; what it leaves is whole whatever happens to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest_farm import contents

from teethscape.dataset import portable_pickle
from teethscape.dataset.farm.layout import manifest_name
from teethscape.dataset.farm.render import render_dataset
from teethscape.dataset.farm.request import Kind, Look, RenderRequest
from teethscape.dental.fdi import Jaw
from teethscape.errors import BadInputError, CancelledError, ExitCode, MissingComponentError
from teethscape.progress import NoProgress


def _request(meshes, output, **values):
    return RenderRequest(output=str(output), meshes=(meshes,), **{"workers": 2, **values})


@pytest.fixture
def reference(fake, meshes, tmp_path):
    """What an undisturbed run leaves."""
    fake("ok")
    render_dataset(_request(meshes, tmp_path / "reference"), NoProgress())
    (tmp_path / "count").unlink()
    return contents(tmp_path / "reference")


def _rendered(tmp_path):
    return len((tmp_path / "count").read_text().splitlines())


#: Pictures of the four cases that a script writes: normals, targets, inputs; four folders each.
ALL = 4 * 3 * 4 * 16


def test_the_layout_is_the_published_one(fake, meshes, tmp_path):
    fake("ok")
    summary = render_dataset(_request(meshes, tmp_path / "set"), NoProgress())
    assert (summary.done, summary.skipped, summary.failed) == (4, 0, ())
    assert summary.cpu_s == pytest.approx(4 * 2 * 0.5)
    names = set(contents(tmp_path / "set"))
    assert "target/Ärztin 1_norm_upper_down/015.png" in names
    assert "normal/P2_norm_lower_up/000_normal.png" in names
    assert "input/P2_norm_lower_left/meta.pkl" in names
    splits = portable_pickle.load(tmp_path / "set" / "mv-splits.pkl")
    assert sorted([*splits["train"], *splits["val"]]) == [
        "P2_norm_lower", "P2_norm_upper", "Ärztin 1_norm_lower", "Ärztin 1_norm_upper",
    ]  # fmt: skip
    assert splits["train"].shape == (2,)
    assert len({name[:2] for name in splits["val"]}) == 1  # both jaws of one patient


def test_equal_views_are_on_the_disk_once(fake, meshes, tmp_path):
    fake("ok")
    render_dataset(_request(meshes, tmp_path / "set"), NoProgress())
    folders = [tmp_path / "set" / "target" / f"P2_norm_upper_{view}" for view in ("front", "left")]
    assert (folders[0] / "003.png").samefile(folders[1] / "003.png")


def test_a_second_run_renders_nothing(fake, meshes, tmp_path, reference):
    shutil.copytree(tmp_path / "reference", tmp_path / "set")
    summary = render_dataset(_request(meshes, tmp_path / "set"), NoProgress())
    assert (summary.done, summary.skipped) == (0, 4)
    assert not (tmp_path / "count").exists()
    assert contents(tmp_path / "set") == reference


@pytest.mark.parametrize("mode", ["crash-once", "stall-once", "fail-once", "garbage"])
def test_trouble_changes_no_byte(fake, meshes, tmp_path, reference, mode):
    fake(mode)
    patience_s = 5.0 if mode == "stall-once" else 60.0  # a busy machine is no stall
    summary = render_dataset(_request(meshes, tmp_path / "set", stall_s=patience_s), NoProgress())
    assert summary.failed == ()
    assert contents(tmp_path / "set") == reference
    assert _rendered(tmp_path) == ALL  # a second try keeps the pictures of the first
    log = [json.loads(line) for line in (tmp_path / "set" / "log" / "farm.jsonl").read_text().splitlines()]
    assert sorted(entry["attempts"] for entry in log) == ([1, 1, 1, 1] if mode == "garbage" else [1, 1, 1, 2])


def test_a_worker_that_always_crashes_fails_its_cases_and_ends(fake, meshes, tmp_path):
    fake("crash")
    summary = render_dataset(_request(meshes, tmp_path / "set", retries=1), NoProgress())
    assert len(summary.failed) == 4
    assert summary.exit_code is ExitCode.OUT_OF_RESOURCES
    assert "lost" in summary.failed[0].message
    assert not (tmp_path / "set" / "target").exists()


def test_a_refused_mesh_is_not_tried_again_and_does_not_stop_the_others(fake, meshes, tmp_path):
    fake("refuse")
    summary = render_dataset(_request(meshes, tmp_path / "set"), NoProgress())
    assert [(r.attempts, r.message) for r in summary.failed] == [(1, "The mesh has no faces.")] * 2
    assert (summary.done, summary.exit_code) == (2, ExitCode.BAD_INPUT)


def test_a_script_that_leaves_pictures_out_is_not_believed(fake, meshes, tmp_path):
    fake("short")
    summary = render_dataset(_request(meshes, tmp_path / "set", retries=0), NoProgress())
    assert "left out" in summary.failed[0].message
    assert not list((tmp_path / "set").glob("cases/*"))


@pytest.mark.parametrize("mode", ["dies", "mute"])
def test_a_blender_that_does_not_start_is_told_at_once(fake, meshes, tmp_path, mode):
    fake(mode, start_s=1.0)
    with pytest.raises(MissingComponentError, match="does not start"):
        render_dataset(_request(meshes, tmp_path / "set"), NoProgress())


class _Impatient(NoProgress):
    """Cancels after the first report."""

    def __init__(self):
        self.reports = 0

    def stage(self, name, fraction, message=""):
        self.reports += fraction > 0

    def check_cancelled(self):
        if self.reports:
            raise CancelledError


def test_cancelling_keeps_what_is_whole_and_the_rest_is_resumed(fake, meshes, tmp_path, reference):
    fake("slow")
    with pytest.raises(CancelledError):
        render_dataset(_request(meshes, tmp_path / "set", workers=1), _Impatient())
    whole = list((tmp_path / "set" / "cases").iterdir())
    assert 1 <= len(whole) < 4
    render_dataset(_request(meshes, tmp_path / "set"), NoProgress())
    assert contents(tmp_path / "set") == reference
    assert _rendered(tmp_path) == ALL


DRIVER = """
import sys
sys.path[:0] = {paths!r}
import conftest_farm, pytest
from pathlib import Path
from teethscape.dataset.farm.render import render_dataset
from teethscape.dataset.farm.request import RenderRequest
from teethscape.progress import NoProgress
patch = pytest.MonkeyPatch()
conftest_farm.use_fake(patch, Path({folder!r}), "slow")
render_dataset(RenderRequest(output={output!r}, meshes=(Path({meshes!r}),), workers=2), NoProgress())
"""


@pytest.mark.parametrize("moment_s", [0.4, 0.9, 1.6])
def test_a_killed_driver_leaves_nothing_half_and_the_next_run_completes_it(
    fake, meshes, tmp_path, reference, moment_s
):
    output = tmp_path / "set"
    paths = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[4] / "backend")]
    script = DRIVER.format(paths=paths, folder=str(tmp_path), output=str(output), meshes=str(meshes))
    driver = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 30
    while not (tmp_path / "count").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(moment_s)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    for manifest in output.glob("cases/*.json"):  # what counts is whole
        files = json.loads(manifest.read_text("utf-8"))["files"]
        assert all((output / name).stat().st_size == entry["bytes"] for name, entry in files.items())
    fake("ok")  # at once, while the orphaned workers still write
    summary = render_dataset(_request(meshes, output), NoProgress())
    assert summary.failed == ()
    assert contents(output) == reference
    time.sleep(1.0)  # the orphans end with their input
    render_dataset(_request(meshes, output), NoProgress())
    assert not list((output / ".work").glob("run-*"))
    assert contents(output) == reference


def test_an_interrupted_move_is_rolled_forward(fake, meshes, tmp_path, reference, monkeypatch):
    from teethscape.dataset.farm.store import LocalStore

    taken = []
    whole = LocalStore.take

    def broken(self, name, source):
        taken.append(name)
        if len(taken) == 100:
            raise KeyboardInterrupt
        whole(self, name, source)

    fake("ok")
    monkeypatch.setattr(LocalStore, "take", broken)
    with pytest.raises(KeyboardInterrupt):
        render_dataset(_request(meshes, tmp_path / "set", workers=1), NoProgress())
    monkeypatch.setattr(LocalStore, "take", whole)
    before = _rendered(tmp_path)
    render_dataset(_request(meshes, tmp_path / "set", workers=1), NoProgress())
    assert contents(tmp_path / "set") == reference
    assert _rendered(tmp_path) == ALL
    assert before < ALL


def test_two_looks_do_not_mix_in_one_set(fake, meshes, tmp_path):
    fake("ok")
    request = _request(meshes, tmp_path / "set")
    render_dataset(request, NoProgress())
    other = replace(request, look=Look(seed=7))
    with pytest.raises(BadInputError, match="seed"):
        render_dataset(other, NoProgress())
    summary = render_dataset(replace(other, overwrite=True), NoProgress())
    assert summary.done == 4
    fresh = replace(other, output=str(tmp_path / "fresh"))
    render_dataset(fresh, NoProgress())
    assert contents(tmp_path / "set") == contents(tmp_path / "fresh")


@pytest.mark.parametrize("content", ["a longer mesh than before", "P2 oppur"])
def test_another_mesh_under_the_same_name_is_refused(fake, meshes, tmp_path, content):
    fake("ok")
    request = _request(meshes, tmp_path / "set")
    render_dataset(request, NoProgress())
    (meshes / "P2" / "norm_upper.ply").write_text(content)
    with pytest.raises(BadInputError, match="P2_norm_upper"):
        render_dataset(request, NoProgress())
    assert render_dataset(replace(request, overwrite=True), NoProgress()).done == 1


def test_two_drivers_do_not_share_a_folder(fake, meshes, tmp_path):
    fake("slow")
    request = _request(meshes, tmp_path / "set")
    first = threading.Thread(target=render_dataset, args=(request, NoProgress()))
    first.start()
    deadline = time.monotonic() + 30
    while not (tmp_path / "count").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    with pytest.raises(BadInputError, match="Another job"):
        render_dataset(request, NoProgress())
    first.join()


@pytest.mark.parametrize("url", ["memory://farm-{}", "file://{}"])
def test_results_go_to_urls(fake, meshes, tmp_path, reference, url):
    fsspec = pytest.importorskip("fsspec")
    place = url.format(tmp_path / "remote" if url.startswith("file") else tmp_path.name)
    fake("crash-once")
    render_dataset(_request(meshes, place, scratch=tmp_path / "scratch"), NoProgress())
    files, root = fsspec.core.url_to_fs(place)
    found = {path[len(root) :].strip("/"): files.cat_file(path) for path in files.find(root)}
    assert set(found) == set(reference)
    local = tmp_path / "reference"
    assert all((local / name).read_bytes() == data for name, data in found.items())
    assert render_dataset(_request(meshes, place, scratch=tmp_path / "scratch"), NoProgress()).skipped == 4


def test_kinds_may_be_chosen(fake, meshes, tmp_path):
    fake("ok")
    render_dataset(_request(meshes, tmp_path / "set", kinds=(Kind.NORMAL,)), NoProgress())
    assert not (tmp_path / "set" / "target").exists()
    assert (
        Jaw.UPPER.value in json.loads((tmp_path / "set" / manifest_name("P2_norm_upper")).read_text())["jaw"]
    )
