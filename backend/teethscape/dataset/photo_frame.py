"""Lips, cheeks, retractors and gloves of each photo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from teethscape.dataset.mouth.gum_paint import lining_colour
from teethscape.dataset.mouth.lining import LipStyle, bite_loop, fold_curve, lining, occlusal_loop
from teethscape.dataset.mouth.opening import Opening, Ring, ring_of
from teethscape.dataset.mouth.tissue import JawTissue
from teethscape.dataset.mouth.tools import Band, Finger, band, finger
from teethscape.dataset.patient_crowns import Crown
from teethscape.dataset.photo_looks import Looks
from teethscape.dataset.photo_scene import Part, Piece
from teethscape.dental.fdi import Jaw
from teethscape.dental.views import View
from teethscape.parametric.camera import Camera

Rng = np.random.Generator
_RIGHT, _BELOW, _LEFT, _ABOVE = 0.0, 0.5 * np.pi, np.pi, 1.5 * np.pi


@dataclass(frozen=True)
class Mouth:
    """What stands in every photo of a patient.

    Attributes:
        crowns: teeth by FDI number, world mm.
        tissue: soft tissue of each jaw.
        looks: what was drawn.
    """

    crowns: Mapping[int, Crown]
    tissue: Mapping[Jaw, JawTissue]
    looks: Looks


def nearest_depth(view: View, crowns: Mapping[int, Crown], camera: Camera) -> float:
    """Depth of the view's nearest tooth, mm."""
    own = np.vstack([c.vertices for c in crowns.values() if c.jaw in view.jaws])
    return float(camera.to_camera(own)[:, 2].min())


def random_opening(view: View, kind: str, rng: Rng) -> Opening:
    """The opening of a view; with retractors it is wider and boxier."""
    wide = 0.04 if kind in ("plastic", "metal") else 0.0
    reach = np.array([rng.uniform(0.46, 0.54), rng.uniform(0.38, 0.47)]) + wide
    middle, ahead, sag = rng.normal(0.0, 0.015, 2), rng.uniform(1.0, 6.0), rng.uniform(6.0, 14.0)
    if view in (View.LEFT_BUCCAL, View.RIGHT_BUCCAL):
        cheek = 1.0 if view is View.LEFT_BUCCAL else -1.0
        reach[0] = rng.uniform(0.50, 0.62)
        middle[0] = cheek * (rng.uniform(0.44, 0.51) - reach[0])
    if view.is_occlusal:
        reach = np.array([rng.uniform(0.50, 0.58), rng.uniform(0.52, 0.62)])
        middle[1] += 0.09 if view is View.MAXILLARY_OCCLUSAL else -0.09
        ahead, sag = rng.uniform(-2.0, 3.0), rng.uniform(-4.0, 4.0)
    return Opening(
        reach=(float(reach[0]), float(reach[1])),
        middle=(float(middle[0]), float(middle[1])),
        power=float(rng.uniform(2.4, 3.6) if wide else rng.uniform(2.0, 2.8)),
        ahead=float(ahead),
        sag=float(sag),
        uneven=float(rng.uniform(0.01, 0.03)),
        seed=int(rng.integers(2**31)),
    )


def _inner_loop(view: View, mouth: Mouth, camera: Camera, ring: Ring) -> np.ndarray:
    """(n, 3) inner end of the lining, camera mm."""
    folds = {
        jaw: fold_curve(tissue.line, mouth.looks.tissue[jaw].vault.fold) for jaw, tissue in mouth.tissue.items()
    }
    if not view.is_occlusal:
        return bite_loop(camera, folds[Jaw.UPPER], folds[Jaw.LOWER], ring.angle)
    jaw = view.jaws[0]
    line = mouth.tissue[jaw].line
    throat = np.array([0.0, max(line.last) + 17.0, line.level + line.apical * 6.0])
    return occlusal_loop(camera, folds[jaw], throat, ring)


def lips_and_cheeks(view: View, mouth: Mouth, camera: Camera, ring: Ring, rng: Rng) -> Piece:
    """The lining of a view."""
    style = LipStyle(
        roll=float(rng.uniform(2.4, 4.2)),
        pouch=float(rng.uniform(3.0, 8.0)),
        rough=float(rng.uniform(0.5, 1.2)),
        seed=int(rng.integers(2**31)),
    )
    made = lining(camera, ring, _inner_loop(view, mouth, camera, ring), style)
    colour = lining_colour(made.way, made.vertices, mouth.looks.gums, rng)
    values = {"colour": colour, "dry": np.clip(made.way - 1.7, 0.0, 1.0)}
    name = f"lining_{int(view)}"
    return Piece(name, "lining", Part.LIPS_AND_CHEEKS, made.vertices, made.faces, [view], smooth=1, values=values)


def _band_places(view: View, rng: Rng) -> list[tuple[float, float]]:
    """Middle and half angle of the retractor's arms of a view, rad."""
    if view is View.ANTERIOR:
        half = float(rng.uniform(0.55, 1.05))
        return [(_RIGHT, half), (_LEFT, half)]
    if not view.is_occlusal:
        cheek = _RIGHT if view is View.LEFT_BUCCAL else _LEFT
        own = (cheek + rng.normal(0.0, 0.1), float(rng.uniform(0.8, 1.35)))
        return [own] if rng.random() < 0.6 else [own, (_LEFT - cheek, float(rng.uniform(0.4, 0.7)))]
    lip = _ABOVE if view is View.MAXILLARY_OCCLUSAL else _BELOW
    spread, half = float(rng.uniform(0.75, 1.15)), float(rng.uniform(0.3, 0.6))
    return [(lip - spread, half), (lip + spread, half)]


def _bands(view: View, camera: Camera, ring: Ring, rng: Rng) -> list[tuple[np.ndarray, np.ndarray]]:
    width, tilt = float(rng.uniform(6.0, 12.0)), float(rng.uniform(0.1, 1.0))
    thick, ahead = float(rng.uniform(1.4, 2.6)), float(rng.uniform(0.0, 3.0))
    flare = float(rng.uniform(2.0, 12.0))
    return [
        band(camera, ring, Band(angle, half, width, thick, tilt, ahead, flare))
        for angle, half in _band_places(view, rng)
    ]


def _finger_places(view: View, rng: Rng) -> list[float]:
    """Where fingers lie on the ring, rad."""
    if view.is_occlusal:
        lip = _ABOVE if view is View.MAXILLARY_OCCLUSAL else _BELOW
        return [lip + s * float(rng.uniform(0.4, 1.1)) for s in (-1.0, 1.0)]
    if view is View.ANTERIOR:
        places = [_ABOVE - 0.8, _ABOVE + 0.8, _BELOW - 0.8, _BELOW + 0.8]
        return [p + float(rng.normal(0.0, 0.25)) for p in places]
    cheek = _RIGHT if view is View.LEFT_BUCCAL else _LEFT
    side = 1.0 if view is View.LEFT_BUCCAL else -1.0
    return [_ABOVE + 0.5 * side, _BELOW - 0.3 * side, cheek - 0.4, cheek + 0.5]


def _fingers(view: View, camera: Camera, ring: Ring, rng: Rng) -> list[tuple[np.ndarray, np.ndarray]]:
    radius, wrinkles = float(rng.uniform(7.5, 11.0)), float(rng.uniform(0.4, 1.2))
    return [
        finger(
            camera,
            ring,
            Finger(
                angle,
                lean=float(rng.normal(0.0, 0.7)),
                radius=radius,
                ahead=float(rng.uniform(2.0, 7.0)),
                into=float(rng.uniform(-1.0, 3.5)),
                wrinkles=wrinkles,
                seed=int(rng.integers(2**31)),
            ),
        )
        for angle in _finger_places(view, rng)
    ]


def frame_pieces(view: View, mouth: Mouth, camera: Camera, rng: Rng) -> list[Piece]:
    """Everything round the opening of a view."""
    kind = mouth.looks.tools.kind
    ring = ring_of(camera, random_opening(view, kind, rng), nearest_depth(view, mouth.crowns, camera))
    pieces = [lips_and_cheeks(view, mouth, camera, ring, rng)]
    if kind == "glove":
        made, material, part = _fingers(view, camera, ring, rng), "glove", Part.GLOVE
    elif kind in ("plastic", "metal"):
        made, material, part = _bands(view, camera, ring, rng), kind, Part.RETRACTOR
    else:
        return pieces
    for k, (vertices, faces) in enumerate(made):
        pieces.append(Piece(f"{material}_{int(view)}_{k}", material, part, vertices, faces, [view], smooth=1))
    return pieces
