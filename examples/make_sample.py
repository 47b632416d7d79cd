"""Make the bundled sample: five photographs of one synthetic patient.

    python examples/make_sample.py --blender-python .venv-bpy/bin/python

needs the engine's packages in the running Python, and another Python that has
Blender as a module (``bpy``) or a Blender executable (``--blender``).  The teeth
come from our tooth prior; gums, palate, tongue, cheeks and lips are made by the
modules beside this one; Cycles takes the pictures.  Nothing is photographed.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from sample_frame import FrameStyle, cheeks, lips, retractor
from sample_surface import Array, Quads
from sample_tissue import TissueStyle, jaw_tissue, tongue
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from teethscape.dataset.gums import neck_ring
from teethscape.dataset.patient_arch import Dentition, random_arches
from teethscape.dataset.patient_bite import settled
from teethscape.dataset.patient_cameras import Clinic, clinic_cameras
from teethscape.dataset.patient_crowns import Crown
from teethscape.dataset.patient_files import camera_record
from teethscape.dataset.patient_shape import ShapeNoise
from teethscape.dental.fdi import Jaw
from teethscape.dental.views import View
from teethscape.parametric.camera import Camera
from teethscape.parametric.prior import load_prior

LOG = logging.getLogger("make_sample")
HERE = Path(__file__).resolve().parent
SEED = 11
DENTITION = Dentition(spread=0.6, shape=ShapeNoise(rms=0.12, wear=0.12))
CLINIC = Clinic(
    width=1000,
    height=750,
    focal=1.9,
    focal_spread=0.02,
    yaw=np.radians(40.0),
    pitch=np.radians(66.0),
    roll=np.radians(1.5),
    fill=0.8,
    off_centre=0.015,
    exif=True,
)
#: Place of the opening in each view; the buccal ones reach to the cheek.
FRAMES = {
    View.ANTERIOR: FrameStyle(reach=(0.47, 0.44), seed=1),
    View.LEFT_BUCCAL: FrameStyle(reach=(0.52, 0.43), middle=(-0.04, 0.0), seed=2),
    View.RIGHT_BUCCAL: FrameStyle(reach=(0.52, 0.43), middle=(0.04, 0.0), seed=3),
    View.MAXILLARY_OCCLUSAL: FrameStyle(
        reach=(0.50, 0.53), middle=(0.0, 0.08), ahead=2.0, retractor=0.6, closing=0.06, seed=4
    ),
    View.MANDIBULAR_OCCLUSAL: FrameStyle(
        reach=(0.50, 0.53), middle=(0.0, -0.08), ahead=2.0, retractor=0.6, closing=0.06, seed=5
    ),
}
#: Distance of the cheeks from the teeth (right, left), mm; in bite they are the frame's.
CHEEKS = {
    View.ANTERIOR: (60.0, 60.0),
    View.LEFT_BUCCAL: (60.0, 60.0),
    View.RIGHT_BUCCAL: (60.0, 60.0),
    View.MAXILLARY_OCCLUSAL: (13.0, 13.0),
    View.MANDIBULAR_OCCLUSAL: (13.0, 13.0),
}


@dataclass(frozen=True)
class Piece:
    """A mesh to render.

    Attributes:
        name: object name; its first word names the material.
        vertices: (n, 3) world mm.
        faces: (m, 3) or (m, 4).
        colour: (n, 3) linear RGB, or None for the material's own.
    """

    name: str
    vertices: Array
    faces: Quads
    colour: Array | None = None


def sample_patient() -> tuple[dict[int, Crown], dict[View, Camera]]:
    """Teeth and cameras of the sample."""
    rng = np.random.default_rng(SEED)
    crowns, bite = random_arches(load_prior(), DENTITION, rng)
    crowns = settled(crowns, 0.5 * bite, 0.0)
    return crowns, clinic_cameras(crowns, CLINIC, rng)


def _concavity(vertices: Array, faces: Quads) -> Array:
    """(V,) mm by which the neighbours' mean lies outside a vertex: positive in fissures."""
    total, count = np.zeros_like(vertices), np.zeros(len(vertices))
    normal = np.zeros_like(vertices)
    corners = vertices[faces]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    for k in range(3):
        np.add.at(normal, faces[:, k], flat)
        for step in (1, 2):
            np.add.at(total, faces[:, k], vertices[faces[:, (k + step) % 3]])
            np.add.at(count, faces[:, k], 1.0)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    return ((total / count[:, None] - vertices) * normal).sum(axis=1)


def enamel_colour(crown: Crown, rng: np.random.Generator) -> Array:
    """(V, 3) linear RGB: warm and dark at the neck, pale in the middle, greyish at the edge."""
    height = (crown.vertices - crown.centre) @ crown.axes[:, 2]
    low, high = np.percentile(height, [5, 99.5])
    place = np.clip((height - low) / (high - low), 0.0, 1.0)[:, None]
    shade = 1.0 + rng.normal(0.0, 0.03)
    warmth = rng.normal(0.0, 0.015) + (0.05 if crown.fdi % 10 == 3 else 0.0)
    neck = np.array([0.66, 0.47, 0.24 - warmth])
    body = np.array([0.76, 0.62, 0.41 - warmth])
    edge = np.array([0.68, 0.61, 0.49])
    colour = neck + (body - neck) * np.clip(place / 0.45, 0.0, 1.0)
    if crown.fdi % 10 <= 3:
        colour = colour + (edge - colour) * 0.8 * np.clip((place - 0.72) / 0.28, 0.0, 1.0)
    fissure = np.clip(_concavity(crown.vertices, crown.faces) / 0.045, 0.0, 1.0)[:, None]
    stain = np.array([0.40, 0.25, 0.11])
    if crown.fdi % 10 >= 4:
        colour = colour + (stain - colour) * 0.55 * fissure * (place > 0.35)
    return np.clip(colour * shade, 0.0, 1.0)


def gum_colour(vertices: Array, crowns: list[Crown]) -> Array:
    """(n, 3) linear RGB: pink and firm near the teeth, redder and loose farther away."""
    necks = np.vstack([neck_ring(c) for c in crowns])
    distance = cKDTree(necks).query(vertices)[0][:, None]
    rim, firm, loose = (
        np.array([0.52, 0.12, 0.11]),
        np.array([0.60, 0.21, 0.19]),
        np.array([0.45, 0.075, 0.075]),
    )
    colour = rim + (firm - rim) * np.clip((distance - 0.3) / 2.0, 0.0, 1.0)
    return colour + (loose - colour) * np.clip((distance - 4.5) / 5.0, 0.0, 1.0)


def nearest_depth(view: View, crowns: dict[int, Crown], camera: Camera) -> float:
    """Depth of the view's nearest tooth, mm."""
    own = np.vstack([c.vertices for c in crowns.values() if c.jaw in view.jaws])
    return float(camera.to_camera(own)[:, 2].min())


def tissue_pieces(view: View, crowns: dict[int, Crown], camera: Camera) -> list[Piece]:
    """Soft tissue of the jaws that a view shows, cut off where the lips begin."""
    pieces = []
    front = nearest_depth(view, crowns, camera) - FRAMES[view].ahead + 1.5
    for jaw in view.jaws:
        own = [c for c in crowns.values() if c.jaw is jaw]
        vault, fold = (13.0, 9.5) if jaw is Jaw.UPPER else (9.0, 7.5)
        style = TissueStyle(vault=vault, fold=fold, cheek=CHEEKS[view], seed=int(jaw is Jaw.LOWER))
        vertices, faces = jaw_tissue(own, style)
        behind = camera.to_camera(vertices)[:, 2] > front
        pieces.append(
            Piece(f"gum_{jaw}", vertices, faces[behind[faces].all(axis=1)], gum_colour(vertices, own))
        )
        if view is View.MANDIBULAR_OCCLUSAL:
            pieces.append(Piece("tongue", *tongue(own)))
    return pieces


def frame_pieces(view: View, crowns: dict[int, Crown], camera: Camera) -> list[Piece]:
    """Lips, cheeks and retractor of a view."""
    nearest, style = nearest_depth(view, crowns, camera), FRAMES[view]
    pieces = [
        Piece("skin_lips", *lips(camera, style, nearest)),
        Piece("cheek", *cheeks(camera, style, nearest)),
    ]
    arms = retractor(camera, style, nearest)
    return [*pieces, Piece("plastic", *arms)] if arms else pieces


def write_scene(path: Path, pieces: list[Piece], camera: Camera) -> None:
    """Hand a scene to the render script as one npz."""
    arrays: dict[str, np.ndarray] = {}
    for piece in pieces:
        arrays[f"{piece.name}|vertices"] = piece.vertices.astype(np.float32)
        arrays[f"{piece.name}|faces"] = piece.faces.astype(np.int32)
        if piece.colour is not None:
            arrays[f"{piece.name}|colour"] = piece.colour.astype(np.float32)
    arrays["camera"] = np.array(json.dumps(camera_record(camera)))
    np.savez(path, **arrays)


def developed(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a camera makes of a clean picture (h, w, 3) in 0..1: vignette, noise, sharpening."""
    height, width, _ = picture.shape
    y, x = np.mgrid[:height, :width]
    radius = np.hypot((x - width / 2) / width, (y - height / 2) / width)
    out = picture * (1.0 - 0.25 * radius**2)[..., None]
    grain = gaussian_filter(rng.normal(size=picture.shape), (0.7, 0.7, 0.0))
    out = out + 0.011 * grain / grain.std() * np.sqrt(np.clip(out, 0.02, 1.0))
    soft = gaussian_filter(out, (1.0, 1.0, 0.0))
    return np.clip(out + 0.35 * (out - soft), 0.0, 1.0)


def finish(png: Path, jpg: Path, camera: Camera, seed: int) -> None:
    """Develop a rendered PNG and write it as JPEG with its focal length in EXIF."""
    picture = np.asarray(Image.open(png).convert("RGB"), np.float64) / 255.0
    picture = developed(picture, np.random.default_rng(seed))
    diagonal = float(np.hypot(camera.width, camera.height))
    exif = Image.Exif()
    exif[0x010E] = "Synthetic photograph rendered by Teethscape"
    exif.get_ifd(0x8769)[0xA405] = round(camera.focal / diagonal * 43.27)
    Image.fromarray((picture * 255.0 + 0.5).astype(np.uint8)).save(jpg, quality=88, exif=exif)


def truth_record(crowns: dict[int, Crown], cameras: dict[View, Camera]) -> dict:
    """The numbers that a test compares a reconstruction with."""
    return {
        "unit": "mm",
        "frame": "right-handed, +X patient left, +Y posterior, +Z cranial, both jaws in occlusion",
        "seed": SEED,
        "cameras": {view.slug: camera_record(camera) for view, camera in cameras.items()},
        "teeth": [
            {
                "fdi": fdi,
                "centre": np.round(crown.centre, 3).tolist(),
                "axes": np.round(crown.axes, 4).tolist(),
                "width_mm": round(crown.width(), 3),
            }
            for fdi, crown in sorted(crowns.items())
        ],
    }


def blender_command(args: argparse.Namespace) -> list[str]:
    """The command before the render script's own arguments."""
    script = str(HERE / "sample_render.py")
    if args.blender:
        return [
            args.blender,
            "--background",
            "--factory-startup",
            "--python-exit-code",
            "1",
            "--python",
            script,
            "--",
        ]
    return [args.blender_python, script]


def build_view(view: View, crowns: dict[int, Crown], camera: Camera, scene: Path) -> None:
    """Write the scene of one view."""
    rng = np.random.default_rng(SEED)
    shades = {fdi: enamel_colour(crown, rng) for fdi, crown in sorted(crowns.items())}
    teeth = [
        Piece(f"tooth_{fdi}", crown.vertices, crown.faces, shades[fdi])
        for fdi, crown in crowns.items()
        if crown.jaw in view.jaws
    ]
    soft = tissue_pieces(view, crowns, camera) + frame_pieces(view, crowns, camera)
    write_scene(scene, teeth + soft, camera)


def render_view(view: View, camera: Camera, work: Path, args: argparse.Namespace) -> None:
    """Render and develop one view whose scene is written."""
    LOG.info("rendering %s", view.slug)
    scene, png = work / f"{view.value}.npz", work / f"{view.value}.png"
    subprocess.run([*blender_command(args), str(scene), str(png), str(args.samples)], check=True)
    photos = args.output / "photos"
    photos.mkdir(parents=True, exist_ok=True)
    finish(png, photos / f"{view.value}.jpg", camera, SEED + view.value)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=HERE / "sample")
    parser.add_argument("--blender-python", default="python", help="a Python that has bpy")
    parser.add_argument("--blender", help="a Blender executable, used instead")
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--width", type=int, default=CLINIC.width)
    parser.add_argument("--views", type=lambda n: View(int(n)), nargs="*", default=list(View))
    parser.add_argument("--work", type=Path, help="keep the scenes and raw renders here")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    crowns, cameras = sample_patient()
    cameras = {v: c.resized(args.width, round(args.width * 0.75)) for v, c in cameras.items()}
    work = args.work or Path(tempfile.mkdtemp(prefix="sample_"))
    for folder in (args.output, work):
        folder.mkdir(parents=True, exist_ok=True)
    truth = json.dumps(truth_record(crowns, cameras), indent=1)
    (args.output / "truth.json").write_text(truth + "\n", encoding="utf-8")
    for view in args.views:
        build_view(view, crowns, cameras[view], work / f"{view.value}.npz")
    for view in args.views:
        render_view(view, cameras[view], work, args)


if __name__ == "__main__":
    main()
