"""Draws masks and tooth numbers over the photo in the Image Editor. Needs a window."""

from __future__ import annotations

from collections.abc import Iterable

import bpy

from ..photos.clicks import ClickBoard, Mark, Polygon

_TEETH = (1.0, 1.0, 1.0, 0.55)
_UNNAMED = (1.0, 0.75, 0.1, 0.9)
_MASK = (0.12, 0.56, 1.0, 1.0)
_FILL = (0.12, 0.56, 1.0, 0.35)
_ADDS, _REMOVES = (0.2, 0.9, 0.3, 1.0), (1.0, 0.25, 0.2, 1.0)
_FONT_PX = 14


class ClickOverlay:
    """What is drawn while a photo is clicked.

    Args:
        board: what to draw.
        space: the Image Editor; other editors stay as they are.
    """

    def __init__(self, board: ClickBoard, space: bpy.types.SpaceImageEditor) -> None:
        self._board = board
        self._space = space
        self._handle = bpy.types.SpaceImageEditor.draw_handler_add(self._draw, (), "WINDOW", "POST_PIXEL")

    def remove(self) -> None:
        """Draw no more."""
        if self._handle is not None:
            bpy.types.SpaceImageEditor.draw_handler_remove(self._handle, "WINDOW")
            self._handle = None

    def _draw(self) -> None:
        if bpy.context.space_data != self._space:
            return
        import gpu

        gpu.state.blend_set("ALPHA")
        for fdi, outlines in self._board.teeth.items():
            _lines(self._on_screen(outlines), _TEETH, 1.0)
            self._number(str(fdi), outlines, _TEETH)
        for outlines in self._board.unnamed:
            _lines(self._on_screen(outlines), _UNNAMED, 1.0)
            self._number("?", outlines, _UNNAMED)
        drawn = self._on_screen(self._board.mask)
        _fill(drawn, _FILL)
        _lines(drawn, _MASK, 2.0)
        if self._board.mask and self._board.tooth:
            self._number(str(self._board.tooth), self._board.mask, (1.0, 1.0, 1.0, 1.0))
        for mark in self._board.marks:
            self._mark(mark)
        gpu.state.blend_set("NONE")

    def _on_screen(self, outlines: Iterable[Polygon]) -> list[list[tuple[float, float]]]:
        """Photo pixels to pixels of the region."""
        return [[self._screen(x, y) for x, y in outline] for outline in outlines]

    def _screen(self, x: float, y: float) -> tuple[float, float]:
        width, height = self._board.size
        return bpy.context.region.view2d.view_to_region((x + 0.5) / width, 1 - (y + 0.5) / height, clip=False)

    def _number(self, text: str, outlines: list[Polygon], colour: tuple[float, ...]) -> None:
        import blf

        if not outlines:
            return
        points = self._on_screen(outlines[:1])[0]
        blf.size(0, _FONT_PX)
        blf.color(0, *colour)
        width, height = blf.dimensions(0, text)
        x = sum(p[0] for p in points) / len(points) - width / 2
        blf.position(0, x, sum(p[1] for p in points) / len(points) - height / 2, 0)
        blf.draw(0, text)

    def _mark(self, mark: Mark) -> None:
        colour = _ADDS if mark.adds else _REMOVES
        if mark.is_box:
            (left, top), (right, bottom) = mark.points
            corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
            _lines([[self._screen(x, y) for x, y in corners]], colour, 1.0)
            return
        x, y = self._screen(*mark.points[0])
        _lines([[(x - 4, y), (x, y + 4), (x + 4, y), (x, y - 4)]], colour, 2.0)


def _lines(outlines: list[list[tuple[float, float]]], colour: tuple[float, ...], width: float) -> None:
    import gpu
    from gpu_extras.batch import batch_for_shader

    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    shader.uniform_float("color", colour)
    gpu.state.line_width_set(width)
    for outline in outlines:
        batch_for_shader(shader, "LINE_LOOP", {"pos": outline}).draw(shader)


def _fill(outlines: list[list[tuple[float, float]]], colour: tuple[float, ...]) -> None:
    import gpu
    from gpu_extras.batch import batch_for_shader
    from mathutils.geometry import tessellate_polygon

    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    shader.uniform_float("color", colour)
    for outline in outlines:
        triangles = tessellate_polygon([[(x, y, 0.0) for x, y in outline]])
        batch_for_shader(shader, "TRIS", {"pos": outline}, indices=triangles).draw(shader)
