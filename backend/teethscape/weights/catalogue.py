"""The known models, from the data file ``models.json``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from teethscape.errors import UsageError

_DATA = Path(__file__).parent / "data" / "models.json"
#: Address of a folder that holds copies of the published files, for networks without access to the originals.
MIRROR_VARIABLE = "TEETHSCAPE_WEIGHTS_MIRROR"


class CommercialUse(str, Enum):
    """What is known about commercial use; models that forbid it are not in the list."""

    YES = "yes"
    UNCLEAR = "unclear"

    __str__ = str.__str__


@dataclass(frozen=True)
class KnownModel:
    """A published network.

    Attributes:
        id: its name in commands, such as ``sam-vit-b``.
        title: its name for people.
        purpose: what Teethscape uses it for.
        file: name of the published file.
        bytes: about its size.
        sha256: of the published file; None where nobody has published one.
        licence: SPDX name, or what is known.
        terms: the licence in a few words.
        commercial_use: what is known about it.
        urls: direct addresses; empty when the user must download by hand.
        page: where to read about it.
        half: it is installed in half precision, in which it is used.
    """

    id: str
    title: str
    purpose: str
    file: str
    bytes: int
    sha256: str | None
    licence: str
    terms: str
    commercial_use: CommercialUse
    urls: tuple[str, ...]
    page: str
    half: bool = False

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where to download from: the mirror that the user named first, then the originals."""
        mirror = os.environ.get(MIRROR_VARIABLE, "").rstrip("/")
        return ((f"{mirror}/{self.file}",) if mirror and self.urls else ()) + self.urls


@cache
def known_models() -> Mapping[str, KnownModel]:
    """All models by id."""
    entries: list[dict[str, Any]] = json.loads(_DATA.read_text("utf-8"))["models"]
    models = (
        KnownModel(**{**e, "urls": tuple(e["urls"]), "commercial_use": CommercialUse(e["commercial_use"])})
        for e in entries
    )
    return {model.id: model for model in models}


def known_model(name: str) -> KnownModel:
    """A model by its id.

    Raises:
        UsageError: there is no such model.
    """
    if name not in known_models():
        raise UsageError("usage", f"'{name}' is no known model.", f"Choose from {', '.join(known_models())}.")
    return known_models()[name]


def model_of_file(file: str) -> KnownModel | None:
    """The model that was published under a file's name, or None."""
    return next((m for m in known_models().values() if m.file.casefold() == file.casefold()), None)
