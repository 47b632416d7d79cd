"""What Teethscape stores in a file: one group per scene, one per object."""

from __future__ import annotations

from collections.abc import Iterable

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from .backend.teethscape.dental.fdi import Jaws
from .backend.teethscape.dental.views import View
from .backend.teethscape.dental.wishes import PREVIEW_STEPS
from .scene import find, look

_VIEW_ITEMS = [(view.name, view.title, f"The {view.title.lower()} photo", int(view)) for view in View]
_JAW_ITEMS = [
    ("both", "Both Jaws", "Five photos, upper and lower teeth in one frame"),
    ("upper", "Upper", "Four photos: no mandibular occlusal photo needed"),
    ("lower", "Lower", "Four photos: no maxillary occlusal photo needed"),
]
_MASK_ITEMS = [
    ("fdi", "FDI Numbers", "Pixel values are FDI tooth numbers"),
    ("instances", "Any Numbers", "Pixel values tell teeth apart; the engine numbers them"),
    ("jaws", "Jaws", "1 is an upper tooth, 2 a lower tooth"),
    ("named", "Some Numbers", "FDI numbers; from 100 on teeth without one; other photos are segmented"),
]
_DISPLAY_ITEMS = [
    ("BEHIND", "Behind", "The photo behind the teeth"),
    ("BLEND", "Blend", "The photo half transparent over the teeth, to compare outlines"),
    ("HIDDEN", "Hidden", "No photo"),
]
_ENGINE_ITEMS = [
    ("parametric", "Parametric", "The tooth model fitted to the photos; nothing to download"),
    (
        "teethdreamer",
        "TeethDreamer",
        "Views painted by a diffusion model, then a surface, in the fitted bite",
    ),
    ("regression", "Regression", "An instant preview by a network"),
]
_SURFACE_ITEMS = [
    ("auto", "Automatic", "NeuS with a graphics processor, else the grid"),
    ("neus", "NeuS", "A neural surface; slow without a graphics processor"),
    ("gspull", "GS-Pull", "Gaussians and a neural surface; slow without a graphics processor"),
    ("grid", "Grid", "Distances on a grid; made for machines without a graphics processor"),
]
_FOREGROUND_ITEMS = [
    ("plain", "By Colour", "What differs from the colour of the border"),
    ("fit", "By Fitted Teeth", "Where the fitted teeth are"),
    ("rembg", "rembg", "By a network of its own, when it is installed"),
    ("sam", "Segment Anything", "By SAM; its network is installed in Networks"),
]
_BACKGROUND_ITEMS = [  # the engine knows "black" too, which for the photos of a case is "as-given"
    ("as-given", "As Published", "Black, as the authors' own tool cuts photos out"),
    ("white", "White", "White, as in the published training; which paints better has not been compared"),
]
_PRECISION_ITEMS = [
    ("auto", "Automatic", "Half precision on an NVIDIA card, else single precision"),
    ("fp16", "fp16", "Half precision; goes on in bf16 where numbers grow too large"),
    ("bf16", "bf16", "Half precision with the range of single precision"),
    ("fp32", "fp32", "Single precision; takes twice the memory"),
]
_MEMORY_ITEMS = [
    ("auto", "Automatic", "As large portions as the free memory of the graphics processor allows"),
    ("small", "Small", "The smallest portions: slower, the same views"),
]
_CLICK_ITEMS = [
    ("net", "Own Network", "The network that ships with the engine; nothing to download"),
    ("sam", "Segment Anything", "SAM; install its weights with: teethscape weights install sam-vit-b"),
]
_KIND_ITEMS = [
    ("NONE", "None", "Not made by Teethscape"),
    ("TOOTH", "Tooth", "A reconstructed crown"),
    ("PHOTO_CAMERA", "Photo Camera", "The camera of a photo"),
]


class TEETH_PG_photo_slot(bpy.types.PropertyGroup):
    """A photo and what the user did to it."""

    filepath: StringProperty(name="Photo", description="Picture file of this view", subtype="FILE_PATH")
    quarter_turns: IntProperty(
        name="Quarter Turns", description="Counter-clockwise, after the camera's own", min=0, max=3
    )
    mirrored: BoolProperty(name="Mirrored", description="Flip left and right, after turning")


class TEETH_PG_known_length(bpy.types.PropertyGroup):
    """A length that was measured on the patient or on a cast."""

    teeth: StringProperty(
        name="Teeth",
        description="One tooth for its mesiodistal width (11), two for the distance of their tips (33-43)",
        default="11",
    )
    mm: FloatProperty(
        name="Length",
        description="Measured length in millimetres",
        default=8.6,
        min=3.0,
        max=90.0,
        step=10,
        precision=2,
    )


def _update_heat_map(settings: TEETH_PG_scene, _context: bpy.types.Context) -> None:
    if settings.heat_map and settings.photo_colours:
        settings.photo_colours = False
    _show_colours(settings)


def _update_photo_colours(settings: TEETH_PG_scene, _context: bpy.types.Context) -> None:
    if settings.photo_colours and settings.heat_map:
        settings.heat_map = False
    _show_colours(settings)


def _show_colours(settings: TEETH_PG_scene) -> None:
    chosen = look.ToothColours.ENAMEL
    if settings.heat_map:
        chosen = look.ToothColours.UNCERTAINTY
    elif settings.photo_colours:
        chosen = look.ToothColours.PHOTO
    look.show_colours(find.teeth(settings.id_data), chosen)
    look.show_attribute_colors(chosen is not look.ToothColours.ENAMEL)


def _update_photo_display(settings: TEETH_PG_scene, _context: bpy.types.Context) -> None:
    look.show_photos(find.photo_cameras(settings.id_data), look.PhotoDisplay(settings.photo_display))


def _update_presence(settings: TEETH_PG_object, _context: bpy.types.Context) -> None:
    tooth = settings.id_data
    look.set_presence(tooth, settings.present)
    for scene in tooth.users_scene:
        others = scene.teethscape.absent_teeth - {settings.fdi}
        scene.teethscape.absent_teeth = others if settings.present else others | {settings.fdi}


class TEETH_PG_mesh_path(bpy.types.PropertyGroup):
    """A mesh file, or a folder of them."""

    filepath: StringProperty(name="Mesh", description="Mesh file or folder of meshes", subtype="FILE_PATH")


class TEETH_PG_dataset(bpy.types.PropertyGroup):
    """What the Dataset panel renders."""

    meshes: CollectionProperty(type=TEETH_PG_mesh_path)
    output: StringProperty(
        name="Output", description="Folder of the data set; the same one resumes it", subtype="DIR_PATH"
    )
    synthetic: IntProperty(
        name="Synthetic Patients", description="How many patients to draw from the tooth model",
        min=0, max=1_000_000,
    )  # fmt: skip
    normals: BoolProperty(name="Normals", description="Normals of 16 fixed views of each jaw", default=True)
    colors: BoolProperty(
        name="Colours", description="Colours of 16 fixed views, and 64 input views, of each jaw", default=True
    )
    photos: BoolProperty(
        name="Photos", description="Five labelled photographs of each synthetic patient", default=True
    )
    image_size: IntProperty(
        name="Image Size", description="Side of the renders in pixels", default=256, min=16, max=4096
    )
    photo_width: IntProperty(
        name="Photo Width", description="Width of the photographs in pixels", default=640, min=64, max=4096
    )
    samples: IntProperty(
        name="Samples",
        description="Cycles samples of the colours; 0 for the script's own choice",
        min=0,
        max=4096,
    )
    workers: IntProperty(
        name="Workers", description="Blenders that render at once; 0 for one per two cores", min=0, max=256
    )
    seed: IntProperty(name="Seed", description="Seed of every random choice", min=0)


class TEETH_PG_views(bpy.types.PropertyGroup):
    """What the engine TeethDreamer needs besides."""

    surface: EnumProperty(
        name="Surface", description="How surfaces are made from the views", items=_SURFACE_ITEMS
    )
    weights: StringProperty(
        name="Network", description="File of the networks; empty for the installed ones", subtype="FILE_PATH"
    )
    steps: IntProperty(
        name="Steps", description="Steps of the sampling; 200 is the published number",
        default=200, min=2, max=999,
    )  # fmt: skip
    preview: BoolProperty(
        name="Preview", description=f"{PREVIEW_STEPS} steps in place of these, to see where it goes"
    )
    background: EnumProperty(
        name="Background", description="What stands behind the teeth of the photos",
        items=_BACKGROUND_ITEMS,
    )  # fmt: skip
    precision: EnumProperty(
        name="Precision", description="How exactly the networks compute", items=_PRECISION_ITEMS
    )
    memory: EnumProperty(
        name="Memory", description="How the memory of the graphics processor is used", items=_MEMORY_ITEMS
    )
    foreground: EnumProperty(
        name="Cut Out",
        description="How painted views are cut out of their background",
        items=_FOREGROUND_ITEMS,
    )
    repaint: IntProperty(
        name="Paint Again", description="How often views that disagree with the fit are painted again",
        default=2, min=0, max=20,
    )  # fmt: skip


class TEETH_PG_xray(bpy.types.PropertyGroup):
    """What the X-ray panel segments."""

    picture: StringProperty(name="X-Ray", description="Panoramic X-ray, as a picture", subtype="FILE_PATH")
    weights: StringProperty(
        name="Network", description="Network that you trained: its ONNX export, or a checkpoint",
        subtype="FILE_PATH",
    )  # fmt: skip
    output: StringProperty(
        name="Output", description="Folder of masks and overlays; empty for one among your cases",
        subtype="DIR_PATH",
    )  # fmt: skip


class TEETH_PG_scene(bpy.types.PropertyGroup):
    """Settings of a scene: photos, job, result."""

    anterior: PointerProperty(type=TEETH_PG_photo_slot)
    left_buccal: PointerProperty(type=TEETH_PG_photo_slot)
    right_buccal: PointerProperty(type=TEETH_PG_photo_slot)
    maxillary_occlusal: PointerProperty(type=TEETH_PG_photo_slot)
    mandibular_occlusal: PointerProperty(type=TEETH_PG_photo_slot)

    jaws: EnumProperty(
        name="Jaws", description="Which jaws to reconstruct", items=_JAW_ITEMS, default=Jaws.BOTH.value
    )
    trust_views: BoolProperty(
        name="Keep My Order",
        description="Believe the slots instead of recognising the views, and that no photo is mirrored",
    )
    case_folder: StringProperty(
        name="Case Folder",
        description="Where the result is written; empty for a new folder among your cases",
        subtype="DIR_PATH",
    )
    masks_folder: StringProperty(
        name="Masks", description="Folder with label images 0.png to 4.png; empty to find the teeth",
        subtype="DIR_PATH",
    )  # fmt: skip
    mask_values: EnumProperty(
        name="Mask Values", description="What the masks' pixel values mean", items=_MASK_ITEMS
    )
    seed: IntProperty(name="Seed", description="Seed of every random choice", min=0)
    engine: EnumProperty(name="Engine", description="Who makes the teeth", items=_ENGINE_ITEMS)
    views: PointerProperty(type=TEETH_PG_views)

    result_folder: StringProperty(
        name="Result", description="Case folder of the result shown", subtype="DIR_PATH"
    )
    absent: StringProperty(
        description="FDI numbers that the user declared absent, with commas", options={"HIDDEN"}
    )
    active_tooth: IntProperty(
        name="Tooth", description="FDI number of the tooth shown in the chart", default=11
    )
    known_lengths: CollectionProperty(type=TEETH_PG_known_length)
    heat_map: BoolProperty(
        name="Uncertainty Heat Map",
        description="Colour the teeth by their standard deviation in millimetres",
        update=_update_heat_map,
    )
    photo_colours: BoolProperty(
        name="Photo Colours",
        description="Colour the teeth as the photos show them",
        update=_update_photo_colours,
    )
    photo_display: EnumProperty(
        name="Photo", description="Where the photo lies while you look through its camera",
        items=_DISPLAY_ITEMS, update=_update_photo_display,
    )  # fmt: skip

    click_engine: EnumProperty(name="Engine", description="Who draws masks from clicks", items=_CLICK_ITEMS)
    click_refit: BoolProperty(
        name="Fit Again at Once",
        description="Fit the teeth again as soon as a mask was accepted",
        default=True,
    )

    dataset: PointerProperty(type=TEETH_PG_dataset)
    xray: PointerProperty(type=TEETH_PG_xray)

    def slot(self, view: View) -> TEETH_PG_photo_slot:
        """The photo slot of a view."""
        return getattr(self, view.slug)

    @property
    def absent_teeth(self) -> set[int]:
        """FDI numbers of the teeth that the user declared absent."""
        return {int(number) for number in self.absent.split(",") if number}

    @absent_teeth.setter
    def absent_teeth(self, teeth: Iterable[int]) -> None:
        self.absent = ",".join(str(fdi) for fdi in sorted(teeth))


class TEETH_PG_object(bpy.types.PropertyGroup):
    """What an object is to Teethscape."""

    kind: EnumProperty(name="Kind", description="What this object is", items=_KIND_ITEMS)
    fdi: IntProperty(name="FDI", description="Tooth number after ISO 3950")
    view: EnumProperty(name="View", description="The photo of this camera", items=_VIEW_ITEMS)
    present: BoolProperty(
        name="Present",
        description="Off when the patient does not have this tooth: it is hidden and not exported",
        default=True,
        update=_update_presence,
    )


_register_classes, _unregister_classes = bpy.utils.register_classes_factory(
    (
        TEETH_PG_photo_slot,
        TEETH_PG_known_length,
        TEETH_PG_mesh_path,
        TEETH_PG_dataset,
        TEETH_PG_xray,
        TEETH_PG_views,
        TEETH_PG_scene,
        TEETH_PG_object,
    )
)


def register() -> None:
    """Register the groups and hang them on scenes and objects."""
    _register_classes()
    bpy.types.Scene.teethscape = PointerProperty(type=TEETH_PG_scene)
    bpy.types.Object.teethscape = PointerProperty(type=TEETH_PG_object)


def unregister() -> None:
    """Take the groups away; what files stored stays in them."""
    del bpy.types.Object.teethscape
    del bpy.types.Scene.teethscape
    _unregister_classes()
