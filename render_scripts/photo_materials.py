"""Materials of a synthetic mouth: enamel, gums, lips, tools.

Relief is in the meshes: a bump texture costs as much as the rest of a material.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from photo_nodes import Tree

_METALS = {"amalgam": (0.20, 0.20, 0.21), "gold": (0.75, 0.47, 0.16)}


def _subsurface(tree: Tree, weight: float, scale: float, radius: tuple[float, float, float]) -> None:
    """Light that enters the surface, spreads by ``scale * radius`` mm and leaves it."""
    tree.shader.subsurface_method = "BURLEY"
    tree.principled(Subsurface_Weight=weight, Subsurface_Scale=scale, Subsurface_Radius=radius)


def _film(tree: Tree, wet: float, grain: float) -> None:
    """A film of saliva whose thickness varies, so that highlights break up."""
    where = tree.noise(grain, 2.0)
    tree.feed("Coat Weight", tree.mapped(where, (0.35, 0.6), (0.25 + 0.5 * wet, 0.6 + 0.4 * wet)))
    tree.feed("Coat Roughness", tree.mapped(where, (0.3, 0.65), (0.12 - 0.06 * wet, 0.025)))
    tree.principled(Coat_IOR=1.36)


def enamel(name: str, looks: dict[str, Any]) -> Any:
    """Glossy, slightly translucent enamel, with a filling where the attribute says so."""
    tree = Tree(name)
    tree.principled(Roughness=0.2, IOR=1.62)
    _subsurface(tree, 1.0, 2.4, (1.0, 0.85, 0.65))
    _film(tree, looks["wet"], 0.25)
    blotch = tree.mapped(tree.noise(0.35, 3.0), (0.42, 0.68), (0.0, 0.35))
    colour = tree.mixed(blotch, tree.colours(), (0.93, 0.88, 0.78), "MULTIPLY")
    filling = looks.get("filling")
    if filling in _METALS:
        inside = tree.mapped(tree.attribute("filling"), (-0.05, 0.05), (0.0, 1.0))
        colour = tree.mixed(inside, colour, _METALS[filling])
        tree.feed("Metallic", tree.sum(inside, 0.75, "MULTIPLY"))
        tree.feed("Roughness", tree.mapped(inside, (0.0, 1.0), (0.28, 0.38)))
    elif filling:
        inside = tree.mapped(tree.attribute("filling"), (-0.05, 0.05), (0.0, 1.0))
        edge = tree.mapped(tree.sum(tree.attribute("filling"), 0.0, "ADD"), (-0.08, 0.0), (0.0, 1.0))
        line = tree.sum(edge, inside, "SUBTRACT")
        paste = tree.mixed(0.55, tree.colours(), (0.72, 0.64, 0.48))
        colour = tree.mixed(inside, colour, paste)
        colour = tree.mixed(tree.sum(line, 0.5, "MULTIPLY"), colour, (0.30, 0.22, 0.14))
    tree.feed("Base Color", colour)
    return tree.material


def gum(name: str, looks: dict[str, Any]) -> Any:
    """Wet gums: blotched, stippled, with fine vessels."""
    tree = Tree(name)
    tree.principled(Roughness=0.45, IOR=1.4)
    _subsurface(tree, 0.45, 1.3, (1.0, 0.4, 0.3))
    _film(tree, looks["wet"], 1.1)
    blotch = tree.mapped(tree.noise(0.3, 3.0), (0.4, 0.7), (0.0, 0.7))
    colour = tree.mixed(blotch, tree.colours(), (0.86, 0.62, 0.62), "MULTIPLY")
    net = tree.noise(0.22, 4.0, 2.5)
    vessel = tree.sum(
        tree.mapped(net, (0.49, 0.53), (1.0, 0.0)), tree.mapped(net, (0.45, 0.49), (0.0, 1.0)), "MULTIPLY"
    )
    colour = tree.mixed(
        tree.sum(vessel, tree.mapped(tree.attribute("loose"), (0.0, 1.0), (0.06, 0.6)), "MULTIPLY"),
        colour,
        (0.70, 0.35, 0.38),
        "MULTIPLY",
    )
    tree.feed("Base Color", colour)
    return tree.material


def tongue(name: str, looks: dict[str, Any]) -> Any:
    """A tongue with its papillae and a whitish coat."""
    tree = Tree(name)
    tree.principled(Roughness=0.5, IOR=1.4)
    _subsurface(tree, 0.45, 1.3, (1.0, 0.4, 0.3))
    _film(tree, looks["wet"], 0.5)
    coat = tree.mapped(tree.noise(0.12, 3.0), (0.42, 0.7), (0.0, 0.45))
    colour = tree.mixed(coat, tree.colours(), (0.62, 0.36, 0.33))
    dots = tree.mapped(tree.cells(1.3), (0.1, 0.5), (0.25, 0.0))
    tree.feed("Base Color", tree.mixed(dots, colour, (0.65, 0.30, 0.28)))
    tree.bump(tree.sum(tree.cells(1.3), -1.0, "MULTIPLY"), 0.35)
    return tree.material


def lining(name: str, looks: dict[str, Any]) -> Any:
    """Cheek and lip inside, skin outside (attribute ``dry``)."""
    tree = Tree(name)
    tree.principled(IOR=1.4)
    _subsurface(tree, 0.4, 1.5, (1.0, 0.4, 0.3))
    dry = tree.attribute("dry")
    tree.feed("Roughness", tree.mapped(dry, (0.0, 1.0), (0.40, 0.55)))
    film = tree.mapped(tree.noise(0.3, 2.0), (0.35, 0.62), (0.05, 0.3 + 0.6 * looks["wet"]))
    tree.feed("Coat Weight", tree.sum(film, tree.mapped(dry, (0.0, 1.0), (1.0, 0.08)), "MULTIPLY"))
    tree.principled(Coat_Roughness=0.12, Coat_IOR=1.36)
    blotch = tree.mapped(tree.noise(0.22, 4.0, 0.6), (0.4, 0.7), (0.0, 0.8))
    tree.feed("Base Color", tree.mixed(blotch, tree.colours(), (0.80, 0.55, 0.55), "MULTIPLY"))
    return tree.material


def plastic(name: str, looks: dict[str, Any]) -> Any:
    """A clear or milky retractor: part of the light goes straight through, its faces shine."""
    tree = Tree(name)
    tree.principled(Base_Color=(*looks["colour"], 1.0), Roughness=0.16, IOR=1.49, Coat_Weight=0.5)
    rim = tree.add("LayerWeight", {"Blend": 0.35}).outputs["Facing"]
    clear = tree.mapped(rim, (0.05, 0.75), (looks.get("clear", 0.6), 0.1))
    through, mix = tree.add("BsdfTransparent"), tree.add("MixShader")
    through.inputs["Color"].default_value = (*(0.5 + 0.5 * c for c in looks["colour"]), 1.0)
    tree.link(clear, mix.inputs[0])
    tree.link(tree.shader.outputs[0], mix.inputs[1])
    tree.link(through.outputs[0], mix.inputs[2])
    tree.link(mix.outputs[0], tree.output.inputs["Surface"])
    return tree.material


def metal(name: str, looks: dict[str, Any]) -> Any:
    """Blasted steel."""
    tree = Tree(name)
    tree.principled(Base_Color=(*looks["colour"], 1.0), Metallic=1.0)
    tree.feed("Roughness", tree.mapped(tree.noise(0.2, 3.0), (0.3, 0.7), (0.32, 0.45)))
    return tree.material


def bracket(name: str, looks: dict[str, Any]) -> Any:
    """Polished steel."""
    del looks
    tree = Tree(name)
    tree.principled(Base_Color=(0.62, 0.61, 0.60, 1.0), Metallic=1.0, Roughness=0.22)
    return tree.material


def elastic(name: str, looks: dict[str, Any]) -> Any:
    """Coloured rubber."""
    tree = Tree(name)
    tree.principled(Base_Color=(*looks["colour"], 1.0), Roughness=0.35)
    return tree.material


def glove(name: str, looks: dict[str, Any]) -> Any:
    """Thin rubber over a finger, damp in places."""
    tree = Tree(name)
    tree.principled(Roughness=0.42, IOR=1.45)
    _subsurface(tree, 0.35, 2.0, (1.0, 0.7, 0.55))
    warm = tree.mapped(tree.noise(0.06, 4.0), (0.4, 0.7), (0.0, 0.5))
    pink = tuple(c * f for c, f in zip(looks["colour"], (1.0, 0.82, 0.76), strict=True))
    tree.feed("Base Color", tree.mixed(warm, looks["colour"], pink))
    tree.feed("Coat Weight", tree.mapped(tree.noise(0.15, 3.0), (0.45, 0.6), (0.0, 0.6)))
    tree.principled(Coat_Roughness=0.15)
    tree.bump(tree.noise(0.18, 3.0, 1.6), 0.5)
    return tree.material


_KINDS: dict[str, Callable[[str, dict[str, Any]], Any]] = {
    "enamel": enamel,
    "gum": gum,
    "tongue": tongue,
    "lining": lining,
    "plastic": plastic,
    "metal": metal,
    "bracket": bracket,
    "elastic": elastic,
    "glove": glove,
}


def make_materials(records: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Blender materials by the names of a description."""
    return {name: _KINDS[record["kind"]](name, record) for name, record in records.items()}
