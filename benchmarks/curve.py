"""Draw Dice against the number of labelled photos, with and without pre-training, as an SVG.

python benchmarks/curve.py docs/images/pretraining.svg
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_RECORD = Path(__file__).parent / "results" / "toothseg_pretraining.json"
#: Start of a network: legend, colour, dashes.
_LINES = {
    "scratch": ("240 steps, from scratch", "#444444", ""),
    "mim": ("240 steps after mim", "#c03a2b", ""),
    "fullimage": ("240 steps after fullimage", "#2468a8", ""),
    "scratch-long": ("960 steps, from scratch (one seed)", "#444444", "6 4"),
    "mim-long": ("960 steps after mim (one seed)", "#c03a2b", "6 4"),
}
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 640, 360, 60, 20, 20, 50
_LOW, _HIGH, _STEP = 0.76, 0.94, 0.02
#: Shift of one start's marks, px: their spreads would hide each other.
_APART = 5


def main() -> None:
    """Read the record of `toothseg_pretraining.py` and draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("output", type=Path)
    dice = json.loads(_RECORD.read_text("utf-8"))["summary"]["dice"]
    parser.parse_args().output.write_text(drawn(dice), "utf-8")


def drawn(dice: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """The picture; ``dice`` is mean, standard deviation and seeds by start and number of labels."""
    counts = sorted({int(count) for found in dice.values() for count in found})
    parts = [*_axes(counts), *_legend(list(dice))]
    for number, (start, found) in enumerate(dice.items()):
        parts += _line(start, found, counts, (number - (len(dice) - 1) / 2) * _APART)
    size = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>", ""])


def _x(count: int, counts: list[int]) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (counts.index(count) + 0.5) / len(counts)


def _y(value: float) -> float:
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (_HIGH - value) / (_HIGH - _LOW)


def _axes(counts: list[int]) -> list[str]:
    """Grid, numbers and names of the axes."""
    parts = []
    for step in range(round((_HIGH - _LOW) / _STEP) + 1):
        value = _LOW + step * _STEP
        y = f"{_y(value):.1f}"
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}" stroke="#dddddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y}" dy="4" text-anchor="end">{value:.2f}</text>')
    below = _HEIGHT - _BOTTOM
    for count in counts:
        parts.append(
            f'<text x="{_x(count, counts):.1f}" y="{below + 18}" text-anchor="middle">{count}</text>'
        )
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{below + 38}" text-anchor="middle">labelled photos</text>')
    turn = f"rotate(-90 16 {(_TOP + below) / 2})"
    words = "Dice of 48 held-out photos"
    parts.append(
        f'<text x="16" y="{(_TOP + below) / 2}" text-anchor="middle" transform="{turn}">{words}</text>'
    )
    return parts


def _legend(starts: list[str]) -> list[str]:
    parts = []
    for row, start in enumerate(starts):
        words, colour, dashes = _LINES[start]
        y = _HEIGHT - _BOTTOM - 16 * (len(starts) - row)
        parts.append(f'<line x1="360" x2="390" y1="{y - 4}" y2="{y - 4}" {_stroke(colour, dashes)}/>')
        parts.append(f'<text x="398" y="{y}">{words}</text>')
    return parts


def _line(start: str, found: Mapping[str, Mapping[str, Any]], counts: list[int], shift: float) -> list[str]:
    """Means of a start joined by a line, with their standard deviations over seeds."""
    _, colour, dashes = _LINES[start]
    places = [
        (_x(int(count), counts) + shift, float(f["mean"]), float(f["sd"])) for count, f in found.items()
    ]
    points = " ".join(f"{x:.1f},{_y(mean):.1f}" for x, mean, _ in places)
    parts = [f'<polyline points="{points}" fill="none" {_stroke(colour, dashes)}/>']
    for x, mean, sd in places:
        parts.append(f'<circle cx="{x:.1f}" cy="{_y(mean):.1f}" r="3" fill="{colour}"/>')
        if sd:
            ends = f'y1="{_y(mean - sd):.1f}" y2="{_y(mean + sd):.1f}"'
            parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" {ends} stroke="{colour}" stroke-width="1"/>')
    return parts


def _stroke(colour: str, dashes: str) -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'stroke="{colour}" stroke-width="2"{dashed}'


if __name__ == "__main__":
    main()
