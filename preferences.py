"""Preferences of the extension: where the engine lives and how it is made."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import EnumProperty, StringProperty

_NOTATION_ITEMS = [
    ("FDI", "FDI", "Two-digit numbers after ISO 3950, such as 11"),
    ("UNIVERSAL", "Universal", "Numbers 1 to 32"),
    ("PALMER", "Palmer", "Quadrant and place, such as UR1"),
]
_SOURCE_ITEMS = [
    ("NETWORK", "Network", "Download the engine's parts from the Python package index"),
    ("FOLDER", "Folder", "Take them from a folder of wheels, without network"),
]

_PROFILE_ITEMS = [
    ("STANDARD", "Standard", "Reconstruction, segmentation, measuring and export on the processor"),
    ("FULL", "Full", "PyTorch besides: clicks with SAM, the TeethDreamer engine, training of networks"),
]


def _look_again(_preferences: TEETH_AP_preferences, _context: bpy.types.Context) -> None:
    """Another folder or Python means another engine."""
    from . import session

    session.look_again()


class TEETH_AP_preferences(bpy.types.AddonPreferences):
    """Preferences of Teethscape."""

    bl_idname = __package__

    engine_folder: StringProperty(
        name="Engine Folder",
        description="Where the engine, its caches and logs live; empty for a folder of Blender's own",
        subtype="DIR_PATH",
        update=_look_again,
    )
    cases_folder: StringProperty(
        name="Cases Folder",
        description="Where new cases are made; empty for a folder beside the engine",
        subtype="DIR_PATH",
    )
    python: StringProperty(
        name="Python",
        description="Python 3.10 or newer that the engine is installed with; empty for Blender's own",
        subtype="FILE_PATH",
        update=_look_again,
    )
    source: EnumProperty(name="Source", description="Where the engine's parts come from", items=_SOURCE_ITEMS)
    profile: EnumProperty(
        name="Profile",
        description="Which parts the engine is made of",
        items=_PROFILE_ITEMS,
        update=_look_again,
    )
    wheels: StringProperty(
        name="Wheels",
        description="Folder with the engine's wheels for this Python, for machines without network",
        subtype="DIR_PATH",
    )
    notation: EnumProperty(
        name="Notation", description="How the tooth chart names teeth", items=_NOTATION_ITEMS
    )

    def draw(self, _context: bpy.types.Context) -> None:
        """Draw the preferences."""
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "engine_folder")
        layout.prop(self, "cases_folder")
        layout.prop(self, "python")
        layout.prop(self, "profile", expand=True)
        layout.prop(self, "notation", expand=True)


def preferences() -> TEETH_AP_preferences:
    """The preferences of the enabled extension."""
    return bpy.context.preferences.addons[__package__].preferences


def engine_root() -> Path:
    """The engine's folder: chosen, or a writable one that survives upgrades."""
    chosen = preferences().engine_folder
    return Path(bpy.path.abspath(chosen)) if chosen else _user_folder("engine")


def cases_root() -> Path:
    """The folder that new cases are made in."""
    chosen = preferences().cases_folder
    return Path(bpy.path.abspath(chosen)) if chosen else _user_folder("cases")


def chosen_python() -> Path | None:
    """The Python that carries the engine; None for Blender's own."""
    chosen = preferences().python
    return Path(bpy.path.abspath(chosen)) if chosen else None


def chosen_profile() -> str:
    """The name of the engine's set of packages."""
    return preferences().profile.lower()


def _user_folder(name: str) -> Path:
    return Path(bpy.utils.extension_path_user(__package__, path=name, create=False))


register, unregister = bpy.utils.register_classes_factory((TEETH_AP_preferences,))
