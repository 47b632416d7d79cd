"""The pictures of the documentation, from a series of screenshots.

    python tests/blender/series.py --box ../shared/tools/blender-box --series 5.2 --output out/series-5.2
    python tests/blender/pictures.py out/series-5.2

Whole windows for what lies in the scene, the sidebar alone for what lies there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

_IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
_QUALITY = 84
#: The 3D viewport; and the sidebar with its tabs: left, top, right, bottom, px.
_VIEWPORT, _SIDEBAR = (0, 27, 1312, 1275), (1026, 84, 1312, 1275)
#: Picture, the screenshots whose sidebars lie side by side in it, and how far down they are of interest, px.
_SIDEBARS = {
    "setup": (("setup-from-a-folder-of-wheels", "installing-the-engine", "engine-ready"), 318),
    "photos": (("five-photos", "a-problem-in-words", "reconstructing"), 950),
}
_WINDOWS = {
    "through-photo": "through-the-anterior-photo",
    "photo-colours": "photo-colours",
    "heat-map": "uncertainty-heat-map",
    "occlusal": "through-the-mandibular-photo",
}


def _shot(series: Path, name: str) -> Image.Image:
    return Image.open(next(series.glob(f"*-{name}.png"))).convert("RGB")


def side_by_side(pictures: list[Image.Image], gap: int = 16) -> Image.Image:
    """Pictures of equal height in a row, on Blender's grey."""
    width = sum(picture.width + gap for picture in pictures) - gap
    row = Image.new("RGB", (width, pictures[0].height), (48, 48, 48))
    place = 0
    for picture in pictures:
        row.paste(picture, (place, 0))
        place += picture.width + gap
    return row


def make_pictures(series: Path, target: Path) -> None:
    """Write the documentation's pictures."""
    target.mkdir(parents=True, exist_ok=True)
    for name, (shots, bottom) in _SIDEBARS.items():
        left, top, right, _ = _SIDEBAR
        parts = [_shot(series, shot).crop((left, top, right, bottom)) for shot in shots]
        side_by_side(parts).save(target / f"{name}.webp", quality=_QUALITY, method=6)
    for name, shot in _WINDOWS.items():
        _shot(series, shot).crop(_VIEWPORT).save(target / f"{name}.webp", quality=_QUALITY, method=6)


def main() -> None:
    """Make the pictures as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("series", type=Path, help="folder of screenshots that series.py wrote")
    parser.add_argument("--output", type=Path, default=_IMAGES)
    options = parser.parse_args()
    make_pictures(options.series, options.output)


if __name__ == "__main__":
    main()
