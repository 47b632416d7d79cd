"""The file behind ``--points``: clicks and boxes per photo and tooth, as JSON.

    {"format": "teethscape-points", "version": 1, "keep": "automatic",
     "photos": [{"photo": 0, "teeth": [
       {"tooth": 11, "points": [{"x": 700, "y": 420}, {"x": 760, "y": 400, "add": false}]},
       {"tooth": "auto", "box": [500, 300, 590, 420]}]}]}

``photo`` is the number of the photo (or of the tile of a montage), coordinates are pixels of
the photo after its EXIF rotation. A tooth is an FDI number or ``auto``. ``keep`` says what
becomes of teeth that nobody clicked: found automatically, or nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from teethscape.dental.fdi import is_permanent
from teethscape.dental.schema import problems
from teethscape.errors import BadInputError
from teethscape.segmentation.clicks.interface import Clicks

_SCHEMA = Path(__file__).parent / "data" / "points_schema.json"
AUTO = "auto"


@dataclass(frozen=True)
class MarkedTooth:
    """Clicks on one tooth.

    Attributes:
        tooth: FDI number, or None to be numbered automatically.
        clicks: points and box.
    """

    tooth: int | None
    clicks: Clicks


@dataclass(frozen=True)
class PointsFile:
    """All clicks of one patient.

    Attributes:
        photos: marked teeth per number of the photo.
        keeps_automatic: teeth that nobody clicked are found automatically.
    """

    photos: Mapping[int, tuple[MarkedTooth, ...]]
    keeps_automatic: bool

    @property
    def wants_numbers(self) -> bool:
        """True when the automatic numbering is needed."""
        return self.keeps_automatic or any(m.tooth is None for marks in self.photos.values() for m in marks)


@cache
def _schema() -> dict[str, Any]:
    return json.loads(_SCHEMA.read_text("utf-8"))


def read_points(path: Path) -> PointsFile:
    """Read and check a file.

    Raises:
        BadInputError: it is absent, no JSON, or breaks the schema.
    """
    try:
        content = json.loads(path.read_text("utf-8"), parse_constant=_no_number)
    except FileNotFoundError:
        raise BadInputError("file_missing", f"{path} does not exist.", "Check the path.") from None
    except (OSError, ValueError) as error:
        raise _bad(path, f"it is no JSON: {error}") from error
    wrong = problems(content, _schema())
    if wrong:
        raise _bad(path, wrong[0])
    photos: dict[int, tuple[MarkedTooth, ...]] = {}
    for entry in content["photos"]:
        if entry["photo"] in photos:
            raise _bad(path, f"photo {entry['photo']} appears twice")
        photos[entry["photo"]] = tuple(_tooth(path, tooth) for tooth in entry["teeth"])
        numbers = [m.tooth for m in photos[entry["photo"]] if m.tooth is not None]
        if len(set(numbers)) < len(numbers):
            raise _bad(path, f"photo {entry['photo']} names a tooth twice")
    return PointsFile(photos, content.get("keep", "automatic") == "automatic")


def _no_number(word: str) -> float:
    """Refuse what Python's reader takes for numbers: NaN and Infinity."""
    raise ValueError(f"{word} is no number")


def require_inside(path: Path, photo: int, size: tuple[int, int], teeth: Sequence[MarkedTooth]) -> None:
    """Refuse clicks and boxes beside their picture.

    Args:
        path: the file, for the message.
        photo: number of the photo or tile.
        size: its width and height, px.
        teeth: what is marked in it.

    Raises:
        BadInputError: one lies outside.
    """
    for mark in teeth:
        box = mark.clicks.box
        corners = () if box is None else (box[:2], box[2:])
        for x, y in (*mark.clicks.points, *corners):
            if not (-0.5 <= x <= size[0] and -0.5 <= y <= size[1]):
                raise _bad(
                    path, f"({x:g}, {y:g}) lies outside photo {photo}, which has {size[0]} x {size[1]} pixels"
                )


def _tooth(path: Path, entry: Mapping[str, Any]) -> MarkedTooth:
    name = entry["tooth"]
    if name != AUTO and not (isinstance(name, int) and not isinstance(name, bool) and is_permanent(name)):
        raise _bad(path, f'{name!r} is neither an FDI number nor "{AUTO}"')
    points = entry.get("points", [])
    clicks = Clicks(
        tuple((float(p["x"]), float(p["y"])) for p in points),
        tuple(bool(p.get("add", True)) for p in points),
        _box(path, entry.get("box")),
    )
    if clicks.is_empty:
        raise _bad(path, f"tooth {name} has neither an adding click nor a box")
    return MarkedTooth(None if name == AUTO else int(name), clicks)


def _box(path: Path, values: list[float] | None) -> tuple[float, float, float, float] | None:
    if values is None:
        return None
    left, top, right, bottom = map(float, values)
    if not (left < right and top < bottom):
        raise _bad(path, "a box is [left, top, right, bottom]")
    return left, top, right, bottom


def _bad(path: Path, reason: str) -> BadInputError:
    return BadInputError(
        "points_form", f"{path.name} cannot be used as clicks ({reason}).", "See docs/clicks.md for the form."
    )
