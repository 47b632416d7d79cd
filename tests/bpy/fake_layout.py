"""A layout that remembers what a panel draws: Blender as a module has no window to draw in."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import bpy


@dataclass
class Drawn:
    """Everything that a panel has drawn, in order.

    Attributes:
        texts: labels.
        buttons: operators, with the properties that the panel has set and whether they are pressed.
        opened: sections that are open, by their identifier.
        choices: property, value, and whether it can be chosen.
        properties: whether a property that stands by its name can be changed.
        icons: numbers of large icons.
    """

    texts: list[str] = field(default_factory=list)
    buttons: list[tuple[str, SimpleNamespace, bool]] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)
    choices: list[tuple[str, str, bool]] = field(default_factory=list)
    properties: dict[str, bool] = field(default_factory=dict)
    icons: list[int] = field(default_factory=list)

    def pressed(self, name: str) -> list[int]:
        """FDI numbers of the pressed buttons of an operator."""
        return [properties.fdi for button, properties, down in self.buttons if button == name and down]

    def count(self, name: str) -> int:
        """How many buttons of an operator there are."""
        return sum(button == name for button, _, _ in self.buttons)


class FakeLayout:
    """Stands in for ``bpy.types.UILayout`` and all layouts within it."""

    def __init__(self, drawn: Drawn) -> None:
        self.drawn = drawn

    def label(self, text: str = "", **_: object) -> None:
        self.drawn.texts.append(text)

    def operator(self, name: str, *, depress: bool = False, **_: object) -> SimpleNamespace:
        self.drawn.buttons.append((name, SimpleNamespace(), depress))
        return self.drawn.buttons[-1][1]

    def panel(self, identifier: str, **_: object) -> tuple[FakeLayout, FakeLayout | None]:
        return self, self if identifier in self.drawn.opened else None

    def row(self, **_: object) -> FakeLayout:
        return FakeLayout(self.drawn)

    box = column = split = row

    def prop(self, _owner: object, name: str, **_: object) -> None:
        self.drawn.properties[name] = getattr(self, "enabled", True)

    def template_icon(self, icon: int, **_: object) -> None:
        self.drawn.icons.append(icon)

    def prop_enum(self, _owner: object, name: str, value: str, **_: object) -> None:
        self.drawn.choices.append((name, value, getattr(self, "enabled", True)))

    def separator(self, *_: object, **__: object) -> SimpleNamespace:
        """Draws nothing that is looked at."""
        return SimpleNamespace()

    progress = operator_menu_enum = separator


def draw(panel: type, *opened: str, width: int = 400) -> Drawn:
    """What a panel draws in a sidebar of a width in px with some sections open."""
    drawn = Drawn(opened=set(opened))
    context = SimpleNamespace(
        scene=bpy.context.scene,
        region=SimpleNamespace(width=width),
        preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1.0)),  # it is 0 without a window
    )
    panel.draw(SimpleNamespace(layout=FakeLayout(drawn)), context)
    return drawn
