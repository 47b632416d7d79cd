"""Render one synthetic patient: five photos, their labels, cameras and meshes."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import photo_files
import photo_passes
import photo_scene
from photo_description import Description
from photo_develop import developed

log = logging.getLogger("teethscape.photo_render")
#: Unit of the 16-bit depth labels, mm.
DEPTH_UNIT = 0.01
_TOOTH, _UPPER_GUM, _LOWER_GUM, _BRACKET = 1, 2, 3, 9


@dataclass(frozen=True)
class Quality:
    """How the photos are rendered.

    Attributes:
        samples: Cycles samples per pixel.
        denoise: whether to denoise, where this Blender can.
    """

    samples: int
    denoise: bool


@dataclass(frozen=True)
class Seen:
    """What a photo shows, pixel by pixel.

    Attributes:
        piece: (h, w) number of the piece, 0 none.
        depth: (h, w) mm along the optical axis, 0 where there is nothing.
        normal: (h, w, 3) camera space: x right, y up, z to the viewer.
    """

    piece: np.ndarray
    depth: np.ndarray
    normal: np.ndarray


def see(camera: dict[str, Any], materials: dict[str, Any], scratch: Path) -> Seen:
    """The labels of the scene as it stands."""
    with photo_passes.label_mode(materials["place"]):
        place = photo_passes.render_array(scratch)
    with photo_passes.label_mode(materials["normal"]):
        normal = photo_passes.render_array(scratch)
    turn = np.array(camera["cam2world"])[:3, :3] @ np.diag([1.0, -1.0, -1.0])
    normal = (2.0 * normal - 1.0) @ turn.astype(np.float32)
    normal /= np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-6)
    return Seen(np.round(place[..., 0]).astype(np.int32), place[..., 1], normal)


def label_images(seen: Seen, pieces: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Label pictures by the folder that holds them."""
    part = np.array([0, *(piece["part"] for piece in pieces)], np.uint8)[seen.piece]
    fdi = np.array([0, *(piece["fdi"] for piece in pieces)], np.uint8)[seen.piece]
    fdi[(part != _TOOTH) & (part != _BRACKET)] = 0
    jaw = np.where(fdi == 0, 0, np.where(fdi < 30, 1, 2)).astype(np.uint8)
    gum = np.where(part == _UPPER_GUM, 1, np.where(part == _LOWER_GUM, 2, 0)).astype(np.uint8)
    alpha = np.where(seen.piece > 0, 255, 0).astype(np.uint8)
    shade = np.clip(np.round((seen.normal * 0.5 + 0.5) * 255.0), 0, 255).astype(np.uint8)
    shade[alpha == 0] = 0
    depth = np.clip(np.round(seen.depth / DEPTH_UNIT), 0, 65535).astype(np.uint16)
    depth[alpha == 0] = 0
    return {
        "fdi": fdi,
        "jaws": jaw,
        "gums": gum,
        "parts": part,
        "normals": np.dstack([shade, alpha]),
        "depth": depth,
    }


class CaseRenderer:
    """The scene of one patient, built once.

    Args:
        description: the patient.
        folder: where the case is written.
        quality: how the photos are rendered.
    """

    def __init__(self, description: Description, folder: Path, quality: Quality) -> None:
        self.description, self.folder, self.quality = description, folder, quality
        bpy.ops.wm.read_factory_settings(use_empty=True)
        photo_passes.configure(quality.samples, description.record["seed"] % 2**31)
        photo_scene.set_world(description.record["looks"]["light"]["room"])
        self.things = photo_scene.add_pieces(description)
        self.materials = {"place": photo_passes.place_material(), "normal": photo_passes.normal_material()}
        self.scratch = folder / "scratch.exr"

    def photo(self, view: dict[str, Any]) -> None:
        """Render and write one photo with its labels."""
        record, number = self.description.record, view["view"]
        camera = photo_scene.add_camera(view)
        lamps = photo_scene.add_flash(camera, record["looks"]["light"], view["distance_mm"])
        photo_scene.show_only(self.things, self.description, number, labels=True)
        seen = see(view["camera"], self.materials, self.scratch)
        photo_scene.show_only(self.things, self.description, number, labels=False)
        camera.data.dof.use_dof = True
        bpy.context.scene.cycles.use_denoising = self.quality.denoise and photo_passes.has_denoiser()
        light = photo_passes.render_array(self.scratch)
        photo_scene.remove([camera, *lamps])
        labels = label_images(seen, record["pieces"])
        pixels = developed(light, labels["fdi"] > 0, record["looks"]["develop"], view)
        photo_files.write_jpeg(
            self._file("photos", number, "jpg"), pixels, record["looks"]["develop"]["quality"], view["focal_35mm"]
        )
        for name, image in labels.items():
            photo_files.write_png(self._file(f"labels/{name}", number, "png"), image)

    def _file(self, folder: str, number: int, suffix: str) -> Path:
        path = self.folder / folder / f"{number}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def meshes(self) -> None:
        """Write teeth and gums in millimetres."""
        (self.folder / "meshes" / "teeth").mkdir(parents=True, exist_ok=True)
        for piece in self.description.record["pieces"]:
            name = piece["name"]
            if piece["part"] not in (_TOOTH, _UPPER_GUM, _LOWER_GUM):
                continue
            place = f"teeth/FDI_{piece['fdi']}.ply" if piece["part"] == _TOOTH else f"{name}.ply"
            mesh = (self.description.mesh(name, key) for key in ("vertices", "faces"))
            photo_files.write_ply(self.folder / "meshes" / place, *mesh)

    def records(self) -> None:
        """Write cameras and the patient's record."""
        record = self.description.record
        cameras = {
            "unit": "mm",
            "frame": "right-handed, +X patient left, +Y posterior, +Z cranial, both jaws in occlusion",
            "convention": "OpenCV: x right, y down, z forward; pixel centres at integers",
            "depth_unit_mm": DEPTH_UNIT,
            "views": {str(view["view"]): view["camera"] for view in record["views"]},
        }
        photo_files.write_json(self.folder / "cameras.json", cameras)
        patient = {key: record[key] for key in ("seed", "teeth", "looks")}
        patient |= {"uid": self.description.uid, "samples": self.quality.samples}
        patient["renderer"] = f"Blender {bpy.app.version_string}"
        photo_files.write_json(self.folder / "patient.json", patient)


def render_case(description: Description, output: Path, quality: Quality) -> Path:
    """Render a patient into ``output/uid``; that folder appears only when it is complete."""
    final = output / description.uid
    draft = output / f".{description.uid}.{os.getpid()}.part"
    draft.mkdir(parents=True)
    try:
        case = CaseRenderer(description, draft, quality)
        case.meshes()
        case.records()
        for view in description.record["views"]:
            case.photo(view)
        if final.exists():
            shutil.rmtree(final)
        draft.replace(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    log.info("wrote %s", final)
    return final
