"""The collections of a case: ``Case <id>`` with Upper, Lower and Photos."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import bpy

from ..backend.teethscape.dental.fdi import Jaw
from .case_data import CaseData

_CASE_KEY = "teethscape_case"
_FOLDER_KEY = "teethscape_folder"
_CREATED_KEY = "teethscape_created"
_ROLE_KEY = "teethscape_role"


class Role(str, Enum):
    """What a collection of a case holds; the value is its name."""

    UPPER = "Upper"
    LOWER = "Lower"
    PHOTOS = "Photos"


@dataclass(frozen=True)
class CaseCollections:
    """The collection of a case and the ones below it."""

    case: bpy.types.Collection
    upper: bpy.types.Collection
    lower: bpy.types.Collection
    photos: bpy.types.Collection

    def of_jaw(self, jaw: Jaw) -> bpy.types.Collection:
        """The collection that holds the teeth of a jaw."""
        return self.upper if jaw is Jaw.UPPER else self.lower


def create_case_collections(scene: bpy.types.Scene, case: CaseData) -> CaseCollections:
    """Make the empty collections of a case and link them to the scene."""
    made = bpy.data.collections.new(f"Case {case.identifier.removeprefix('case-')}")
    made[_CASE_KEY], made[_FOLDER_KEY], made[_CREATED_KEY] = case.identifier, str(case.folder), case.created
    scene.collection.children.link(made)
    children = []
    for role in Role:
        child = bpy.data.collections.new(role.value)
        child[_ROLE_KEY] = role.name
        made.children.link(child)
        children.append(child)
    return CaseCollections(made, *children)


def find_case_collection(scene: bpy.types.Scene, case: CaseData) -> bpy.types.Collection | None:
    """The collection of a case in this scene.

    Found by properties, never by name: users rename, and Blender appends
    ``.001`` when two cases share a name.
    """
    cases = (one for one in scene.collection.children_recursive if _CASE_KEY in one)
    return next((one for one in cases if _is_build_of(one, case)), None)


def _is_build_of(collection: bpy.types.Collection, case: CaseData) -> bool:
    """Whether a collection was built from a case, whose folder may have been renamed or moved since.

    One whose own folder is still there is another case: folders of two patients may have the same name, and
    a copy of a folder tells of the same beginning.
    """
    folder = Path(collection.get(_FOLDER_KEY, ""))
    if folder.name and folder.is_dir():
        return case.folder.is_dir() and folder.samefile(case.folder)
    if created := collection.get(_CREATED_KEY):
        return created == case.created
    return collection[_CASE_KEY] == case.identifier  # built by a version that noted no more


def objects_of_other_cases(scene: bpy.types.Scene) -> set[bpy.types.Object]:
    """What lies in the collections of cases that a scene holds besides the one that its panels show.

    Nothing where that one has no collection: then it is not known which objects are its own.
    """
    cases = [one for one in scene.collection.children_recursive if _CASE_KEY in one]
    shown = [one for one in cases if one.get(_FOLDER_KEY) == scene.teethscape.result_folder]
    if not shown or len(cases) == 1:
        return set()
    own = {item for one in shown for item in one.all_objects}
    return {item for one in cases if one not in shown for item in one.all_objects} - own


def show_jaws(view_layer: bpy.types.ViewLayer, jaws: tuple[Jaw, ...]) -> None:
    """Show just these jaws of all cases in a view layer, as the eye in the outliner does."""
    wanted = {jaw.name for jaw in jaws}
    for layer in _jaw_layers(view_layer.layer_collection):
        layer.hide_viewport = layer.collection[_ROLE_KEY] not in wanted


def hides_a_jaw(view_layer: bpy.types.ViewLayer) -> bool:
    """True when a jaw of a case is hidden in a view layer."""
    return any(layer.hide_viewport for layer in _jaw_layers(view_layer.layer_collection))


@contextmanager
def all_jaws_shown(view_layer: bpy.types.ViewLayer) -> Iterator[None]:
    """Show both jaws for a while."""
    hidden = [layer for layer in _jaw_layers(view_layer.layer_collection) if layer.hide_viewport]
    for layer in hidden:
        layer.hide_viewport = False
    try:
        yield
    finally:
        for layer in hidden:
            layer.hide_viewport = True


def _jaw_layers(parent: bpy.types.LayerCollection) -> Iterator[bpy.types.LayerCollection]:
    for layer in parent.children:
        if layer.collection.get(_ROLE_KEY) in (Role.UPPER.name, Role.LOWER.name):
            yield layer
        else:
            yield from _jaw_layers(layer)


def case_objects(collection: bpy.types.Collection) -> Iterator[bpy.types.Object]:
    """All objects of a case that Teethscape made."""
    return (item for item in collection.all_objects if item.teethscape.kind != "NONE")


def remove_case(collection: bpy.types.Collection) -> None:
    """Delete a case's collections and everything that Teethscape made in them.

    Objects that the user put there go to the parent: they are not ours.
    """
    own = list(case_objects(collection))
    _keep_foreign(collection)
    data = [item.data for item in own if item.data is not None]
    backgrounds = [
        slot for item in data if isinstance(item, bpy.types.Camera) for slot in item.background_images
    ]
    images = [slot.image for slot in backgrounds if slot.image is not None]
    bpy.data.batch_remove(own)
    # In this order, for a camera counts as a user of its photo until it is gone.
    for blocks in (data, images):
        bpy.data.batch_remove([block for block in dict.fromkeys(blocks) if block.users == 0])
    bpy.data.batch_remove([*collection.children_recursive, collection])


def _keep_foreign(collection: bpy.types.Collection) -> None:
    for item in collection.all_objects:
        if item.teethscape.kind == "NONE" and not any(
            item.name in scene.collection.objects for scene in bpy.data.scenes
        ):
            bpy.context.scene.collection.objects.link(item)
