"""Register, unregister, register: nothing is left behind, nothing runs by itself."""

from __future__ import annotations

from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from case_factory import write_png

KINDS = ("TEETH_OT_", "TEETH_PT_", "TEETH_FH_")


def _footprint(package) -> dict[str, object]:
    """Everything that a registered extension leaves in Blender."""
    handlers = [getattr(bpy.app.handlers, name) for name in dir(bpy.app.handlers) if not name.startswith("_")]
    ours = [
        entry.__name__ for known in handlers if isinstance(known, list) for entry in known
        if getattr(entry, "__module__", "").startswith(package.__name__)
    ]  # fmt: skip
    return {
        "classes": {name for name in dir(bpy.types) if name.startswith(KINDS)},
        "handlers": sorted(ours),
        "scene": hasattr(bpy.types.Scene, "teethscape"),
        "object": hasattr(bpy.types.Object, "teethscape"),
    }


def test_unregistering_leaves_nothing_and_registering_again_works(part):
    package = part("")
    before = _footprint(package)
    assert before["classes"]
    assert before["handlers"] == ["_after_load", "_after_undo", "_after_undo"]
    for _ in range(2):
        package.unregister()
        assert _footprint(package) == {"classes": set(), "handlers": [], "scene": False, "object": False}
        package.register()
        assert _footprint(package) == before


def test_a_failing_registration_is_undone_and_raised(part, monkeypatch):
    package = part("")
    package.unregister()
    with monkeypatch.context() as patch:
        patch.setattr(part("cli"), "register", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            package.register()
        assert not _footprint(package)["classes"]
    package.register()


def test_registering_starts_no_engine_and_no_timer(part):
    package = part("")
    package.unregister()
    package.register()
    assert not part("session.runtime").has_runtime()
    assert not bpy.app.timers.is_registered(part("session.ticker")._tick)


def test_unregistering_frees_the_picture_of_unfinished_views(part, tmp_path):
    package, unfinished = part(""), part("session.unfinished").unfinished
    strip = tmp_path / "views" / "preview" / "p_upper.png"
    strip.parent.mkdir(parents=True)
    write_png(strip, np.zeros((4, 64, 3), np.uint8))
    job = SimpleNamespace(case=tmp_path, stage="paint", state=SimpleNamespace(is_over=False))
    assert unfinished.refresh(job)
    package.unregister()
    assert (unfinished.jaw, unfinished._previews) == ("", None)
    package.register()


def test_names_follow_the_convention(part):
    for module in (
        "dataset",
        "engine",
        "missing",
        "photos",
        "photo_edits",
        "reconstruct",
        "result",
        "export",
        "xray",
    ):
        for cls in part(f"operators.{module}").classes:
            assert cls.__name__.startswith(("TEETH_OT_", "TEETH_FH_"))
            assert cls.__doc__
            if issubclass(cls, bpy.types.Operator):
                assert cls.bl_idname == "teeth." + cls.__name__.removeprefix("TEETH_OT_")


def test_the_manifest_names_the_engines_version(part):
    from pathlib import Path

    import tomllib

    manifest = tomllib.loads((Path(part("").__file__).parent / "blender_manifest.toml").read_text("utf-8"))
    assert manifest["version"] == part("backend.teethscape").__version__
    assert len(manifest["tagline"]) <= 64
