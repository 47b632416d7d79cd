"""Three worlds, one direction: who may import whom (architecture, section 1)."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLENDER_FOLDERS = ("operators", "panels", "scene", "session", "photos", "render_scripts")
BLENDER_FILES = ("__init__.py", "preferences.py", "properties.py", "cli.py")
#: What Blender's own Python has besides the standard library.
BLENDER_LIBRARIES = {
    "bpy",
    "bpy_extras",
    "mathutils",
    "numpy",
    "_cycles",
    "load_package",
    "gpu",
    "gpu_extras",
    "blf",
}
#: The engine's modules that both worlds read; they lean on the standard library alone.
SHARED = {
    "teethscape", "teethscape.protocol", "teethscape.errors", "teethscape.progress",
    "teethscape.dental", "teethscape.dental.fdi", "teethscape.dental.views", "teethscape.dental.wishes",
    "teethscape.dental.json_values",
}  # fmt: skip
#: More of the engine's modules that render scripts read; these lean on numpy too.
SHARED_NUMPY = {
    "teethscape.dataset", "teethscape.dataset.farm", "teethscape.dataset.farm.layout",
    "teethscape.dataset.portable_pickle", "teethscape.dataset.published_views",
    "teethscape.dental.files",
}  # fmt: skip
STDLIB = set(sys.stdlib_module_names)


def _module(path: Path, base: Path) -> list[str]:
    parts = list(path.relative_to(base).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports(path: Path, base: Path) -> Iterator[str]:
    """Absolute dotted names of everything that a file imports, wherever in the file."""
    package = list(path.relative_to(base).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*start, *(node.module or "").split(".")]).strip(".")
            yield name
            if node.level:  # ``from . import x`` may name a module
                yield from (f"{name}.{alias.name}".strip(".") for alias in node.names)


def _blender_side() -> list[Path]:
    files = [ROOT / name for name in BLENDER_FILES]
    for folder in BLENDER_FOLDERS:
        files += sorted((ROOT / folder).rglob("*.py"))
    return files


@pytest.mark.parametrize("path", _blender_side(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_blender_side_leans_on_blender_and_the_shared_words(path):
    own = {*BLENDER_FOLDERS, "preferences", "properties", "cli"}
    if path.is_relative_to(ROOT / "render_scripts"):
        own |= {file.stem for file in (ROOT / "render_scripts").iterdir()}
    for name in imports(path, ROOT):
        top = name.split(".")[0]
        if top == "teethscape" and path.is_relative_to(ROOT / "render_scripts"):
            assert _is_part_of(name, SHARED | SHARED_NUMPY), f"{path.name} imports {name}"
        elif top == "backend":
            inner = name.removeprefix("backend.")
            module = ROOT / "backend" / (inner.replace(".", "/") + ".py")
            is_module = module.exists() or module.with_suffix("").is_dir()
            assert inner.startswith("client") or inner in SHARED or not is_module, name
        else:
            assert not name or top in STDLIB | BLENDER_LIBRARIES | own, f"{path.name} imports {name}"


def _is_part_of(name: str, modules: set[str]) -> bool:
    """True for one of the modules, or for a name in one."""
    return name in modules or name.rpartition(".")[0] in modules


#: Which of our own folders a folder may import; the data flows one way.
ARROWS = {
    "operators": {"operators", "session", "photos", "scene"},
    "panels": {"panels", "session", "photos", "scene"},
    "session": {"session", "photos", "scene"},
    "photos": {"photos"},
    "scene": {"scene"},
}


@pytest.mark.parametrize("folder", sorted(ARROWS))
def test_folders_of_the_blender_side_import_one_way(folder):
    for path in (ROOT / folder).rglob("*.py"):
        tops = {name.split(".")[0] for name in imports(path, ROOT)} & set(BLENDER_FOLDERS)
        assert tops <= ARROWS[folder], f"{path} imports {tops - ARROWS[folder]}"


@pytest.mark.parametrize("name", sorted(SHARED))
def test_shared_modules_lean_on_the_standard_library_alone(name):
    base = ROOT / "backend"
    path = base / (name.replace(".", "/") + ".py")
    path = path if path.exists() else path.with_suffix("") / "__init__.py"
    for imported in imports(path, base):
        assert imported.split(".")[0] in STDLIB or imported in SHARED or imported.rpartition(".")[0] in SHARED


@pytest.mark.parametrize("name", sorted(SHARED))
def test_shared_modules_name_each_other_relatively(name):
    """In Blender the engine lies within the extension, and no package ``teethscape`` is there to import."""
    path = ROOT / "backend" / (name.replace(".", "/") + ".py")
    path = path if path.exists() else path.with_suffix("") / "__init__.py"
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        named += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        assert not [name for name in named if name.split(".")[0] == "teethscape"]


@pytest.mark.parametrize("name", sorted(SHARED_NUMPY))
def test_modules_shared_with_render_scripts_lean_on_numpy_at_most(name):
    base = ROOT / "backend"
    path = base / (name.replace(".", "/") + ".py")
    path = path if path.exists() else path.with_suffix("") / "__init__.py"
    for imported in imports(path, base):
        top = imported.split(".")[0]
        assert top in STDLIB | {"numpy"} or _is_part_of(imported, SHARED | SHARED_NUMPY), imported


def test_the_engine_never_imports_blender():
    for path in (ROOT / "backend" / "teethscape").rglob("*.py"):
        tops = {name.split(".")[0] for name in imports(path, ROOT / "backend")}
        assert not tops & {"bpy", "mathutils", "bpy_extras", "client"}, path


def test_the_client_leans_on_the_standard_library_and_the_protocol():
    base = ROOT / "backend"
    for path in (base / "client").rglob("*.py"):
        for name in imports(path, base):
            top = name.split(".")[0]
            assert top in STDLIB | {"client"} or name in SHARED or name.rpartition(".")[0] in SHARED, (
                path,
                name,
            )


def test_this_test_sees_relative_and_nested_imports(tmp_path):
    folder = tmp_path / "scene"
    folder.mkdir()
    (folder / "a.py").write_text("from ..backend import torch_part\ndef f():\n    import torch\n")
    assert set(imports(folder / "a.py", tmp_path)) == {"backend", "backend.torch_part", "torch"}
