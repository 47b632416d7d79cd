"""Lips, cheeks, retractors and gloves of each photo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from teethscape.dataset.mouth.gum_paint import lining_colour
from teethscape.dataset.mouth.lining import Lining, LipStyle, bite_loop, fold_curve, lining, occlusal_loop
from teethscape.dataset.mouth.mirror import Plane, fitting_plane, grown, on_plane, rim
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
    reach = np.array([rng.uniform(0.44, 0.54), rng.uniform(0.33, 0.46)]) + wide
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
        jaw: fold_curve(tissue.line, mouth.looks.tissue[jaw].vault.fold)
        for jaw, tissue in mouth.tissue.items()
    }
    if not view.is_occlusal:
        return bite_loop(camera, folds[Jaw.UPPER], folds[Jaw.LOWER], ring.angle)
    jaw = view.jaws[0]
    line = mouth.tissue[jaw].line
    vault = mouth.looks.tissue[jaw].vault.vault
    throat = np.array([0.0, max(line.last) + 14.0, line.level + line.apical * (vault + 5.0)])
    return occlusal_loop(camera, folds[jaw], throat, ring)


def random_lips(rng: Rng) -> LipStyle:
    """Thin or full lips, smooth or creased."""
    return LipStyle(
        roll=float(rng.uniform(2.4, 4.2)),
        pouch=float(rng.uniform(3.0, 8.0)),
        rough=float(rng.uniform(0.5, 1.2)),
        seed=int(rng.integers(2**31)),
    )


def _lining_piece(name: str, view: View, made: Lining, mouth: Mouth, rng: Rng) -> Piece:
    """A lining, painted."""
    colour = lining_colour(made, mouth.looks.gums, rng)
    values = {"colour": colour, "dry": np.clip(made.way - 1.7, 0.0, 1.0)}
    part = Part.LIPS_AND_CHEEKS
    return Piece(
        f"{name}_{int(view)}", "lining", part, made.vertices, made.faces, [view], smooth=1, values=values
    )


def lips_and_cheeks(view: View, mouth: Mouth, camera: Camera, ring: Ring, rng: Rng) -> Piece:
    """The lining of a view, from the vestibular fold to a ring."""
    made = lining(camera, ring, _inner_loop(view, mouth, camera, ring), random_lips(rng))
    return _lining_piece("lining", view, made, mouth, rng)


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
    width, tilt = float(rng.uniform(5.0, 9.5)), float(rng.uniform(0.1, 1.0))
    thick, ahead = float(rng.uniform(2.0, 4.5)), float(rng.uniform(0.0, 3.0))
    flare = float(rng.uniform(2.0, 12.0))
    return [
        band(camera, ring, Band(angle, half, width, thick, tilt, ahead, flare))
        for angle, half in _band_places(view, rng)
    ]


def _finger_places(view: View, rng: Rng) -> list[float]:
    """Where the tips of fingers lie on the ring, rad."""
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
    radius, wrinkles = float(rng.uniform(8.0, 12.0)), float(rng.uniform(0.5, 1.3))
    common = Finger(0.0, radius=radius, wrinkles=wrinkles)
    fingers = []
    if not view.is_occlusal:
        fingers += [_across(lip, common, rng) for lip in (_ABOVE, _BELOW) if rng.random() < 0.6]
    if len(fingers) < 2:
        fingers += [_pointing(angle, common, rng) for angle in _finger_places(view, rng)]
    return [finger(camera, ring, style) for style in fingers]


def _pointing(angle: float, common: Finger, rng: Rng) -> Finger:
    """A finger whose tip holds the lip."""
    return replace(
        common,
        angle=angle,
        lean=float(np.clip(rng.normal(0.0, 0.35), -0.6, 0.6)),
        ahead=float(rng.uniform(2.0, 7.0)),
        into=float(rng.uniform(-1.5, 3.5)),
        seed=int(rng.integers(2**31)),
    )


def _across(lip: float, common: Finger, rng: Rng) -> Finger:
    """A finger that lies along a lip and pulls it away, from one border of the picture to the other."""
    side = float(rng.choice([-1.0, 1.0]))
    return replace(
        common,
        angle=lip,
        radius=1.3 * common.radius,
        lean=side * (0.5 * np.pi - float(rng.uniform(0.0, 0.25))),
        length=110.0,
        slide=float(rng.uniform(28.0, 60.0)),
        ahead=float(rng.uniform(4.0, 9.0)),
        into=float(rng.uniform(1.0, 4.0)) - 1.3 * common.radius,
        seed=int(rng.integers(2**31)),
    )


def _tools(view: View, mouth: Mouth, camera: Camera, ring: Ring, rng: Rng) -> list[Piece]:
    """Retractors or fingers on a ring."""
    kind = mouth.looks.tools.kind
    if kind == "glove":
        made, part = _fingers(view, camera, ring, rng), Part.GLOVE
    elif kind in ("plastic", "metal"):
        made, part = _bands(view, camera, ring, rng), Part.RETRACTOR
    else:
        return []
    return [
        Piece(f"{kind}_{int(view)}_{k}", kind, part, vertices, faces, [view], smooth=1)
        for k, (vertices, faces) in enumerate(made)
    ]


def _seen_again(view: View, mouth: Mouth, plane: Plane) -> list[Piece]:
    """The front of the jaw as the camera sees it directly, before the mirror."""
    jaw, out = view.jaws[0], []
    front = [c for c in mouth.crowns.values() if c.jaw is jaw and c.fdi % 10 <= 4]
    for crown in front:
        name, mesh = f"again_{crown.fdi}", (plane.reflected(crown.vertices), crown.faces[:, ::-1])
        colour = np.tile(np.array([0.62, 0.55, 0.40]), (len(crown.vertices), 1))
        out.append(Piece(name, "enamel", Part.BESIDE_MIRROR, *mesh, [view], values={"colour": colour}))
    tissue = mouth.tissue[jaw]
    near = (tissue.vertices[:, 1] < tissue.line.front + 16.0) & (tissue.distance > -4.0)
    faces = tissue.faces[near[tissue.faces].all(axis=1)]
    used, index = np.unique(faces, return_inverse=True)
    colour = np.tile(np.array(mouth.looks.gums.firm), (len(used), 1))
    mesh = plane.reflected(tissue.vertices[used]), index.reshape(faces.shape)[:, ::-1]
    return [*out, Piece(f"again_{jaw}", "gum", Part.BESIDE_MIRROR, *mesh, [view], values={"colour": colour})]


def _mirror_opening(view: View, rng: Rng) -> Opening:
    """The mirror's outline in the picture."""
    lean = 1.0 if view is View.MAXILLARY_OCCLUSAL else -1.0
    return Opening(
        reach=(float(rng.uniform(0.47, 0.58)), float(rng.uniform(0.46, 0.60))),
        middle=(float(rng.normal(0.0, 0.01)), float(0.03 * lean + rng.normal(0.0, 0.02))),
        power=float(rng.uniform(2.6, 5.0)),
        uneven=0.004,
        seed=int(rng.integers(2**31)),
    )


def mirror_pieces(view: View, mouth: Mouth, camera: Camera, rng: Rng) -> list[Piece]:
    """Everything round the window of an occlusal photo through a mirror."""
    own = [c for c in mouth.crowns.values() if c.jaw is view.jaws[0]]
    teeth = np.vstack([c.vertices for c in own])
    front = np.vstack([c.vertices for c in own if c.fdi % 10 <= 3])
    plane = fitting_plane(camera, teeth, front, float(rng.uniform(-0.02, 0.2)))
    nearest = nearest_depth(view, mouth.crowns, camera)
    window = on_plane(camera, ring_of(camera, _mirror_opening(view, rng), nearest), plane)
    inside = lips_and_cheeks(view, mouth, camera, grown(window, 1.12, 4.0), rng)
    wide, thick = float(rng.uniform(0.8, 3.0)), float(rng.uniform(0.8, 2.0))
    edge = Piece(f"rim_{int(view)}", "rim", Part.MIRROR_RIM, *rim(camera, window, wide, thick), [view])
    outer = ring_of(camera, random_opening(view, mouth.looks.tools.kind, rng), nearest)
    outer = grown(outer, float(rng.uniform(1.0, 1.15)), -float(rng.uniform(8.0, 20.0)))
    around = lining(camera, outer, window.points - np.array([0.0, 0.0, 0.3]), random_lips(rng))
    outside = _lining_piece("outside", view, around, mouth, rng)
    again = _seen_again(view, mouth, plane)
    return [inside, edge, outside, *again, *_tools(view, mouth, camera, outer, rng)]


def frame_pieces(view: View, mouth: Mouth, camera: Camera, rng: Rng) -> list[Piece]:
    """Everything round the opening of a view."""
    if view.is_occlusal and mouth.looks.tools.mirror:
        return mirror_pieces(view, mouth, camera, rng)
    kind = mouth.looks.tools.kind
    ring = ring_of(camera, random_opening(view, kind, rng), nearest_depth(view, mouth.crowns, camera))
    return [lips_and_cheeks(view, mouth, camera, ring, rng), *_tools(view, mouth, camera, ring, rng)]
