"""What pip says, read as progress: which package, how many, what went wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .problems import Problem
from .requirements import canonical

_NAMED = re.compile(r"(?:Collecting|Processing|Requirement already satisfied:) +(\S+)")
_WHEEL = re.compile(r"(?:^|[\\/])([A-Za-z0-9_.]+?)-[^-/\\]+-[^/\\]*\.whl")
_PART = re.compile(r"Progress (\d+) of (\d+)")
_MISSING = re.compile(r"No matching distribution found for ([\w.-]+)")
_NETWORK = (
    "Temporary failure in name resolution", "Connection refused", "Connection reset", "ConnectTimeoutError",
    "ReadTimeoutError", "ProxyError", "SSLError", "NewConnectionError", "Max retries exceeded",
)  # fmt: skip
#: A disk with less than this left counts as full.
_FULL_BYTES = 2_000_000


@dataclass(frozen=True)
class PipState:
    """How far pip is.

    Attributes:
        found: packages that it has looked at, in the form that pip compares.
        package: the one it is busy with.
        part: finished part of the running download, 0 to 1.
        installing: it has everything and writes it into place.
        words: what happens, for the user.
    """

    found: frozenset[str] = frozenset()
    package: str = ""
    part: float = 0.0
    installing: bool = False
    words: str = ""


def after(state: PipState, line: str) -> PipState:
    """The state after a line of pip's output; lines that say nothing new change nothing."""
    text = line.strip()
    if match := _PART.match(text):
        done, whole = int(match[1]), int(match[2])
        return PipState(state.found, state.package, done / whole if whole else 0.0, False, state.words)
    if match := _NAMED.match(text):
        name = _package_name(match[1])
        return PipState(state.found | {name}, name, 0.0, False, f"Looking for {name}")
    if text.startswith("Downloading"):
        return PipState(state.found, state.package, 0.0, False, f"Downloading {state.package}")
    if text.startswith(("Building wheel", "Preparing metadata", "Installing build dependencies")):
        return PipState(state.found, state.package, 1.0, False, "Preparing the engine's own package")
    if text.startswith("Installing collected packages"):
        return PipState(state.found, "", 1.0, True, "Installing")
    return state


def _package_name(word: str) -> str:
    """The package in ``numpy==2.4.6``, ``numpy<3``, or a path to a wheel or a folder."""
    if match := _WHEEL.search(word):
        return canonical(match[1])
    if "/" in word or "\\" in word:
        return "teethscape"
    return canonical(re.split(r"[<>=!~\[;@]", word)[0])


def explain_failure(tail: tuple[str, ...], offline: bool, free_bytes: int) -> Problem:
    """The problem behind pip's last words.

    Args:
        tail: last lines of its output.
        offline: whether it was given a folder of wheels.
        free_bytes: what is left on the disk; some tools fail on a full one without saying so.
    """
    text = "\n".join(tail)
    if "No space left on device" in text or "Errno 28" in text or free_bytes < _FULL_BYTES:
        message, advice = "The disk became full while installing.", "Free some space, then install again."
        return Problem("disk_full", message, advice, 6, True, text)
    if any(sign in text for sign in _NETWORK):
        message = "The package index cannot be reached."
        advice = "Check the connection and the proxy, or install from a folder of wheels."
        return Problem("network", message, advice, 6, True, text)
    if match := _MISSING.search(text):
        return _missing_wheel(match[1], offline, text)
    message, advice = (
        "The engine's packages could not be installed.",
        "Try again; send the log if it stays so.",
    )
    return Problem("install_failed", message, advice, 6, True, text)


def _missing_wheel(package: str, offline: bool, details: str) -> Problem:
    where = "The folder of wheels" if offline else "The package index"
    message = f"{where} has no {package} for this Python and system."
    advice = (
        "Collect the wheels again with `python -m client.wheelhouse`."
        if offline
        else "Choose another Python."
    )
    return Problem("wheel_missing", message, advice, 4, False, details)
