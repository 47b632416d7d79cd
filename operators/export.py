"""Operator that writes the teeth to mesh files."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ..scene.case_data import CaseScale
from ..scene.export import ExportRequest, MeshFormat, Split, export_teeth
from ..scene.find import shown_teeth
from ..session.result import result_of

_FORMATS = [
    (MeshFormat.STL.value, "STL", "For printing"),
    (MeshFormat.PLY.value, "PLY", "With the uncertainty as vertex colours"),
    (MeshFormat.OBJ.value, "OBJ", "For other 3D programs"),
]
_SPLITS = [
    (Split.JAWS.value, "Per Jaw", "One file for the upper and one for the lower teeth"),
    (Split.TEETH.value, "Per Tooth", "One file for each tooth"),
    (Split.ONE.value, "One File", "All teeth in one file"),
]


def present_teeth(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """The teeth that the patient has, of the case that the panels show."""
    return [item for item in shown_teeth(scene) if item.teethscape.present]


class TEETH_OT_export(bpy.types.Operator):
    """Write the teeth in millimetres; absent teeth are left out."""

    bl_idname = "teeth.export"
    bl_label = "Export Teeth"
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    directory: StringProperty(name="Folder", subtype="DIR_PATH", options={"SKIP_SAVE"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    mesh_format: EnumProperty(name="Format", items=_FORMATS)
    split: EnumProperty(name="Files", items=_SPLITS)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There are teeth, and Blender's exporters can see their meshes."""
        if context.mode != "OBJECT":
            cls.poll_message_set("Leave edit mode first (Tab)")
            return False
        if not present_teeth(context.scene):
            cls.poll_message_set("No teeth in this scene: reconstruct or open a case")
            return False
        return True

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Ask for the folder."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write the files and say how large the teeth came out."""
        folder = Path(bpy.path.abspath(self.directory))
        result = result_of(context.scene)
        scale = result.case.scale if result else CaseScale("unknown", 1.0)
        request = ExportRequest(folder, MeshFormat(self.mesh_format), Split(self.split), scale)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            files = export_teeth(present_teeth(context.scene), request)
        except (OSError, RuntimeError) as error:
            self.report(
                {"ERROR"}, f"{folder} cannot be written: {str(error).strip()}. Choose another folder."
            )
            return {"CANCELLED"}
        width = max(file.extent_mm[0] for file in files)
        self.report({"INFO"}, f"{len(files)} files in {folder}; largest width {width:.1f} mm")
        return {"FINISHED"}


classes = (TEETH_OT_export,)
