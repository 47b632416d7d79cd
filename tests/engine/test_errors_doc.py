"""Every error code that the engine can raise is explained in docs/errors.md."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KINDS = {"UsageError", "BadInputError", "MissingComponentError", "RefusedError", "ResourceError"}


def _codes() -> set[str]:
    found = {"cancelled"}
    folders = (ROOT / "backend" / "teethscape", ROOT / "render_scripts")
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and len(node.args) >= 2):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            first = node.args[0]
            if name in KINDS and isinstance(first, ast.Constant):
                found.add(str(first.value))
    return found


def _headings() -> set[str]:
    lines = (ROOT / "docs" / "errors.md").read_text("utf-8").splitlines()
    return {line[4:].strip("` ") for line in lines if line.startswith("### ")}


def test_every_code_has_its_anchor():
    assert _codes() - _headings() == set()


def test_engine_codes_were_found():
    assert {"photo_twice", "disk_full", "primary_teeth", "heic_reader_missing", "jaw_unknown"} <= _codes()
