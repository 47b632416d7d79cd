"""Operators of the photo slots."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, StringProperty

from ..backend.teethscape.dental.views import View
from ..photos.assign import SUFFIXES, assign_photos, picture_files
from ..photos.thumbnails import shelf
from ..properties import TEETH_PG_scene
from ..session.request import needed_views

_VIEW_ITEMS = [(view.name, view.title, f"The {view.title.lower()} photo", int(view)) for view in View]
_SAMPLE = Path(__file__).resolve().parents[1] / "examples" / "sample" / "photos"


def _fill(settings: TEETH_PG_scene, files: list[Path]) -> int:
    """Put files into slots; return how many found a place."""
    views = needed_views(settings)
    filled = {view: Path(settings.slot(view).filepath) for view in View if settings.slot(view).filepath}
    chosen = assign_photos(files, filled, views)
    for view, path in chosen.items():
        slot = settings.slot(view)
        slot.filepath, slot.quarter_turns, slot.mirrored = str(path), 0, False
    shelf.refresh(settings)
    return len(chosen)


class TEETH_OT_load_photos(bpy.types.Operator):
    """Fill the slots from a folder or from chosen files.

    Files named 0 to 4 go to that view; otherwise the engine recognises the views.
    """

    bl_idname = "teeth.load_photos"
    bl_label = "Load Photos"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    files: CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})
    filter_image: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Ask for files, unless they were dropped."""
        if self.directory and any(item.name for item in self.files):
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Fill the slots."""
        folder = Path(bpy.path.abspath(self.directory))
        names = [item.name for item in self.files if item.name]
        try:
            paths = [folder / name for name in names] or picture_files(folder)
        except OSError as error:
            self.report({"ERROR"}, f"The folder cannot be read: {error}. Choose another folder.")
            return {"CANCELLED"}
        settings = context.scene.teethscape
        pictures = [path for path in paths if path.suffix.lower() in SUFFIXES]
        count = _fill(settings, pictures)
        if not count:
            self.report({"WARNING"}, "No photo was loaded: all slots are full or no picture was chosen.")
            return {"CANCELLED"}
        left = len(pictures) - count
        rest = f"; {left} left out, for the slots are full" if left else ""
        self.report({"WARNING" if left else "INFO"}, f"{count} photos loaded{rest}")
        return {"FINISHED"}


class TEETH_OT_load_sample(bpy.types.Operator):
    """Load the bundled sample photos: a synthetic patient, rendered by us."""

    bl_idname = "teeth.load_sample"
    bl_label = "Load Sample Photos"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Fill the slots with the sample."""
        if not _SAMPLE.is_dir():
            self.report({"ERROR"}, "This build carries no sample photos. Install the released extension.")
            return {"CANCELLED"}
        _fill(context.scene.teethscape, picture_files(_SAMPLE))
        return {"FINISHED"}


class TEETH_OT_choose_photo(bpy.types.Operator):
    """Choose the photo of one view."""

    bl_idname = "teeth.choose_photo"
    bl_label = "Choose Photo"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    view: EnumProperty(name="View", items=_VIEW_ITEMS, options={"HIDDEN", "SKIP_SAVE"})
    filepath: StringProperty(subtype="FILE_PATH", options={"HIDDEN", "SKIP_SAVE"})
    filter_image: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Ask for the file."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Put the file into the slot."""
        slot = context.scene.teethscape.slot(View[self.view])
        slot.filepath, slot.quarter_turns, slot.mirrored = self.filepath, 0, False
        shelf.refresh(context.scene.teethscape)
        return {"FINISHED"}


class TEETH_FH_photos(bpy.types.FileHandler):
    """Photos dropped into a 3D viewport fill the slots."""

    bl_idname = "TEETH_FH_photos"
    bl_label = "Teethscape Photos"
    bl_import_operator = TEETH_OT_load_photos.bl_idname
    bl_file_extensions = ";".join(SUFFIXES)

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        """Over a 3D viewport or its sidebar."""
        return context.area is not None and context.area.type == "VIEW_3D"


classes = (TEETH_OT_load_photos, TEETH_OT_load_sample, TEETH_OT_choose_photo, TEETH_FH_photos)
