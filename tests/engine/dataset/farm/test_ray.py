"""Ray, when it is installed: a cluster of two nodes on this machine, with deaths in the middle."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest_farm import contents, make_meshes

from teethscape.dataset.farm import ray_farm
from teethscape.dataset.farm.render import render_dataset
from teethscape.dataset.farm.request import RenderRequest
from teethscape.errors import MissingComponentError
from teethscape.progress import NoProgress

SCRIPT = Path(__file__).parent / "ray_cluster.py"
#: A Python with Ray, when the tests' own has none.
PYTHON = os.environ.get("TEETHSCAPE_RAY_PYTHON") or sys.executable
HAS_RAY = "TEETHSCAPE_RAY_PYTHON" in os.environ or importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="needs Ray: pip install ray, or TEETHSCAPE_RAY_PYTHON")


def _run(what: str, meshes: Path, output: Path) -> subprocess.CompletedProcess[str]:
    count = output.parent / f"count-{what}-{output.name}"
    command = [PYTHON, str(SCRIPT), what, str(meshes), str(output), str(count)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


#: Enough for both actors to be at work when somebody dies.
PATIENTS = ("P1", "P2", "P3", "P4", "P5", "Ärztin 1")
#: Pictures that a script writes for all of them: two jaws, three kinds, four folders each.
ALL = len(PATIENTS) * 2 * 3 * 4 * 16


@needs_ray
@pytest.mark.slow
@pytest.mark.parametrize("what", ["actor", "node", "driver"])
def test_whoever_dies_every_file_is_the_same(fake, tmp_path, what):
    fake("ok")
    meshes = make_meshes(tmp_path / "many", *PATIENTS)
    render_dataset(RenderRequest(str(tmp_path / "reference"), (meshes,), workers=1), NoProgress())
    output = tmp_path / "set"
    run = _run(what, meshes, output)
    if what == "driver":
        assert run.returncode == -9, run.stderr[-2000:]
        assert 1 <= len(list(output.glob("cases/*.json"))) < 2 * len(PATIENTS)
        run = _run("nothing", meshes, output)
    assert run.returncode == 0, run.stderr[-2000:]
    (line,) = [line for line in run.stdout.splitlines() if line.startswith("{")]  # Ray talks, too
    summary = json.loads(line)
    assert summary["failed"] == []
    assert summary["nodes"] == (1 if what == "node" else 2)
    assert summary["in_the_middle"] or what == "driver"
    drawn = sum(len(path.read_text().splitlines()) for path in tmp_path.glob("count-*-set"))
    assert drawn > ALL  # the work that the dead had in hand was done again
    assert contents(output) == contents(tmp_path / "reference")


def test_without_ray_the_advice_is_a_command(fake, meshes, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    fake("ok")
    with pytest.raises(MissingComponentError, match="pip install"):
        render_dataset(RenderRequest(str(tmp_path / "set"), (meshes,), ray="local"), NoProgress())


def test_a_node_gets_both_jaws_under_their_own_names(meshes, tmp_path):
    from teethscape.dataset.farm.cases import find_cases
    from teethscape.dataset.farm.layout import partner_of, uid_of

    case = find_cases(RenderRequest("x", (meshes,)))[0]
    actor = ray_farm.CaseActor(RenderRequest("x"), 1)
    received = actor._received(ray_farm.sent(case))
    assert received.mesh is not None
    assert received.mesh != case.mesh
    assert uid_of(received.mesh) == case.uid
    assert case.mesh is not None
    assert received.mesh.read_bytes() == case.mesh.read_bytes()
    assert received.jaw is not None
    partner, original = (partner_of(c.mesh, received.jaw) for c in (received, case) if c.mesh)
    assert partner is not None
    assert original is not None
    assert partner.read_bytes() == original.read_bytes()  # it is normalised with the other jaw
