"""What the user has clicked on one tooth, and the request that it becomes. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..backend.teethscape.dental.fdi import is_permanent
from ..backend.teethscape.dental.views import View

#: A press and release farther apart than this, in screen pixels, is a box and no click.
DRAG_PX = 6
Point = tuple[float, float]
Polygon = list[list[int]]
KEYS = (
    ("LMB", "Add"), ("RMB", "Remove"), ("Drag", "Box"), ("Ctrl Z / Backspace", "Undo"),
    ("0-9", "Tooth number"), ("Enter", "Accept"), ("Esc", "Cancel"),
)  # fmt: skip


@dataclass(frozen=True)
class Mark:
    """One click, or one box.

    Attributes:
        points: one pixel (x, y) for a click, two corners for a box.
        adds: False removes.
    """

    points: tuple[Point, ...]
    adds: bool = True

    @property
    def is_box(self) -> bool:
        """True for a box."""
        return len(self.points) == 2


@dataclass
class ClickBoard:
    """Clicks on one tooth of one photo, and the engine's answers.

    Attributes:
        size: width and height of the photo, px.
        marks: clicks and boxes, oldest first; the last box counts.
        digits: what was typed of a tooth number.
        revision: grows with every change of the marks.
        proposed: tooth that the engine takes the mask for; 0 unknown.
        mask: outlines of the drawn mask.
        teeth: outlines of the teeth that the photo has already, by FDI number.
        unnamed: outlines of each tooth that was found and has no number; a click takes it.
    """

    size: tuple[int, int]
    marks: list[Mark] = field(default_factory=list)
    digits: str = ""
    revision: int = 0
    proposed: int = 0
    mask: list[Polygon] = field(default_factory=list)
    teeth: dict[int, list[Polygon]] = field(default_factory=dict)
    unnamed: list[list[Polygon]] = field(default_factory=list)

    @property
    def tooth(self) -> int:
        """The number typed, if it is a tooth, else the engine's proposal; 0 unknown."""
        typed = int(self.digits) if len(self.digits) == 2 else 0
        return typed if is_permanent(typed) else self.proposed

    @property
    def says_where(self) -> bool:
        """True when a click or a box says where the tooth is."""
        return any(mark.adds for mark in self.marks)

    def release(self, pressed: Point, released: Point, moved_px: float, adds: bool) -> bool:
        """The end of a press: a click, or a box when the pointer has moved.

        Args:
            pressed: photo pixel (x, y) under the pointer at the press.
            released: the same at the release.
            moved_px: distance between them on the screen.
            adds: False for the button that removes.

        Returns:
            Whether it counts: clicks outside the photo do not.
        """
        if moved_px > DRAG_PX and adds:
            return self._draw_box(pressed, released)
        if not self._is_inside(released):
            return False
        self._change([*self.marks, Mark((released,), adds)])
        return True

    def undo(self) -> bool:
        """Take the last mark back; False when there is none."""
        if not self.marks:
            return False
        self._change(self.marks[:-1])
        if not self.says_where:
            self.mask, self.proposed = [], 0
        return True

    def type_digit(self, digit: str) -> None:
        """Type a digit of a tooth number; a third one begins anew."""
        self.digits = digit if len(self.digits) >= 2 else self.digits + digit

    def hear(self, answer: Mapping[str, Any]) -> None:
        """Take the engine's answer."""
        if "teeth" in answer:
            self.teeth = {int(fdi): outlines for fdi, outlines in answer["teeth"].items()}
            self.unnamed = answer.get("unnamed", [])
        self.size = (int(answer["width"]), int(answer["height"]))
        if "mask" in answer and self.says_where:
            self.mask, self.proposed = answer["mask"], int(answer["tooth"])

    def begin_next(self) -> None:
        """Forget the marks after a tooth was accepted."""
        self._change([])
        self.mask, self.proposed, self.digits = [], 0, ""

    def _draw_box(self, one: Point, two: Point) -> bool:
        width, height = self.size
        x = sorted(min(max(p[0], 0.0), width - 1.0) for p in (one, two))
        y = sorted(min(max(p[1], 0.0), height - 1.0) for p in (one, two))
        if x[1] - x[0] < 2 or y[1] - y[0] < 2:
            return False
        self._change([*self.marks, Mark(((x[0], y[0]), (x[1], y[1])))])
        return True

    def _is_inside(self, point: Point) -> bool:
        return -0.5 <= point[0] < self.size[0] - 0.5 and -0.5 <= point[1] < self.size[1] - 0.5

    def _change(self, marks: list[Mark]) -> None:
        self.marks = marks
        self.revision += 1


@dataclass(frozen=True)
class ClickPlace:
    """Where clicks go.

    Attributes:
        case: the case folder.
        view: which of its photos.
        engine: ``net`` or ``sam``.
    """

    case: Path
    view: View
    engine: str


def click_request(place: ClickPlace, board: ClickBoard | None, accept: bool = False) -> dict[str, Any]:
    """The JSON form of the engine's ``CaseClick``.

    Args:
        place: case, photo and engine.
        board: the clicks; None, or none that says where, only prepares the photo.
        accept: keep the mask under the board's tooth number.
    """
    request: dict[str, Any] = {"output": str(place.case), "view": int(place.view), "engine": place.engine}
    request["action"] = "prepare"
    if board is None or not board.says_where:
        return request
    boxes = [mark.points for mark in board.marks if mark.is_box]
    request["action"] = "accept" if accept else "click"
    request["points"] = [[*mark.points[0], mark.adds] for mark in board.marks if not mark.is_box]
    request["box"] = None if not boxes else [*boxes[-1][0], *boxes[-1][1]]
    request["tooth"] = board.tooth if accept else 0
    return request


def view_of_photo(path: Path, case: Path) -> View | None:
    """The view of a case's photo file; None for any other file."""
    if path.parent != case / "photos" or path.suffix != ".png" or not path.stem.isdigit():
        return None
    number = int(path.stem)
    return View(number) if number in {int(view) for view in View} else None


def refit_slots(record: Mapping[str, Any], files: Sequence[Path]) -> list[dict[str, Any]] | None:
    """Slots that give a case its photos again, in the views and poses that were recognised.

    Args:
        record: the content of ``case.json``.
        files: the photo files that are known. They are found again by their content: another patient's
            photos may have the same names.

    Returns:
        One slot per photo, or None when one of them is not among the files.
    """
    known = {hashlib.sha256(file.read_bytes()).hexdigest(): file for file in files if file.is_file()}
    slots = []
    for photo in record["photos"].values():
        if photo["source_sha256"] not in known:
            return None
        view = next(v for v in View if v.slug == photo["view"])
        slots.append(
            {
                "view": int(view), "path": str(known[photo["source_sha256"]]),
                "quarter_turns": photo["quarter_turns"], "mirrored": photo["mirrored"],
            }
        )  # fmt: skip
    return slots
