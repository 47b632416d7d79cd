"""The installed extension in real Blender without a window."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bpy"))

# The first test also waits for the box, which may have to be built.
pytestmark = [pytest.mark.blender, pytest.mark.slow, pytest.mark.timeout(2400)]

LIMIT_BYTES = 30_000_000
REGISTER_TWICE = """
import bpy, json, addon_utils
name = "bl_ext.user_default.teethscape"
def footprint():
    return sorted(item for item in dir(bpy.types) if item.startswith("TEETH_"))
first = footprint()
for _ in range(2):
    addon_utils.disable(name, default_set=False)
    gone = footprint()
    addon_utils.enable(name, default_set=False)
handlers = [e.__name__ for e in bpy.app.handlers.load_post if e.__module__.startswith(name)]
print("FOUND " + json.dumps({"first": first, "gone": gone, "again": footprint(), "handlers": handlers}))
"""


def _found(done) -> dict:
    line = next(line for line in done.stdout.splitlines() if line.startswith("FOUND "))
    return json.loads(line.removeprefix("FOUND "))


def test_the_zip_is_small_and_carries_source_only(box):
    path = box.folder / "teethscape.zip"
    names = zipfile.ZipFile(path).namelist()
    assert path.stat().st_size <= LIMIT_BYTES
    assert "backend/teethscape/protocol.py" in names
    assert "backend/pyproject.toml" in names
    assert not [name for name in names if name.endswith((".whl", ".so", ".pyd", ".dll", ".pyc"))]
    assert not [name for name in names if name.startswith(("tests/", "docs/", "."))]


def test_make_extension_builds_the_same_zip_without_blender(box, tmp_path):
    from build_extension import build

    ours = build(tmp_path)
    assert sorted(zipfile.ZipFile(ours).namelist()) == sorted(
        name for name in zipfile.ZipFile(box.folder / "teethscape.zip").namelist() if not name.endswith("/")
    )
    (box.folder / "ours.zip").write_bytes(ours.read_bytes())
    done = box.blender("--command", "extension", "validate", "/w/ours.zip")
    assert done.returncode == 0, done.stdout + done.stderr


def test_register_unregister_register(box):
    done = box.run("run", "--", "--python-expr", REGISTER_TWICE)
    assert done.returncode == 0, done.stdout + done.stderr
    found = _found(done)
    assert "TEETH_OT_reconstruct" in found["first"]
    assert found["gone"] == []
    assert found["again"] == found["first"]
    assert len(found["handlers"]) == 1


def test_a_case_becomes_a_blend_file(box):
    from case_factory import make_case

    make_case(box.folder / "case")
    done = box.blender("--command", "teeth", "scene", "/w/case", "--output", "/w/out/teeth.blend")
    assert done.returncode == 0, done.stdout + done.stderr
    look = "import bpy, json; print('FOUND ' + json.dumps({'objects': sorted(bpy.data.objects.keys())}))"
    names = _found(box.run("run", "--", "/w/out/teeth.blend", "--python-expr", look))["objects"]
    assert {"FDI_11", "FDI_47", "Photo Anterior", "Photo Mandibular Occlusal"} <= set(names)


def test_a_missing_case_returns_the_exit_code_of_bad_input(box):
    done = box.blender("--command", "teeth", "scene", "/w/nothing", "--output", "/w/x.blend")
    assert done.returncode == 3
    assert "case.json is missing" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_without_the_engine_the_command_says_so(box):
    done = box.blender("--command", "teeth", "reconstruct", "/w/photos", "--output", "/w/case2")
    assert done.returncode == 4
    assert "not installed" in done.stdout + done.stderr


def test_wrong_usage_returns_two(box):
    assert box.blender("--command", "teeth").returncode == 2
    assert box.blender("--command", "teeth", "scene").returncode == 2
