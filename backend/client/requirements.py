"""The pinned sets in ``backend/requirements`` and which of their lines apply where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_CLAUSE = re.compile(r'(python_version|platform_machine|sys_platform) *(<|>=|==) *"([\w.]+)"')
#: Python's names of the systems.
_PLATFORMS = {"linux": "linux", "macos": "darwin", "windows": "win32"}


@dataclass(frozen=True)
class Target:
    """Where packages are meant to run.

    Attributes:
        system: ``linux``, ``macos`` or ``windows``.
        machine: ``x86_64`` or ``arm64``.
        python: series such as ``3.13``.
    """

    system: str
    machine: str
    python: str


def pins(requirements: Path, target: Target, profile: str = "standard") -> tuple[str, ...]:
    """Lines such as ``numpy==2.4.6`` that apply to a target.

    Every profile holds the standard one; the others have one further set for all systems.

    Raises:
        FileNotFoundError: there is no set for this system.
        ValueError: a line is written in a way that is not read here.
    """
    lines = _lines(requirements / f"standard-{target.system}.txt", target)
    return lines if profile == "standard" else (*lines, *_lines(requirements / f"{profile}.txt", target))


def build_pins(requirements: Path, target: Target) -> tuple[str, ...]:
    """The same for what builds the engine's own package."""
    return _lines(requirements / "build.txt", target)


def names(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The packages in pinned lines, in the form that pip compares."""
    return tuple(canonical(line.partition("==")[0]) for line in lines)


def canonical(name: str) -> str:
    """A package's name in lower case, with single hyphens."""
    return re.sub(r"[-_.]+", "-", name).lower().strip()


def _lines(path: Path, target: Target) -> tuple[str, ...]:
    found: list[str] = []
    for text in path.read_text("utf-8").splitlines():
        line, _, marker = (part.strip() for part in text.partition("#")[0].partition(";"))
        if line and (not marker or _applies(marker, target)):
            found.append(line)
    return tuple(found)


def _applies(marker: str, target: Target) -> bool:
    """Judge a marker of our own sets: clauses joined by ``and`` and ``or``, no brackets."""
    return any(all(_holds(c, target) for c in part.split(" and ")) for part in marker.split(" or "))


def _holds(clause: str, target: Target) -> bool:
    match = _CLAUSE.fullmatch(clause.strip())
    if match is None:
        raise ValueError(f"unknown marker {clause!r}")
    name, operator, wanted = match.groups()
    if name != "python_version":
        found = target.machine if name == "platform_machine" else _PLATFORMS.get(target.system)
        return operator == "==" and found == wanted
    have, limit = (tuple(map(int, text.split("."))) for text in (target.python, wanted))
    return {"<": have < limit, ">=": have >= limit, "==": have == limit}[operator]
