"""Synthetic patients for rendered photographs: drawn from a seed, written as a description file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from teethscape.dataset.mouth.brackets import braces, wire
from teethscape.dataset.mouth.enamel_paint import Filling, enamel_colour, filling_field
from teethscape.dataset.mouth.gum_paint import gum_colour, looseness, waves
from teethscape.dataset.mouth.interdigitation import interdigitated
from teethscape.dataset.mouth.tissue import JawTissue, jaw_tissue
from teethscape.dataset.mouth.tongue import tongue
from teethscape.dataset.patient_arch import random_arches
from teethscape.dataset.patient_bite import settled
from teethscape.dataset.patient_cameras import clinic_cameras, exif_focal
from teethscape.dataset.patient_crowns import Crown
from teethscape.dataset.patient_files import camera_record
from teethscape.dataset.photo_frame import Mouth, frame_pieces
from teethscape.dataset.photo_looks import Looks, random_looks
from teethscape.dataset.photo_scene import Part, Piece, write_description
from teethscape.dental.fdi import Jaw
from teethscape.dental.views import BITE_VIEWS, View
from teethscape.parametric.camera import Camera
from teethscape.parametric.prior import ToothPrior, load_prior

Rng = np.random.Generator
#: Pictures wider than this, px, get crowns that are subdivided once.
_FINE_FROM = 800
_OCCLUSAL = {Jaw.UPPER: View.MAXILLARY_OCCLUSAL, Jaw.LOWER: View.MANDIBULAR_OCCLUSAL}


@dataclass(frozen=True)
class PatientOptions:
    """What a caller may choose.

    Attributes:
        width: picture width, px.
        height: picture height, px.
        looks: what to make; drawn from the seed by default.
    """

    width: int = 640
    height: int = 480
    looks: Looks | None = None


@dataclass(frozen=True)
class PhotoPatient:
    """A patient ready to be photographed.

    Attributes:
        seed: the seed that gives this patient again.
        mouth: teeth, soft tissue, looks.
        cameras: camera of each view.
        pieces: every mesh.
        record: what the description's JSON says beside the pieces.
    """

    seed: int
    mouth: Mouth
    cameras: Mapping[View, Camera]
    pieces: tuple[Piece, ...]
    record: Mapping[str, Any]


def _views_of(jaw: Jaw) -> list[View]:
    return [*BITE_VIEWS, _OCCLUSAL[jaw]]


def _teeth(mouth: Mouth, rng: Rng) -> list[Piece]:
    """One piece per tooth, painted."""
    out, smooth = [], int(mouth.looks.clinic.width > _FINE_FROM)
    for fdi, crown in sorted(mouth.crowns.items()):
        kind = mouth.looks.fillings.get(fdi, Filling.NONE)
        values = {"colour": enamel_colour(crown, mouth.looks.shade, rng)}
        if kind is not Filling.NONE:
            values["filling"] = filling_field(crown, kind, rng)
        name = "enamel" if kind is Filling.NONE else f"enamel_{kind.value}"
        views = _views_of(crown.jaw)
        out.append(
            Piece(f"tooth_{fdi}", name, Part.TOOTH, crown.vertices, crown.faces, views, fdi, smooth, values)
        )
    return out


def _braces(mouth: Mouth) -> list[Piece]:
    """Brackets, rings and wires of the jaws that wear them."""
    out = []
    for jaw in mouth.looks.braces:
        found, views = braces(list(mouth.crowns.values()), jaw), _views_of(jaw)
        for brace in found:
            for kind, mesh in (("bracket", brace.metal), ("elastic", brace.elastic)):
                out.append(Piece(f"{kind}_{brace.fdi}", kind, Part.BRACKET, *mesh, views, brace.fdi))
        if len(found) > 1:
            out.append(Piece(f"wire_{jaw}", "bracket", Part.WIRE, *wire(found), views))
    return out


def _soft(mouth: Mouth, rng: Rng) -> list[Piece]:
    """Gums of both jaws and the tongue."""
    out = []
    for jaw, tissue in mouth.tissue.items():
        colour = gum_colour(tissue, list(mouth.crowns.values()), mouth.looks.gums, rng)
        part = Part.UPPER_GUM if jaw is Jaw.UPPER else Part.LOWER_GUM
        values = {"colour": colour, "loose": looseness(tissue, mouth.looks.gums)}
        out.append(
            Piece(f"gum_{jaw}", "gum", part, tissue.vertices, tissue.faces, _views_of(jaw), values=values)
        )
    vertices, faces = tongue(mouth.tissue[Jaw.LOWER].line, mouth.looks.tongue, rng)
    base = np.array(mouth.looks.gums.lip) * np.array([1.15, 1.0, 1.05])
    colour = base * (1.0 + 0.08 * waves(vertices, 5.0, rng)[:, None])
    views = _views_of(Jaw.LOWER)  # between closed teeth too: else one looks into the open
    return [*out, Piece("tongue", "tongue", Part.TONGUE, vertices, faces, views, values={"colour": colour})]


def _materials(looks: Looks) -> dict[str, Any]:
    """Parameters of the materials that the renderer makes."""
    enamel = {"kind": "enamel", "wet": looks.wet, "yellow": looks.shade.yellow}
    out = {"enamel": enamel}
    for kind in set(looks.fillings.values()):
        out[f"enamel_{kind.value}"] = {**enamel, "filling": kind.value}
    out |= {name: {"kind": name, "wet": looks.wet} for name in ("gum", "tongue", "lining", "bracket")}
    out["rim"] = {"kind": "metal", "colour": (0.35, 0.35, 0.36)}
    out["elastic"] = {"kind": "elastic", "colour": looks.elastic}
    tool = {"colour": looks.tools.colour, "clear": looks.tools.clear}
    out |= {name: {"kind": name, **tool} for name in ("plastic", "metal", "glove")}
    return out


def _focus(view: View, mouth: Mouth, camera: Camera, rng: Rng) -> float:
    """Distance of the plane in focus, mm: somewhere between the nearest teeth and the middle ones."""
    own = np.vstack([c.vertices for c in mouth.crowns.values() if c.jaw in view.jaws])
    return float(np.percentile(camera.to_camera(own)[:, 2], rng.uniform(10.0, 55.0)))


def _view_record(view: View, mouth: Mouth, camera: Camera, rng: Rng) -> dict[str, Any]:
    """What the JSON says of a photo."""
    focal = exif_focal(camera, rng)
    return {
        "view": int(view),
        "slug": view.slug,
        "mirrored": view.is_occlusal and mouth.looks.tools.flipped,
        "camera": camera_record(camera),
        "focus_mm": _focus(view, mouth, camera, rng),
        "fstop": mouth.looks.fstop,
        "focal_35mm": focal if mouth.looks.clinic.exif else None,
        "distance_mm": float(
            np.median(camera.to_camera(np.vstack([c.centre for c in mouth.crowns.values()]))[:, 2])
        ),
        "exposure_error": float(np.exp(rng.normal(0.0, 0.06))),
        "seed": int(rng.integers(2**31)),
    }


def _tooth_record(crown: Crown) -> dict[str, Any]:
    """What the JSON says of a tooth."""
    return {
        "fdi": crown.fdi,
        "centre": np.round(crown.centre, 3).tolist(),
        "axes": np.round(crown.axes, 4).tolist(),
        "width_mm": round(crown.width(), 3),
    }


def _looks_record(looks: Looks) -> dict[str, Any]:
    """The looks as plain JSON values."""
    record = asdict(looks)
    for key in ("missing", "closed"):
        record["dentition"][key] = sorted(record["dentition"][key])
    record["tissue"] = {str(jaw): style for jaw, style in record["tissue"].items()}
    record["fillings"] = {str(fdi): kind.value for fdi, kind in looks.fillings.items()}
    record["braces"] = [str(jaw) for jaw in looks.braces]
    return record


def make_mouth(prior: ToothPrior, looks: Looks, rngs: list[Rng]) -> Mouth:
    """Teeth in bite and the soft tissue round them."""
    crowns, bite = random_arches(prior, looks.dentition, rngs[0])
    crowns = settled(crowns, 0.35 * bite, 0.0)
    crowns = interdigitated(crowns)
    if looks.opening:
        drop = np.array([0.0, 0.0, -looks.opening])
        crowns = {fdi: c.moved(drop) if c.jaw is Jaw.LOWER else c for fdi, c in crowns.items()}
    own = list(crowns.values())
    tissue: dict[Jaw, JawTissue] = {jaw: jaw_tissue(own, jaw, looks.tissue[jaw], rngs[1]) for jaw in Jaw}
    return Mouth(crowns, tissue, looks)


def make_photo_patient(seed: int, options: PatientOptions | None = None) -> PhotoPatient:
    """The patient of a seed; the same seed, options and prior give the same patient."""
    options = options or PatientOptions()
    # One stream per part: a change of one part leaves the others as they were.
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence([seed, 5]).spawn(6)]
    looks = options.looks or random_looks(streams[0])
    looks = replace(looks, clinic=replace(looks.clinic, width=options.width, height=options.height))
    mouth = make_mouth(load_prior(), looks, streams[1:3])
    cameras = clinic_cameras(mouth.crowns, looks.clinic, streams[3])
    pieces = [*_teeth(mouth, streams[4]), *_braces(mouth), *_soft(mouth, streams[4])]
    views = []
    for view, camera in cameras.items():
        pieces += frame_pieces(view, mouth, camera, streams[5])
        views.append(_view_record(view, mouth, camera, streams[5]))
    record = {
        "seed": seed,
        "teeth": [_tooth_record(crown) for _, crown in sorted(mouth.crowns.items())],
        "width": options.width,
        "height": options.height,
        "looks": _looks_record(looks),
        "materials": _materials(looks),
        "views": views,
    }
    return PhotoPatient(seed, mouth, cameras, tuple(pieces), record)


def write_patient(seed: int, path: Path, options: PatientOptions | None = None) -> PhotoPatient:
    """Draw the patient of a seed and write its description, atomically.

    Args:
        seed: any non-negative number.
        path: the ``npz`` to write; its stem is the patient's name.
        options: picture size, and looks where they are not to be drawn.
    """
    patient = make_photo_patient(seed, options)
    write_description(path, patient.pieces, patient.record)
    return patient
