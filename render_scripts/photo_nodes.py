"""Small helpers to build shader trees that read the same in Blender 4.3 to 5.2."""

from __future__ import annotations

from typing import Any

import bpy

Colour = tuple[float, float, float]


class Tree:
    """A material's node tree under construction.

    Args:
        name: name of the new material.
    """

    def __init__(self, name: str) -> None:
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self.tree = self.material.node_tree
        self.shader = self.tree.nodes["Principled BSDF"]
        self.output = self.tree.nodes["Material Output"]

    def add(self, kind: str, values: dict[str, Any] | None = None, **settings: Any) -> Any:
        """A node of a kind with input values and settings."""
        node = self.tree.nodes.new(f"ShaderNode{kind}")
        for key, value in settings.items():
            setattr(node, key, value)
        for key, value in (values or {}).items():
            node.inputs[key].default_value = value
        return node

    def link(self, source: Any, target: Any) -> None:
        """Connect an output socket with an input socket."""
        self.tree.links.new(source, target)

    def principled(self, **values: Any) -> None:
        """Set inputs of the main shader; underscores stand for spaces."""
        for key, value in values.items():
            self.shader.inputs[key.replace("_", " ")].default_value = value

    def place(self) -> Any:
        """Object coordinates, mm."""
        return self.add("TexCoord").outputs["Object"]

    def noise(self, scale: float, detail: float = 4.0, distortion: float = 0.0) -> Any:
        """A noise texture of ``scale`` bumps per mm; its factor."""
        node = self.add("TexNoise", {"Scale": scale, "Detail": detail, "Distortion": distortion})
        self.link(self.place(), node.inputs["Vector"])
        return node.outputs[0]

    def cells(self, scale: float) -> Any:
        """Distance to the nearest of scattered points, ``scale`` per mm."""
        node = self.add("TexVoronoi", {"Scale": scale})
        self.link(self.place(), node.inputs["Vector"])
        return node.outputs["Distance"]

    def attribute(self, name: str) -> Any:
        """A value per vertex."""
        node = self.add("Attribute", attribute_name=name)
        return node.outputs["Fac"]

    def colours(self) -> Any:
        """The colour per vertex."""
        node = self.add("Attribute", attribute_name="colour")
        return node.outputs["Color"]

    def mapped(self, value: Any, source: tuple[float, float], target: tuple[float, float]) -> Any:
        """A value mapped from one range to another, clamped."""
        node = self.add("MapRange", clamp=True)
        for key, number in zip(("From Min", "From Max", "To Min", "To Max"), (*source, *target), strict=True):
            node.inputs[key].default_value = number
        self.link(value, node.inputs["Value"])
        return node.outputs["Result"]

    def mixed(self, share: Any, first: Any, second: Any, blend: str = "MIX") -> Any:
        """Two colours (sockets or RGB) mixed by a share (socket or number)."""
        node = self.add("Mix", data_type="RGBA", blend_type=blend)
        for socket, value in ((0, share), (6, first), (7, second)):
            self._feed(node.inputs[socket], value)
        return node.outputs[2]

    def sum(self, first: Any, second: Any, operation: str = "ADD") -> Any:
        """Arithmetic on two values (sockets or numbers)."""
        node = self.add("Math", operation=operation)
        self._feed(node.inputs[0], first)
        self._feed(node.inputs[1], second)
        return node.outputs[0]

    def _feed(self, socket: Any, value: Any) -> None:
        if isinstance(value, (int, float)):
            socket.default_value = value
        elif isinstance(value, (tuple, list)):
            socket.default_value = (*value, 1.0)
        else:
            self.link(value, socket)

    def feed(self, key: str, value: Any) -> None:
        """Give the main shader's input a socket, number or RGB."""
        self._feed(self.shader.inputs[key], value)

    def bump(self, height: Any, depth: float, after: Any = None) -> Any:
        """A relief of ``depth`` mm; feeds the main shader's normal."""
        node = self.add("Bump", {"Strength": 1.0, "Distance": depth})
        self.link(height, node.inputs["Height"])
        if after is not None:
            self.link(after, node.inputs["Normal"])
        self.link(node.outputs["Normal"], self.shader.inputs["Normal"])
        return node.outputs["Normal"]
