"""Names of the tensors in an unpickled checkpoint: nested dictionaries, modules, optimisers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from teethscape.weights.pickle_reader import PickledTensor, Placeholder

#: Where training programs put the weights proper, in the order of preference.
_ROOTS = ("state_dict", "model_state_dict", "model", "net", "network", "params", "module")
#: Attributes of a pickled module that are no part of a name.
_SILENT = {"_parameters", "_buffers", "_modules"}
_DEEPEST = 64


def weights_of(value: Any) -> tuple[dict[str, PickledTensor], int]:
    """The weights proper by name, and how many tensors lie beside them."""
    everything = dict(_walk(value, (), 0))
    root = _root(value)
    if root is value:
        return everything, 0
    weights = dict(_walk(root, (), 0))
    return weights, len(everything) - len(weights)


def all_tensors(value: Any) -> list[PickledTensor]:
    """Every tensor of the checkpoint, also an optimiser's."""
    return [tensor for _, tensor in _walk(value, (), 0)]


def notes_of(value: Any) -> dict[str, Any]:
    """Plain values at the top, such as ``epoch``, and what else is there in a word."""
    members = _members(value)
    found: dict[str, Any] = {}
    for name, member in members.items():
        if isinstance(member, (bool, int, float)) or (isinstance(member, str) and len(member) < 100):
            found[str(name)] = member
        elif isinstance(member, (Mapping, list, tuple)) and not isinstance(member, PickledTensor):
            found[str(name)] = f"{type(member).__name__} of {len(member)}"
    return dict(list(found.items())[:40])


def settings_of(value: Any) -> dict[str, Any]:
    """What a training program kept of its settings: a dictionary or a namespace under ``args``."""
    args = _members(value).get("args")
    if not isinstance(args, (Mapping, Placeholder)):
        return {}
    return {name: setting for name, setting in _members(args).items() if isinstance(name, str)}


def _root(value: Any) -> Any:
    members = _members(value)
    if any(isinstance(member, PickledTensor) for member in members.values()):
        return value
    for name in _ROOTS:
        if any(True for _ in _walk(members.get(name), (), 0)):
            return _root(members[name])
    return value


def _members(value: Any) -> Mapping[Any, Any]:
    if isinstance(value, Placeholder):
        return value.state
    if isinstance(value, Mapping):
        return value
    return dict(enumerate(value)) if isinstance(value, (list, tuple)) else {}


def _walk(value: Any, path: tuple[str, ...], depth: int) -> Iterator[tuple[str, PickledTensor]]:
    if isinstance(value, PickledTensor):
        yield ".".join(path), value
    elif depth < _DEEPEST:
        for name, member in _members(value).items():
            yield from _walk(member, path if name in _SILENT else (*path, str(name)), depth + 1)
