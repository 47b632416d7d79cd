"""Known networks by the names and shapes of their tensors, in a compact form.

Per group (the first two parts of a name) the data file holds the number of tensors, the
number of elements and a short digest of all names and shapes. That is enough to tell a
network and to say which part of a file differs, in a few kilobytes. Types of elements do
not count: a file in half precision is the same network.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from teethscape.weights.tensors import TensorInfo

_DATA = Path(__file__).parent / "data" / "layouts.json"
_DEPTH = 2
_DIGEST_LETTERS = 12


@dataclass(frozen=True)
class Group:
    """All tensors whose names begin alike.

    Attributes:
        tensors: how many.
        elements: how many numbers.
        digest: of their names and shapes.
    """

    tensors: int
    elements: int
    digest: str


@dataclass(frozen=True)
class Layout:
    """Names and shapes of a network.

    Attributes:
        groups: by the beginning of the names.
        complete: False when a file may hold further groups, such as a copy for training.
        source: where the names and shapes come from.
    """

    groups: Mapping[str, Group]
    complete: bool
    source: str

    @property
    def elements(self) -> int:
        """Number of all numbers."""
        return sum(group.elements for group in self.groups.values())


def groups_of(tensors: Iterable[TensorInfo]) -> dict[str, Group]:
    """Group tensors by the beginning of their names."""
    members: dict[str, list[TensorInfo]] = {}
    for tensor in tensors:
        members.setdefault(".".join(tensor.name.split(".")[:_DEPTH]), []).append(tensor)
    return {name: _group(part) for name, part in members.items()}


def _group(tensors: list[TensorInfo]) -> Group:
    lines = sorted(f"{t.name} {'x'.join(map(str, t.shape))}" for t in tensors)
    digest = hashlib.sha256("\n".join(lines).encode("utf-8")).hexdigest()[:_DIGEST_LETTERS]
    return Group(len(tensors), sum(t.elements for t in tensors), digest)


@cache
def layouts() -> dict[str, Layout]:
    """All known layouts by the id of their model."""
    content = json.loads(_DATA.read_text("utf-8"))
    return {
        name: Layout(
            {group: Group(*values) for group, values in entry["groups"].items()},
            entry["complete"],
            entry["source"],
        )
        for name, entry in content["layouts"].items()
    }


def differences(tensors: Iterable[TensorInfo], layout: Layout) -> list[str]:
    """What a file has otherwise than a layout, in words; empty when it fits."""
    found = groups_of(tensors)
    words = []
    for name, group in layout.groups.items():
        if name not in found:
            words.append(f"{name} is missing ({group.tensors} tensors)")
        elif found[name] != group:
            words.append(f"{name} has other names or shapes ({_counts(found[name])}, not {_counts(group)})")
    if layout.complete:
        words += [f"{name} is not known" for name in found if name not in layout.groups]
    return words


def _counts(group: Group) -> str:
    return f"{group.tensors} tensors of {group.elements} numbers"


def recognise(tensors: Iterable[TensorInfo]) -> str | None:
    """The id of the known network that a file holds, or None; of several the largest."""
    tensors = list(tensors)
    fitting = [name for name, layout in layouts().items() if not differences(tensors, layout)]
    return max(fitting, key=lambda name: layouts()[name].elements, default=None)
