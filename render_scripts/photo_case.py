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
from rendering.devices import can_denoise, use_device
from rendering.entry import check_cancelled
from rendering.options import Device

log = logging.getLogger("teethscape.photo_render")
#: Unit of the 16-bit depth labels, mm.
DEPTH_UNIT = 0.01
#: A Blender without a denoiser takes this many times the samples: grainy still, but a photo.
_WITHOUT_DENOISER = 12
_TOOTH, _UPPER_GUM, _LOWER_GUM, _BRACKET = 1, 2, 3, 9


@dataclass(frozen=True)
class Quality:
    """How the photos are rendered.

    Attributes:
        samples: Cycles samples per pixel.
        denoise: whether to denoise, where this Blender can.
        threads: of the render, 0 for one per core.
        device: what Cycles computes on.
    """

    samples: int
    denoise: bool
    threads: int = 0
    device: Device = Device.CPU


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


def seen(camera: dict[str, Any], packed: np.ndarray) -> Seen:
    """What the label pass of a photo says."""
    piece, depth, normal = photo_passes.unpacked(packed)
    turn = np.array(camera["cam2world"])[:3, :3] @ np.diag([1.0, -1.0, -1.0])
    return Seen(piece, depth, normal @ turn.astype(np.float32))


def label_images(shown: Seen, pieces: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Label pictures by the folder that holds them."""
    part = np.array([0, *(piece["part"] for piece in pieces)], np.uint8)[shown.piece]
    fdi = np.array([0, *(piece["fdi"] for piece in pieces)], np.uint8)[shown.piece]
    fdi[(part != _TOOTH) & (part != _BRACKET)] = 0
    jaw = np.where(fdi == 0, 0, np.where(fdi < 30, 1, 2)).astype(np.uint8)
    gum = np.where(part == _UPPER_GUM, 1, np.where(part == _LOWER_GUM, 2, 0)).astype(np.uint8)
    alpha = np.where(shown.piece > 0, 255, 0).astype(np.uint8)
    shade = np.clip(np.round((shown.normal * 0.5 + 0.5) * 255.0), 0, 255).astype(np.uint8)
    shade[alpha == 0] = 0
    depth = np.clip(np.round(shown.depth / DEPTH_UNIT), 0, 65535).astype(np.uint16)
    depth[alpha == 0] = 0
    return {
        "fdi": fdi,
        "jaws": jaw,
        "gums": gum,
        "parts": part,
        "normals": np.dstack([shade, alpha]),
        "depth": depth,
    }


def flipped(name: str, image: np.ndarray) -> np.ndarray:
    """A label picture as a mirror shows it, normals in the axes of the mirrored picture."""
    out = image[:, ::-1].copy()
    if name == "normals":
        out[..., 0] = np.where(out[..., 3] > 0, 255 - out[..., 0], 0)
    return out


class CaseRenderer:
    """The scene of one patient, built once.

    All labels are rendered first, then all pictures: Cycles keeps its scene only while nothing but
    visibility and the camera change.

    Args:
        description: the patient.
        folder: where the case is written.
        quality: how the photos are rendered.
    """

    def __init__(self, description: Description, folder: Path, quality: Quality) -> None:
        self.description, self.folder, self.quality = description, folder, quality
        bpy.ops.wm.read_factory_settings(use_empty=True)
        photo_passes.configure(quality.samples, description.record["seed"] % 2**31, quality.threads)
        use_device(bpy.context.scene, quality.device)
        photo_scene.set_world(description.record["looks"]["light"]["room"])
        self.stage = photo_scene.Stage(description)
        self.scratch = folder / "scratch.exr"

    def labels(self) -> dict[int, dict[str, np.ndarray]]:
        """Label pictures of all photos by number."""
        record = self.description.record
        self.stage.prepare(labels=True)
        with photo_passes.label_mode():
            packed = self._shots()
        return {
            view["view"]: label_images(seen(view["camera"], packed[view["view"]]), record["pieces"])
            for view in record["views"]
        }

    def pictures(self) -> dict[int, np.ndarray]:
        """Light (h, w, 3) of all photos by number."""
        self.stage.prepare(labels=False)
        cycles, able = bpy.context.scene.cycles, can_denoise()
        cycles.use_denoising = self.quality.denoise and able
        if self.quality.denoise and not able:
            cycles.samples = _WITHOUT_DENOISER * self.quality.samples
            log.warning("This Blender has no denoiser: %d samples per pixel instead.", cycles.samples)
        return self._shots()

    def _shots(self) -> dict[int, np.ndarray]:
        out = {}
        for view in self.description.record["views"]:
            check_cancelled()
            self.stage.show(view["view"])
            out[view["view"]] = photo_passes.render_array(self.scratch)
        return out

    def photos(self) -> None:
        """Render and write the photos with their labels."""
        record = self.description.record
        labels, pictures = self.labels(), self.pictures()
        look = record["looks"]["develop"]
        for view in record["views"]:
            number = view["view"]
            pixels = developed(pictures[number], labels[number]["fdi"] > 0, look, view)
            if view["mirrored"]:
                pixels = pixels[:, ::-1]
                labels[number] = {name: flipped(name, image) for name, image in labels[number].items()}
            for name, image in labels[number].items():
                photo_files.write_png(self._file(f"labels/{name}", number, "png"), image)
            path = self._file("photos", number, "jpg")
            photo_files.write_jpeg(path, pixels, look["quality"], view["focal_35mm"])

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
        cameras = {view["slug"]: {**view["camera"], "mirrored": view["mirrored"]} for view in record["views"]}
        common = {
            "unit": "mm",
            "frame": "right-handed, +X patient left, +Y posterior, +Z cranial, both jaws in occlusion",
            "camera_axes": "x right, y down, z forward; pixel centres at integers",
            "mirrored": "true where photo and labels show what the camera sees with left and right swapped",
            "depth_unit_mm": DEPTH_UNIT,
            "cameras": cameras,
        }
        photo_files.write_json(self.folder / "cameras.json", common)
        patient = {key: record[key] for key in ("seed", "teeth", "looks")}
        patient |= {"uid": self.description.uid, "samples": self.quality.samples}
        patient["renderer"] = f"Blender {bpy.app.version_string}"
        photo_files.write_json(self.folder / "patient.json", {**common, **patient})


def render_case(description: Description, output: Path, quality: Quality) -> Path:
    """Render a patient into ``output/uid``; that folder appears only when it is complete.

    Raises:
        MissingComponentError: the device is not there.
        CancelledError: Ctrl C was pressed.
    """
    final = output / description.uid
    draft = output / f".{description.uid}.{os.getpid()}.part"
    draft.mkdir(parents=True)
    try:
        case = CaseRenderer(description, draft, quality)
        case.meshes()
        case.records()
        case.photos()
        if final.exists():
            shutil.rmtree(final)
        draft.replace(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    log.info("wrote %s", final)
    return final
