"""The pictures of the documentation, from a series of screenshots.

    python tests/blender/series.py --box ../shared/tools/blender-box --series 5.2 --output out/series-5.2
    python tests/blender/pictures.py out/series-5.2
    python -m pytest tests/blender/test_engine_gui.py --basetemp out/line
    python tests/blender/pictures.py out/line/*/shots --line

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
#: Of the published line, in the order of time; those whose sidebar is shown instead of the viewport, and how
#: far down that is of interest, px.
_LINE = ("surface-chosen", "tooth-clicked", "unfinished-views", "unfinished-surface", "teeth-in-the-scene")
_LINE_SIDEBARS, _LINE_BOTTOM = ("surface-chosen", "unfinished-views"), 700


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


def make_line(series: Path, target: Path) -> None:
    """Write the picture of the published line: engine and surface chosen, a click, views, surface, teeth."""
    left, top, right, _ = _SIDEBAR
    parts, height = [], _LINE_BOTTOM - top
    for name in _LINE:
        if name in _LINE_SIDEBARS:
            parts.append(_shot(series, name).crop((left, top, right, _LINE_BOTTOM)))
        else:
            window = _shot(series, name).crop(_VIEWPORT)
            parts.append(window.resize((round(window.width * height / window.height), height)))
    side_by_side(parts).save(target / "teethdreamer-line.webp", quality=_QUALITY, method=6)


def main() -> None:
    """Make the pictures as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("series", type=Path, help="folder of screenshots that series.py wrote")
    parser.add_argument("--output", type=Path, default=_IMAGES)
    parser.add_argument("--line", action="store_true", help="they are those of the published line")
    options = parser.parse_args()
    (make_line if options.line else make_pictures)(options.series, options.output)


if __name__ == "__main__":
    main()
