"""Values of a job's JSON, read strictly: what is none of the wanted kind is refused, not turned into one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

#: Largest number that generators of random numbers take.
_LARGEST = 2**63 - 1


def path_of(value: Any) -> Path:
    """A path.

    Raises:
        TypeError: it is no text.
        ValueError: no file can have such a name.
    """
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no path")
    if not value or "\0" in value:
        raise ValueError(f"{value!r} is no path")
    os.fsencode(value)  # JSON may hold halves of characters
    return Path(value)


def path_or_none(value: Any) -> Path | None:
    """A path; none and no text at all are none.

    Raises:
        TypeError: it is no text.
        ValueError: no file can have such a name.
    """
    return None if value in (None, "") else path_of(value)


def truth(value: Any) -> bool:
    """Yes or no: a word such as "false" would be true.

    Raises:
        TypeError: it is neither.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def whole(value: Any) -> int:
    """A whole number that is not below zero, and that generators of random numbers take.

    Raises:
        TypeError: it is none.
        ValueError: it is below zero or too large.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no whole number")
    if not 0 <= value <= _LARGEST:
        raise ValueError(f"{value} is not from 0 to {_LARGEST}")
    return value


def wholes(values: Any) -> tuple[int, ...]:
    """A list of such numbers.

    Raises:
        TypeError: it is none, or one of them is none.
        ValueError: as for one.
    """
    if not isinstance(values, list | tuple):
        raise TypeError(f"{values!r} is no list of numbers")
    return tuple(map(whole, values))
