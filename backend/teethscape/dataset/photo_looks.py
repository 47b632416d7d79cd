"""What is drawn for a synthetic patient before any geometry is made: looks, clinic, tools."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from teethscape.dataset.mouth.enamel_paint import Filling, Shade
from teethscape.dataset.mouth.gingiva import GingivaStyle
from teethscape.dataset.mouth.gum_paint import GumColours
from teethscape.dataset.mouth.tissue import TissueStyle
from teethscape.dataset.mouth.tongue import TongueStyle
from teethscape.dataset.mouth.vault import VaultStyle
from teethscape.dataset.patient_arch import Dentition
from teethscape.dataset.patient_cameras import Clinic
from teethscape.dataset.patient_case import random_missing
from teethscape.dataset.patient_shape import ShapeNoise
from teethscape.dental.fdi import TEETH, Jaw

Rng = np.random.Generator


@dataclass(frozen=True)
class Development:
    """How a camera turns light into a JPEG.

    Attributes:
        exposure: brightness of well lit enamel in the picture, 0 ... 1 display.
        white: (3,) factors of red, green and blue: error of the white balance.
        contrast: strength of the tone curve.
        saturation: factor on colourfulness.
        noise: s.d. of the noise at mid grey, display values.
        blur: s.d. of the lens's and the sensor's blur, px at 640 px width.
        sharpen: strength of the sharpening afterwards.
        vignette: darkening of the corners.
        bloom: share of the light that the lens scatters.
        quality: of the JPEG, 1 ... 100.
    """

    exposure: float = 0.86
    white: tuple[float, float, float] = (1.0, 1.0, 1.0)
    contrast: float = 0.3
    saturation: float = 1.0
    noise: float = 0.01
    blur: float = 0.5
    sharpen: float = 0.4
    vignette: float = 0.15
    bloom: float = 0.03
    quality: int = 90


@dataclass(frozen=True)
class Light:
    """Flash of a clinic.

    Attributes:
        kind: ``ring``, ``twin`` or ``single``.
        reach: distance of the flashes from the lens axis, mm.
        size: diameter of one flash, mm.
        room: share of light that comes from the room.
    """

    kind: str = "ring"
    reach: float = 38.0
    size: float = 14.0
    room: float = 0.02


@dataclass(frozen=True)
class Tools:
    """What holds the mouth open and what helps the camera.

    Attributes:
        kind: ``plastic``, ``metal``, ``glove`` or ``lips`` (nothing seen).
        colour: (3,) of retractors or gloves, linear RGB.
        clear: share of light that goes straight through a plastic retractor.
        mirror: whether occlusal photos go through a mirror.
        flipped: whether the photos through the mirror were left as the mirror shows them.
    """

    kind: str = "plastic"
    colour: tuple[float, float, float] = (0.7, 0.72, 0.74)
    clear: float = 0.5
    mirror: bool = False
    flipped: bool = False


@dataclass(frozen=True)
class Looks:
    """Everything drawn for one patient.

    Attributes:
        dentition: which teeth, and how they stand.
        opening: gap that the patient leaves between the jaws, mm.
        clinic: cameras.
        fstop: f-number as of a camera with a 36-mm sensor; sets the depth of field.
        tissue: soft tissue of each jaw.
        tongue: the tongue.
        shade: colour of the teeth.
        gums: colours of the soft tissue.
        wet: saliva, 0 dry ... 1 flooded.
        fillings: filling of each mended tooth.
        braces: jaws with brackets.
        elastic: (3,) colour of the rings on the brackets, linear RGB.
        light: flash.
        tools: retractors, gloves, mirror.
        develop: camera.
    """

    dentition: Dentition = field(default_factory=Dentition)
    opening: float = 0.0
    clinic: Clinic = field(default_factory=Clinic)
    fstop: float = 22.0
    tissue: dict[Jaw, TissueStyle] = field(default_factory=lambda: {jaw: TissueStyle() for jaw in Jaw})
    tongue: TongueStyle = field(default_factory=TongueStyle)
    shade: Shade = field(default_factory=Shade)
    gums: GumColours = field(default_factory=GumColours)
    wet: float = 0.5
    fillings: dict[int, Filling] = field(default_factory=dict)
    braces: tuple[Jaw, ...] = ()
    elastic: tuple[float, float, float] = (0.3, 0.3, 0.32)
    light: Light = field(default_factory=Light)
    tools: Tools = field(default_factory=Tools)
    develop: Development = field(default_factory=Development)


def _triple(values: Any) -> tuple[float, float, float]:
    r, g, b = (float(v) for v in values)
    return (r, g, b)


def random_dentition(rng: Rng) -> Dentition:
    """A dentition as orthodontists see them: mostly whole, often crowded, at times spaced."""
    count = int(rng.choice(4, p=[0.66, 0.17, 0.1, 0.07]))
    absent = random_missing(count, rng)
    closed = frozenset(fdi for fdi in sorted(absent) if rng.random() < 0.5)
    kind = rng.random()
    return Dentition(
        missing=absent,
        closed=closed,
        spacing=float(rng.uniform(0.15, 0.9)) if kind < 0.12 else 0.0,
        crowding=float(rng.uniform(0.05, 0.3)) if kind > 0.5 else 0.0,
        spread=float(rng.uniform(0.4, 0.9)),
        shape=ShapeNoise(
            rms=float(rng.uniform(0.03, 0.09)), wear=float(rng.choice([0.06, 0.18, 0.5], p=[0.5, 0.35, 0.15]))
        ),
    )


def random_tissue(rng: Rng) -> dict[Jaw, TissueStyle]:
    """Healthy, receding and swollen gums; flat and high palates."""
    recession = float(rng.choice([0.0, 0.5, 1.1], p=[0.75, 0.18, 0.07]))
    gingiva = GingivaStyle(
        cover=float(rng.normal(0.55, 0.2)) - recession,
        uneven=float(rng.uniform(0.08, 0.3)) + 0.3 * recession,
        papilla=float(rng.uniform(2.4, 4.2)),
        thick=float(rng.uniform(0.45, 0.8)),
        roots=float(rng.uniform(0.1, 0.5)),
        ridge=float(rng.uniform(3.8, 4.6)),
        stipple=float(rng.uniform(0.015, 0.06)),
    )
    upper = VaultStyle(
        vault=float(rng.uniform(9.0, 17.0)),
        fold=float(rng.uniform(7.5, 11.5)),
        rugae=float(rng.uniform(0.6, 1.5)),
        spacing=float(rng.uniform(2.8, 4.0)),
        frenum=float(rng.uniform(1.5, 4.5)),
    )
    lower = VaultStyle(
        vault=float(rng.uniform(7.0, 11.0)),
        fold=float(rng.uniform(5.5, 8.5)),
        frenum=float(rng.uniform(0.5, 2.5)),
    )
    return {Jaw.UPPER: TissueStyle(gingiva, upper), Jaw.LOWER: TissueStyle(gingiva, lower)}


def random_shade(rng: Rng) -> Shade:
    """From bleached to dark yellow, from clean to stained."""
    return Shade(
        value=float(rng.uniform(0.60, 0.84)),
        yellow=float(np.clip(rng.normal(0.58, 0.25), 0.0, 1.1)),
        neck=float(rng.uniform(0.2, 0.9)),
        glass=float(rng.uniform(0.1, 0.8)),
        fissures=float(rng.choice([0.15, 0.4, 0.75], p=[0.35, 0.4, 0.25])) * float(rng.uniform(0.6, 1.2)),
        plaque=float(rng.choice([0.1, 0.35, 0.8], p=[0.45, 0.4, 0.15])),
        mottle=float(rng.uniform(0.0, 0.8)),
        spread=float(rng.uniform(0.01, 0.05)),
    )


def random_gums(rng: Rng) -> GumColours:
    """Colours of soft tissue and skin, from fair to dark."""
    dark = float(rng.beta(1.2, 2.0))  # of the skin
    tint, redness = rng.uniform(0.9, 1.1, 3), float(rng.uniform(0.8, 1.15))
    pale = float(rng.uniform(0.85, 1.12))
    skin = np.array([0.60, 0.36, 0.27]) * (1.0 - dark) + np.array([0.16, 0.075, 0.045]) * dark

    def colour(r: float, g: float, b: float) -> tuple[float, float, float]:
        return _triple(pale * np.array([r, g / redness, b / redness]) * tint)

    return GumColours(
        rim=colour(0.50, 0.155, 0.125),
        firm=colour(0.57, 0.25, 0.20),
        loose=colour(0.46, 0.125, 0.12),
        palate=colour(0.56, 0.26, 0.21),
        soft=colour(0.46, 0.18, 0.13),
        lip=_triple(np.array([0.44, 0.13, 0.12]) * (1.0 - 0.55 * dark) * tint),
        skin=_triple(skin * rng.uniform(0.9, 1.1, 3)),
        line=float(rng.uniform(3.8, 6.5)),
        pigment=float(rng.uniform(0.2, 1.0)) * float(rng.random() < 0.15 + 0.5 * dark),
        inflamed=float(rng.choice([0.1, 0.4, 0.9], p=[0.5, 0.35, 0.15])),
    )


def random_fillings(rng: Rng, absent: frozenset[int]) -> dict[int, Filling]:
    """Few or many mended teeth; molars most, crowns rarely."""
    chance = float(rng.choice([0.0, 0.08, 0.25], p=[0.45, 0.4, 0.15]))
    kinds = [Filling.AMALGAM, Filling.COMPOSITE, Filling.GOLD, Filling.CERAMIC]
    out = {}
    for fdi in TEETH:
        weight = 1.6 if fdi % 10 >= 6 else 1.0 if fdi % 10 >= 4 else 0.3
        drawn = rng.random(), int(rng.choice(4, p=[0.45, 0.4, 0.05, 0.1]))
        if drawn[0] < chance * weight and fdi not in absent:
            amalgam_in_front = fdi % 10 <= 3 and drawn[1] in (0, 2)
            out[fdi] = Filling.COMPOSITE if amalgam_in_front else kinds[drawn[1]]
    return out


def random_clinic(rng: Rng, width: int, height: int) -> Clinic:
    """Cameras of a clinic; direct occlusal photos look less steeply than mirrored ones."""
    return Clinic(
        width=width,
        height=height,
        focal=float(np.exp(rng.uniform(np.log(1.6), np.log(3.2)))),
        focal_spread=0.03,
        yaw=np.radians(rng.uniform(28.0, 56.0)),
        pitch=np.radians(rng.uniform(50.0, 74.0)),
        roll=np.radians(2.0),
        fill=float(rng.uniform(0.78, 1.0)),
        off_centre=0.02,
        exif=bool(rng.random() < 0.6),
    )


def random_tools(rng: Rng) -> Tools:
    """Retractors of plastic or metal, gloved fingers, or lips alone; a mirror or none."""
    kind = str(rng.choice(["plastic", "metal", "glove", "lips"], p=[0.45, 0.15, 0.3, 0.1]))
    gloves = (
        (0.80, 0.76, 0.70),
        (0.80, 0.80, 0.80),
        (0.20, 0.30, 0.52),
        (0.30, 0.26, 0.46),
        (0.32, 0.50, 0.44),
    )
    plastics = ((0.36, 0.37, 0.39), (0.32, 0.30, 0.28), (0.28, 0.32, 0.38), (0.46, 0.46, 0.44))
    if kind == "glove":
        colour = gloves[int(rng.choice(5, p=[0.4, 0.25, 0.2, 0.08, 0.07]))]
    else:
        colour = (0.36, 0.355, 0.35) if kind == "metal" else plastics[int(rng.integers(4))]
    mirror = bool(rng.random() < 0.55)
    clear = float(rng.choice([0.25, 0.6, 0.85]))
    tint = _triple(np.array(colour) * rng.uniform(0.9, 1.1))
    return Tools(kind, tint, clear, mirror, mirror and bool(rng.random() < 0.25))


def random_development(rng: Rng) -> Development:
    """Cameras from a phone to a well set SLR."""
    warm, magenta = rng.normal(0.0, 0.05), rng.normal(0.0, 0.025)
    return Development(
        exposure=float(rng.uniform(0.77, 0.94)),
        white=(float(np.exp(warm)), float(np.exp(-magenta)), float(np.exp(-warm))),
        contrast=float(rng.uniform(0.0, 0.45)),
        saturation=float(rng.uniform(0.90, 1.18)),
        noise=float(np.exp(rng.uniform(np.log(0.003), np.log(0.013)))),
        blur=float(rng.uniform(0.25, 0.75)),
        sharpen=float(rng.uniform(0.0, 0.9)),
        vignette=float(rng.uniform(0.0, 0.3)),
        bloom=float(rng.uniform(0.0, 0.08)),
        quality=int(rng.integers(72, 97)),
    )


def random_light(rng: Rng) -> Light:
    """Ring, twin or single flash."""
    kind = str(rng.choice(["ring", "twin", "single"], p=[0.45, 0.4, 0.15]))
    reach = {"ring": (30.0, 45.0), "twin": (40.0, 70.0), "single": (25.0, 45.0)}[kind]
    return Light(
        kind, float(rng.uniform(*reach)), float(rng.uniform(10.0, 24.0)), float(rng.uniform(0.005, 0.08))
    )


def random_looks(rng: Rng, width: int = 640, height: int = 480) -> Looks:
    """A patient, a clinic and a camera as they come."""
    dentition = random_dentition(rng)
    jaws = tuple(jaw for jaw in Jaw if rng.random() < 0.85)
    rings = ((0.35, 0.35, 0.37), (0.05, 0.1, 0.5), (0.5, 0.05, 0.15), (0.1, 0.45, 0.3), (0.02, 0.02, 0.02))
    return Looks(
        dentition=dentition,
        opening=float(rng.uniform(0.3, 2.5)) if rng.random() < 0.12 else 0.0,
        clinic=random_clinic(rng, width, height),
        fstop=float(rng.choice([22.0, 32.0, 45.0, 64.0])),
        tissue=random_tissue(rng),
        tongue=TongueStyle(
            tip=float(rng.uniform(13.0, 30.0)),
            height=float(rng.uniform(0.0, 7.0)),
            half=float(rng.uniform(17.0, 21.0)),
            groove=float(rng.uniform(0.02, 0.16)),
        ),
        shade=random_shade(rng),
        gums=random_gums(rng),
        wet=float(rng.uniform(0.2, 1.0)),
        fillings=random_fillings(rng, dentition.missing),
        braces=jaws if rng.random() < 0.15 else (),
        elastic=rings[int(rng.choice(5, p=[0.5, 0.15, 0.15, 0.1, 0.1]))],
        light=random_light(rng),
        tools=random_tools(rng),
        develop=random_development(rng),
    )
