"""Build a case in a scene: the one function behind sidebar, shell and scripts."""

from __future__ import annotations

from dataclasses import dataclass

import bpy

from ..backend.teethscape.dental.fdi import jaw_of
from .cameras import create_photo_camera
from .case_data import CaseData
from .collections import CaseCollections, create_case_collections, find_case_collection, remove_case
from .materials import enamel
from .ply import read_ply
from .teeth import create_tooth


@dataclass(frozen=True)
class CaseScene:
    """What was built.

    Attributes:
        collections: the case's collection and its three children.
        teeth: tooth objects by FDI number.
        cameras: photo cameras by view name, in the order of the views.
    """

    collections: CaseCollections
    teeth: dict[int, bpy.types.Object]
    cameras: dict[str, bpy.types.Object]


def build_case(scene: bpy.types.Scene, case: CaseData) -> CaseScene:
    """Build a case; an earlier build of the same case is replaced.

    All files are read first: a damaged one leaves the scene as it was.

    Raises:
        BadInputError: a mesh of the case cannot be read.
    """
    meshes = {tooth.fdi: read_ply(case.mesh_file(tooth.fdi)) for tooth in case.teeth if tooth.present}
    old = find_case_collection(scene, case)
    if old is not None:
        remove_case(old)
    collections = create_case_collections(scene, case)
    teeth = {}
    for record in case.teeth:
        if record.present:
            teeth[record.fdi] = create_tooth(record, meshes[record.fdi], enamel())
            collections.of_jaw(jaw_of(record.fdi)).objects.link(teeth[record.fdi])
    cameras = {camera.view.name: create_photo_camera(camera) for camera in case.cameras}
    for item in cameras.values():
        collections.photos.objects.link(item)
    return CaseScene(collections, teeth, cameras)
