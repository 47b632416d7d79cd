"""A sheet of synthetic cases: one row per case, its five photos side by side.

python examples/photo_sheet.py CASES --output docs/images/synthetic-cases.webp
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

_TILE = (200, 150)
_PAIRS = 2  # cases beside each other


def sheet(cases: list[Path]) -> Image.Image:
    """The sheet of case folders, two per row of the sheet."""
    rows = -(-len(cases) // _PAIRS)
    gap = 6
    wide = 5 * _TILE[0] + gap
    out = Image.new("RGB", (_PAIRS * wide - gap, rows * (_TILE[1] + gap) - gap), "white")
    for number, case in enumerate(cases):
        row, pair = divmod(number, _PAIRS)
        for photo in range(5):
            with Image.open(case / "photos" / f"{photo}.jpg") as picture:
                small = picture.convert("RGB").resize(_TILE, Image.Resampling.LANCZOS)
            out.paste(small, (pair * wide + photo * _TILE[0], row * (_TILE[1] + gap)))
    return out


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", type=Path, help="folder of rendered cases")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--quality", type=int, default=72)
    arguments = parser.parse_args()
    cases = sorted(path.parent for path in arguments.cases.glob("*/photos"))
    sheet(cases).save(arguments.output, quality=arguments.quality, method=6)


if __name__ == "__main__":
    main()
