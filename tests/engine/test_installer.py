"""The installer with real environments and a real pip, mostly for a tiny engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from client import (
    ClientError,
    EngineClient,
    EngineFolder,
    EngineStatus,
    Inbox,
    Installer,
    InstallerView,
    JobStore,
    Source,
    Step,
    install_plan,
)
from client.install_plan import source_files
from client.platform_support import process_start
from client.wheelhouse import collect_wheels

from .tiny_engine import BROKEN_WORKER, WORKER, make_backend, make_wheel, make_wheels

pytestmark = pytest.mark.slow
BACKEND = Path(__file__).resolve().parents[2] / "backend"
WAIT_S = 240.0


@pytest.fixture(autouse=True)
def small_need(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny engine takes 30 MB, not half a gigabyte."""
    tiny = replace(install_plan.profile(), installed_bytes=30_000_000)
    monkeypatch.setattr(install_plan, "profile", lambda name="standard": tiny)


class Site:
    """A machine to install on: paths with spaces and letters beyond ASCII."""

    def __init__(self, place: Path) -> None:
        self.place = place / "Zähne und мост [1]"
        self.folder = EngineFolder(self.place / "engine root")
        self.backend = make_backend(self.place / "extension" / "backend")
        self.wheels = make_wheels(self.place / "the wheels")

    def installer(self, profile: str = "standard") -> Installer:
        return Installer(self.folder, self.backend, Inbox(), profile=profile)

    def install(self, seen: list[InstallerView] | None = None) -> Installer:
        installer = self.installer()
        installer.install(installer.plan(Source.FOLDER, self.wheels))
        installer.wait(None if seen is None else seen.append, WAIT_S)
        return installer


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture(scope="module")
def first_install(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[InstallerView]]:
    """A place with a finished tiny engine, and what was seen while it was built."""
    with pytest.MonkeyPatch.context() as patch:
        tiny = replace(install_plan.profile(), installed_bytes=30_000_000)
        patch.setattr(install_plan, "profile", lambda name="standard": tiny)
        place = tmp_path_factory.mktemp("installed")
        seen: list[InstallerView] = []
        view = Site(place).install(seen).view
    return place, [*seen, view]


@pytest.fixture
def installed(first_install: tuple[Path, list[InstallerView]]) -> Path:
    return first_install[0]


def test_nothing_is_there_before(site: Site) -> None:
    installer = site.installer()
    assert installer.view.status is EngineStatus.ABSENT
    with pytest.raises(ClientError) as caught:
        installer.launch()
    assert caught.value.problem.code == "engine_missing"
    assert not site.folder.root.exists()


def test_install_from_a_folder_of_wheels(first_install: tuple[Path, list[InstallerView]]) -> None:
    place, seen = first_install
    site = Site(place)
    view = seen[-1]
    assert (view.status, view.problem) == (EngineStatus.READY, None)
    assert view.engine["device"] == "cpu"
    assert view.usage["envs"] > 1_000_000
    assert view.progress.step is Step.DONE
    assert view.progress.done == view.progress.total == 2
    steps = [snapshot.progress.step for snapshot in seen]
    assert sorted(steps, key=list(Step).index) == steps
    fractions = [snapshot.progress.fraction for snapshot in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert not site.folder.install_lock.exists()
    assert not list(site.folder.envs.glob("*/source"))
    installer = site.installer()
    assert installer.view.status is EngineStatus.READY  # the next Blender finds it
    launch = installer.launch()
    done = subprocess.run(
        launch.command, env=launch.environment, cwd=launch.folder, capture_output=True, check=True
    )
    assert b"selftest" in done.stdout


def test_the_full_profile_adds_its_packages_and_serves_the_standard_one_too(site: Site) -> None:
    site.install()
    full = site.installer("full")
    assert full.view.status is EngineStatus.OUTDATED  # there is an engine, but it lacks parts
    full.install(full.plan(Source.FOLDER, site.wheels))
    assert full.wait(timeout_s=WAIT_S).status is EngineStatus.READY
    assert full.view.progress.total == 3
    assert list(site.folder.envs.glob("*/venv/**/tiny_heavy.py"))
    newest = site.installer().launch().command[0]
    assert newest == full.launch().command[0]
    assert site.installer().view.status is EngineStatus.READY


def test_a_missing_wheel_is_named_and_a_second_try_succeeds(site: Site) -> None:
    (site.wheels / "tiny_tooth-1.0-py3-none-any.whl").unlink()
    installer = site.install()
    assert installer.view.status is EngineStatus.ABSENT
    assert installer.view.problem is not None
    assert installer.view.problem.code == "wheel_missing"
    assert "tiny-tooth" in installer.view.problem.message
    assert list(site.folder.envs.iterdir()) == []
    make_wheels(site.wheels)
    installer.install(installer.plan(Source.FOLDER, site.wheels))
    assert installer.wait(timeout_s=WAIT_S).status is EngineStatus.READY


def test_a_torn_wheel_is_an_error_in_words(site: Site) -> None:
    wheel = site.wheels / "tiny_tooth-1.0-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes()[:200])
    view = site.install().view
    assert view.status is EngineStatus.ABSENT
    assert view.problem is not None
    assert view.problem.code == "install_failed"
    assert "tiny" in view.problem.details


@pytest.mark.parametrize("step", [Step.ENVIRONMENT, Step.PACKAGES])
def test_cancelling_leaves_nothing(site: Site, step: Step) -> None:
    make_wheel(site.wheels, "tiny_builder", "import time\ntime.sleep(60)\n")
    installer = site.installer()
    installer.install(installer.plan(Source.FOLDER, site.wheels))
    assert installer.inbox.wait_until(lambda: installer.view.progress.step is step, WAIT_S)
    installer.inbox.wait_until(lambda: False, 0.5)
    start = time.monotonic()
    installer.cancel()
    view = installer.wait(timeout_s=30.0)
    assert time.monotonic() - start < 5.0
    assert (view.status, view.cancelled, view.problem) == (EngineStatus.ABSENT, True, None)
    assert list(site.folder.envs.iterdir()) == []
    assert not site.folder.install_lock.exists()
    assert _processes_of(site.folder) == []


def _processes_of(folder: EngineFolder) -> list[str]:
    """Command lines that name the engine's folder (Linux; elsewhere nothing is looked at)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        if str(folder.root) in line and process_start(int(entry.parent.name)) is not None:
            found.append(line)
    return found


def test_an_update_that_fails_leaves_the_old_engine_in_use(installed: Path) -> None:
    site = Site(installed)
    first = site.installer().launch().command
    (site.backend / "teethscape" / "worker.py").write_text(BROKEN_WORKER)
    installer = site.install()
    assert installer.view.status is EngineStatus.OUTDATED
    assert installer.view.problem is not None
    assert installer.view.problem.code == "selftest_failed"
    assert "libGL.so.1" in installer.view.problem.details
    assert installer.launch().command == first
    (site.backend / "teethscape" / "worker.py").write_text(WORKER + "\n# newer\n")
    installer = site.install()
    assert installer.view.status is EngineStatus.READY
    assert installer.launch().command != first
    assert len(list(site.folder.envs.iterdir())) == 2  # the one before is kept


def test_an_engine_whose_python_is_gone_is_broken_and_repaired(installed: Path) -> None:
    site = Site(installed)
    for place in site.folder.envs.iterdir():
        shutil.rmtree(place / "venv" / ("Scripts" if os.name == "nt" else "bin"))
    installer = site.installer()
    assert installer.view.status is EngineStatus.BROKEN
    installer.install(installer.plan(Source.FOLDER, site.wheels))
    assert installer.wait(timeout_s=WAIT_S).status is EngineStatus.READY
    installer.test()
    assert installer.wait(timeout_s=60.0).problem is None


_PARENT = """
    import sys
    sys.path[:0] = [{backend!r}, {tests!r}]
    from dataclasses import replace
    from pathlib import Path
    from client import EngineFolder, Installer, Source, Step, install_plan
    tiny = replace(install_plan.profile(), installed_bytes=30_000_000)
    install_plan.profile = lambda name="standard": tiny
    root, backend, wheels = map(Path, sys.argv[1:])
    installer = Installer(EngineFolder(root), backend)
    installer.install(installer.plan(Source.FOLDER, wheels))
    installer.inbox.wait_until(lambda: installer.view.progress.step is Step.PACKAGES)
    print("installing", flush=True)
    installer.inbox.wait_until(lambda: False)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_kill_9_of_blender_ends_pip_and_blocks_nobody(site: Site) -> None:
    make_wheel(site.wheels, "tiny_builder", "import time\ntime.sleep(120)\n")
    code = textwrap.dedent(_PARENT).format(backend=str(BACKEND), tests=str(Path(__file__).parent))
    command = [sys.executable, "-c", code, str(site.folder.root), str(site.backend), str(site.wheels)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"installing\n"
        time.sleep(1.0)
        other = site.installer()
        other.install(other.plan(Source.FOLDER, site.wheels))
        problem = other.wait(timeout_s=30.0).problem
        assert problem is not None
        assert problem.code == "engine_locked"
        parent.kill()
    deadline = time.monotonic() + 5
    while _processes_of(site.folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _processes_of(site.folder) == []
    assert site.installer().view.status is EngineStatus.ABSENT
    make_wheels(site.wheels)
    assert site.install().view.status is EngineStatus.READY
    assert len(list(site.folder.envs.iterdir())) == 1


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 12 MB, less than an environment takes."""
    place = tmp_path / "small disk"
    place.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.name == "nt" or os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    command = [mount, "-t", "tmpfs", "-o", "size=12m", "none", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount a small file system")
    yield place
    subprocess.run([mount.replace("mount", "umount"), "-l", str(place)], check=True)


def test_a_full_disk_is_said_in_words(site: Site, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installer = Installer(EngineFolder(small_disk / "engine"), site.backend)
    plan = installer.plan(Source.FOLDER, site.wheels)
    assert plan.problem is not None
    assert plan.problem.code == "disk_full"
    with pytest.raises(ClientError):
        installer.install(plan)
    installer.install(replace(plan, problem=None))  # another program takes the space meanwhile
    view = installer.wait(timeout_s=WAIT_S)
    assert view.status is EngineStatus.ABSENT
    assert view.problem is not None
    assert view.problem.code == "disk_full", view.problem
    assert list(installer.folder.envs.iterdir()) == []


def test_remove_takes_what_is_ours_and_leaves_the_rest(installed: Path) -> None:
    site = Site(installed)
    (site.folder.root / "my scans.stl").write_text("mine")
    installer = site.installer()
    installer.remove()
    view = installer.wait(timeout_s=60.0)
    assert view.status is EngineStatus.ABSENT
    assert view.problem is not None
    assert "my scans.stl" in view.problem.message
    assert [path.name for path in site.folder.root.iterdir() if path.suffix == ".stl"] == ["my scans.stl"]
    (site.folder.root / "my scans.stl").unlink()
    installer.remove()
    assert installer.wait(timeout_s=60.0).problem is None
    assert not site.folder.root.exists()


def test_the_real_engine_installs_from_wheels_and_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: collect wheels (network), install offline, start, refuse a folder without photos."""
    monkeypatch.undo()
    wheels = Path(os.environ.get("TEETHSCAPE_WHEELS", tmp_path / "wheels"))
    if not wheels.is_dir():
        try:
            collect_wheels(wheels, f"{sys.version_info[0]}.{sys.version_info[1]}")
        except subprocess.CalledProcessError:
            pytest.skip("needs a package index, or a folder of wheels in TEETHSCAPE_WHEELS")
    backend = tmp_path / "extension" / "backend"
    for path in source_files(BACKEND):  # a copy, because the source may be worked on meanwhile
        target = backend / path.relative_to(BACKEND)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    inbox = Inbox()
    installer = Installer(EngineFolder(tmp_path / "Zähne мост"), backend, inbox)
    installer.install(installer.plan(Source.FOLDER, wheels))
    view = installer.wait(timeout_s=600.0)
    assert view.problem is None, view.problem
    assert view.status is EngineStatus.READY
    assert all(check["passed"] for check in view.engine["checks"])
    assert "numpy" in view.engine["packages"]
    client = EngineClient(installer.launch, JobStore(installer.folder.jobs), inbox)
    (tmp_path / "photos").mkdir()
    job = client.submit({"photos": str(tmp_path / "photos"), "output": str(tmp_path / "case")})
    end = client.wait(job, timeout_s=60.0)
    assert end.exit_code == 3
    client.shutdown()
