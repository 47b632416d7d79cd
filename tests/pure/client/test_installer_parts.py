"""The installer's parts that need no environment: pins, pip's words, locks, folders, plans."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from client import ClientError, EngineFolder, Source, install_plan
from client.environment import (
    Interpreter,
    child_environment,
    offline_environment,
    own_python,
    probe_python,
    python_problem,
)
from client.files import read_json, rotate, write_json
from client.folders import free_bytes
from client.install_plan import InstallRequest, environment_key, make_plan, profile, source_files
from client.locks import locked
from client.pip_output import PipState, after, explain_failure
from client.platform_support import process_start
from client.requirements import Target, build_pins, names, pins

BACKEND = Path(__file__).resolve().parents[3] / "backend"
REQUIREMENTS = BACKEND / "requirements"
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
TARGETS = [
    Target(system, machine, python)
    for system, machine in (
        ("linux", "x86_64"),
        ("linux", "arm64"),
        ("windows", "x86_64"),
        ("macos", "arm64"),
    )
    for python in PYTHONS
]


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_every_target_has_one_pin_for_everything_the_profile_asks_for(target: Target) -> None:
    found = names(pins(REQUIREMENTS, target))
    assert len(found) == len(set(found))
    project = (BACKEND / "pyproject.toml").read_text("utf-8")
    wanted = project.split("standard = [")[1].split("]")[0]
    assert {line.strip(' ",').split(">")[0] for line in wanted.strip().splitlines()} <= set(found)
    assert names(build_pins(REQUIREMENTS, target)) == ("setuptools", "wheel")


def test_markers_choose_by_python_and_machine() -> None:
    assert "numpy==2.2.6" in pins(REQUIREMENTS, Target("linux", "x86_64", "3.10"))
    assert "numpy==2.4.6" in pins(REQUIREMENTS, Target("linux", "x86_64", "3.13"))
    intel = pins(REQUIREMENTS, Target("macos", "x86_64", "3.13"))
    assert "onnxruntime==1.23.2" in intel
    assert "onnxruntime==1.31.1" not in intel
    assert "onnxruntime==1.31.1" in pins(REQUIREMENTS, Target("macos", "arm64", "3.13"))


def test_pins_match_what_this_engine_was_tested_with() -> None:
    from importlib import metadata

    series = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if series != "3.11":
        pytest.skip("the pins were tested with Python 3.11")
    for line in pins(REQUIREMENTS, Target("linux", "x86_64", series)):
        name, _, version = line.partition("==")
        assert metadata.version(name) == version


def test_unknown_markers_and_systems_are_errors(tmp_path: Path) -> None:
    (tmp_path / "standard-linux.txt").write_text('numpy==1; os_name == "posix"\n')
    with pytest.raises(ValueError, match="os_name"):
        pins(tmp_path, Target("linux", "x86_64", "3.11"))
    with pytest.raises(FileNotFoundError):
        pins(REQUIREMENTS, Target("amiga", "m68k", "3.11"))


def test_pip_is_followed_package_by_package() -> None:
    lines = [
        "Processing /srv/engine/source",
        "  Installing build dependencies: started",
        "Collecting numpy>=1.26 (from teethscape==0.1.0)",
        "  Downloading numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl (16.9 MB)",
        "Progress 400 of 1000",
        "Processing ./wheels/opencv_python_headless-5.0.0.93-cp37-abi3-win_amd64.whl (from x)",
        "Collecting pillow~=10.3",
        "something that nobody has seen before",
        "Installing collected packages: numpy, pillow",
    ]
    states = [PipState()]
    for line in lines:
        states.append(after(states[-1], line))
    assert states[1].package == "teethscape"
    assert (states[5].package, states[5].part, states[5].words) == ("numpy", 0.4, "Downloading numpy")
    assert states[6].package == "opencv-python-headless"
    assert states[8] == states[7]
    assert states[9].installing
    assert states[9].found == {"teethscape", "numpy", "opencv-python-headless", "pillow"}


@pytest.mark.parametrize(
    ("line", "offline", "code"),
    [
        ("ERROR: Could not install: [Errno 28] No space left on device", True, "disk_full"),
        ("NewConnectionError: Failed to establish a new connection", False, "network"),
        ("ERROR: No matching distribution found for setuptools>=77", True, "wheel_missing"),
        ("ERROR: No matching distribution found for scipy", False, "wheel_missing"),
        ("ERROR: something else", False, "install_failed"),
    ],
)
def test_failures_of_pip_get_words(line: str, offline: bool, code: str) -> None:
    problem = explain_failure(("Collecting numpy", line), offline, 10**9)
    assert problem.code == code
    assert line in problem.details
    assert problem.message
    assert problem.advice
    assert explain_failure((line,), offline, 1000).code == "disk_full"


def test_a_lock_keeps_others_out_and_goes_away(tmp_path: Path) -> None:
    path = tmp_path / "Zähne" / "install.lock"
    with locked(path):
        assert json.loads(path.read_text())["pid"] == os.getpid()
        with pytest.raises(ClientError) as caught, locked(path):
            pass
        assert caught.value.problem.code == "engine_locked"
        assert path.exists()
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"pid": "x"}', '{"pid": 4194303, "start": "1"}', None])
def test_a_stale_lock_counts_for_nothing(tmp_path: Path, content: str | None) -> None:
    if content is None:  # a living process with this id, but not the one that took the lock
        content = json.dumps({"pid": os.getpid(), "start": "long ago"})
    path = tmp_path / "install.lock"
    path.write_text(content)
    with locked(path):
        assert json.loads(path.read_text())["start"] == process_start(os.getpid())
    assert not path.exists()


def test_a_lock_of_a_killed_process_is_stale(tmp_path: Path) -> None:
    path = tmp_path / "install.lock"
    code = (
        f"import sys, time; sys.path.insert(0, {str(BACKEND)!r})\n"
        f"from pathlib import Path\nfrom client.locks import locked\n"
        f"with locked(Path({str(path)!r})):\n    print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline().strip() == b"held"
        with pytest.raises(ClientError), locked(path):
            pass
        owner.kill()
    with locked(path):
        pass


def test_a_process_is_told_from_another_with_its_id() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        start = process_start(child.pid)
        assert start is not None
        assert start == process_start(child.pid)
        assert child.stdin is not None
        child.stdin.close()
    assert process_start(child.pid) is None


def test_only_what_is_ours_is_removed(tmp_path: Path) -> None:
    folder = EngineFolder(tmp_path / "engine")
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("x")
    with pytest.raises(ClientError):
        folder.remove_all() if folder.root.mkdir() else folder.remove(folder.envs)  # no mark: not ours
    folder.prepare()
    (folder.envs / "link").symlink_to(precious, target_is_directory=True)
    for path in (
        precious,
        tmp_path,
        folder.root,
        folder.envs / ".." / ".." / "precious",
        folder.envs / "link",
    ):
        with pytest.raises(ClientError) as caught:
            folder.remove(path)
        assert caught.value.problem.code == "not_ours"
    folder.remove(folder.envs)
    assert (precious / "thesis.txt").exists()
    assert not folder.envs.exists()


def test_a_read_only_tree_is_removed_too(tmp_path: Path) -> None:
    folder = EngineFolder(tmp_path / "engine")
    folder.prepare()
    locked_up = folder.envs / "a" / "b"
    locked_up.mkdir(parents=True)
    (locked_up / "file").write_text("x")
    (locked_up / "file").chmod(0o400)
    locked_up.chmod(0o500)
    folder.remove(folder.envs / "a")
    assert not (folder.envs / "a").exists()


def test_disk_usage_counts_every_byte_once(tmp_path: Path) -> None:
    folder = EngineFolder(tmp_path / "engine")
    folder.prepare()
    (folder.envs / "one").write_bytes(b"x" * 1000)
    (folder.envs / "two").hardlink_to(folder.envs / "one")
    (folder.cache / "three").symlink_to(folder.envs / "one")
    assert folder.usage() == {"envs": 1000, "models": 0, "cache": 0, "jobs": 0, "logs": 0}


def test_a_folder_that_cannot_be_made_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ClientError) as caught:
        EngineFolder(tmp_path / "file" / "engine").prepare()
    assert caught.value.problem.code == "engine_folder"


def test_children_inherit_settings_but_no_strangers(tmp_path: Path) -> None:
    base = {
        "PATH": "/bin", "HTTPS_PROXY": "http://proxy", "PIP_INDEX_URL": "https://mirror",
        "SSL_CERT_FILE": "/c.pem", "PYTHONPATH": "/strange", "PYTHONHOME": "/strange",
        "VIRTUAL_ENV": "/v", "CONDA_PREFIX": "/c", "PIP_USER": "1", "PIP_TARGET": "/t",
    }  # fmt: skip
    folder = EngineFolder(tmp_path)
    child = child_environment(folder, base)
    for name in ("PATH", "HTTPS_PROXY", "PIP_INDEX_URL", "SSL_CERT_FILE"):
        assert child[name] == base[name]
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "PIP_USER", "PIP_TARGET"):
        assert name not in child
    for name in ("TMPDIR", "HF_HOME", "XDG_CACHE_HOME", "TEETHSCAPE_MODELS"):
        assert folder.contains(Path(child[name]))
    offline = offline_environment(child)
    assert "PIP_INDEX_URL" not in offline
    assert offline["PIP_NO_INDEX"] == "1"


def python(version: tuple[int, int, int] = (3, 11, 7), has_pip: bool = True) -> Interpreter:
    return Interpreter(Path("/opt/python"), version, "linux-x86_64", has_pip)


def test_pythons_are_judged(tmp_path: Path) -> None:
    own = probe_python(own_python())
    assert own.version == sys.version_info[:3]
    assert python_problem(python()) is None
    for unfit, code in ((python((3, 9, 1)), "python_too_old"), (python(has_pip=False), "venv_missing")):
        problem = python_problem(unfit)
        assert problem is not None
        assert problem.code == code
    with pytest.raises(ClientError) as caught:
        probe_python(tmp_path / "absent")
    assert caught.value.problem.code == "python_unusable"


def plan_problem(request: InstallRequest, tmp_path: Path) -> str | None:
    plan = make_plan(request, EngineFolder(tmp_path / "engine"), BACKEND, "key")
    return None if plan.problem is None else plan.problem.code


def test_plans_say_beforehand_what_is_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheels = tmp_path / "wheels"
    assert plan_problem(InstallRequest(python()), tmp_path) == "online_access_off"
    assert plan_problem(InstallRequest(python(), online_allowed=True), tmp_path) is None
    offline = InstallRequest(python(), Source.FOLDER, wheels)
    assert plan_problem(offline, tmp_path) == "wheels_missing"
    wheels.mkdir()
    assert plan_problem(offline, tmp_path) == "wheels_missing"
    (wheels / "numpy.whl").write_bytes(b"")
    assert plan_problem(offline, tmp_path) is None
    assert plan_problem(replace(offline, python=python((3, 9, 0))), tmp_path) == "python_too_old"
    monkeypatch.setattr(install_plan, "free_bytes", lambda _: 100_000_000)
    assert plan_problem(offline, tmp_path) == "disk_full"
    assert not (tmp_path / "engine").exists()


def test_plans_name_packages_and_space(tmp_path: Path) -> None:
    plan = make_plan(InstallRequest(python()), EngineFolder(tmp_path), BACKEND, "key")
    assert plan.packages[-1] == "teethscape"
    assert "opencv-python-headless" in plan.packages
    assert plan.need_bytes > profile().installed_bytes > 100_000_000
    assert plan.free_bytes > 0
    assert free_bytes(tmp_path / "not" / "there" / "yet") > 0


def test_the_full_profile_holds_the_standard_one_and_more(tmp_path: Path) -> None:
    target = Target("linux", "x86_64", "3.13")
    standard, full = pins(REQUIREMENTS, target), pins(REQUIREMENTS, target, "full")
    assert full[: len(standard)] == standard
    assert {"torch", "transformers", "safetensors"} <= set(names(full))
    assert "xformers" in names(full)
    assert "xformers" in names(pins(REQUIREMENTS, Target("windows", "x86_64", "3.13"), "full"))
    for bare in (
        Target("linux", "arm64", "3.13"),
        Target("macos", "arm64", "3.13"),
    ):  # it has no wheels there
        assert "xformers" not in names(pins(REQUIREMENTS, bare, "full"))
    assert "torchvision" not in names(full)  # it has no build for every machine
    project = (BACKEND / "pyproject.toml").read_text("utf-8")
    assert '"teethscape[standard]"' in project.split("full = [")[1].split("]\n")[0]
    small = make_plan(InstallRequest(python()), EngineFolder(tmp_path), BACKEND, "key")
    large = make_plan(InstallRequest(python(), profile="full"), EngineFolder(tmp_path), BACKEND, "key")
    assert large.need_bytes > 2 * small.need_bytes
    assert set(small.packages) < set(large.packages)
    assert environment_key(BACKEND, python()) != environment_key(BACKEND, python(), "full")


def test_the_key_changes_with_code_pins_and_python(tmp_path: Path) -> None:
    for name in (
        "pyproject.toml",
        "teethscape/a.py",
        "requirements/standard-linux.txt",
        "teethscape/__pycache__/a.pyc",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / "client").mkdir()
    first = environment_key(tmp_path, python())
    assert environment_key(tmp_path, python()) == first
    (tmp_path / "client" / "b.py").write_text("x")
    (tmp_path / "teethscape/__pycache__/a.pyc").write_text("y")
    assert environment_key(tmp_path, python()) == first
    assert environment_key(tmp_path, python((3, 13, 0))) != first
    keys = {first}
    for name in ("pyproject.toml", "teethscape/a.py", "requirements/standard-linux.txt"):
        (tmp_path / name).write_text("y")
        keys.add(environment_key(tmp_path, python()))
    assert len(keys) == 4


def test_the_engine_takes_its_data_along() -> None:
    copied = {path.relative_to(BACKEND).as_posix() for path in source_files(BACKEND)}
    assert {"pyproject.toml", "teethscape/protocol.py", "teethscape/data/stage_shares.json"} <= copied
    assert not any(name.startswith("client") or "__pycache__" in name for name in copied)


def test_files_are_whole_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "Größe" / "state.json"
    assert read_json(path) is None
    write_json(path, {"a": "ü"})
    assert read_json(path) == {"a": "ü"}
    assert [p.name for p in path.parent.iterdir()] == ["state.json"]
    path.write_text('{"a": ')
    assert read_json(path) is None
    path.write_text("[1]")
    assert read_json(path) is None


def test_logs_do_not_grow_for_ever(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    for number in range(8):
        log.write_text(str(number) * 50)
        rotate(log, limit_bytes=40)
    kept = {path.name: path.read_text()[0] for path in tmp_path.iterdir()}
    assert kept == {f"worker.log.{n}": str(8 - n) for n in range(1, 6)}
