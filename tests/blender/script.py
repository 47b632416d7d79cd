"""What a person does at the screen, as actions of the blender-box.

Blender does not tell where it draws a button, so a script feels its way down the
sidebar (`scan`), and after every click it waits for what must then be seen. A click
that a busy machine has lost is repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

#: The window, and where the sidebar lies in it, px.
SIZE = (1600, 1400)
SIDEBAR_X = 1160
#: A column through the buttons that share their row with a text.
RIGHT_HALF_X = 1220
#: The viewport's free part, and a mouse button that does nothing there.
VIEWPORT, _IDLE_BUTTON = (640, 1180), 9
#: X calls the wheel a button; so many notches lead to the sidebar's end.
_WHEEL_DOWN, _NOTCHES = 5, 18
_STEP_PX = 13
_TRIES, _PATIENCE_S = 3, 20
Target = str | tuple[int, int]


@dataclass
class Script:
    """Actions for the box, in order."""

    shots: Path
    actions: list[str] = field(default_factory=list)
    count: int = 0

    def do(self, *actions: str) -> None:
        """Add actions as they are."""
        self.actions += actions

    def python(self, code: str) -> None:
        """Run code that may use the probe."""
        self.do(f"py import probe\n{code}")

    def shot(self, name: str) -> None:
        """Take the next numbered screenshot, the mouse out of the way."""
        # A panel that has grown settles when the mouse passes over the sidebar.
        self.do(f"move {SIDEBAR_X} 1250", "sleep 1", f"move {SIDEBAR_X - 2} 1254", "sleep 0.5")
        self.do(f"move {VIEWPORT[0]} {VIEWPORT[1]}", "sleep 1")
        self.shot_as_it_is(name)

    def shot_as_it_is(self, name: str) -> None:
        """Take the next numbered screenshot, the mouse where it is."""
        self.count += 1
        self.do(f"shot {self.shots / f'{self.count:02d}-{name}.png'}")

    def scan(self, top: int, bottom: int, x: int = SIDEBAR_X) -> None:
        """Feel for the operator buttons in the middle of the sidebar, or along another column."""
        self.python("probe.forget()")
        for y in range(top, bottom, _STEP_PX):
            self.do(f"move {x} {y}", "sleep 0.05", "key ctrl+c")
            self.python(f"probe.note({x}, {y})")

    def scroll_to_end(self) -> None:
        """Turn the wheel over the sidebar."""
        self.do(*[f"click {SIDEBAR_X} 700 {_WHEEL_DOWN}"] * _NOTCHES, "sleep 1")

    def click(self, button: str, offset: tuple[int, int] = (0, 0)) -> None:
        """Click the button of the last scan that calls ``button``, or what lies beside it."""
        self._click_unless("lambda: False", button, offset)

    def press(self, button: Target, seen: str, limit_s: int = 60, offset: tuple[int, int] = (0, 0)) -> None:
        """Click until the probe sees what the click is for.

        Args:
            button: part of the call of a button that the last scan has found, or a place, px.
            seen: a condition of the probe.
            limit_s: how long the condition may take after the last click.
            offset: from the button to what is clicked, px.
        """
        for _ in range(_TRIES):
            self._click_unless(seen, button, offset)
            self._pause(seen)
        self.wait(seen, limit_s)

    def keys(self, keys: str, seen: str) -> None:
        """Press keys over the viewport until the probe sees their effect."""
        self.do(f"move {VIEWPORT[0]} {VIEWPORT[1]}", "sleep 0.3", f"move {VIEWPORT[0] + 3} {VIEWPORT[1]}")
        self.do("sleep 0.5", f"key {keys}")
        self.wait(seen, 60)

    def wait(self, condition: str, limit_s: int) -> None:
        """Wait until the probe sees something."""
        mark = f"seen-{len(self.actions)}"
        self.python(f"probe.when({condition}, {mark!r})")
        self.do(f"waitfile /w/marks/{mark} {limit_s}")

    def _pause(self, condition: str) -> None:
        """Wait until the probe sees something, but not for long."""
        mark = f"pause-{len(self.actions)}"
        self.python(f"probe.when({condition}, {mark!r}, {_PATIENCE_S})")
        self.do(f"waitfile /w/marks/{mark} {4 * _PATIENCE_S}")

    def _click_unless(self, condition: str, button: Target, offset: tuple[int, int]) -> None:
        mark = f"aim-{len(self.actions)}"
        self.python(f"probe.aim({button!r}, {mark!r}, {offset}, {condition}, {(*VIEWPORT, _IDLE_BUTTON)})")
        self.do(f"clickfile /w/marks/{mark}", "sleep 0.5")
