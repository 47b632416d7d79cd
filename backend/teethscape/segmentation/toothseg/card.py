"""What one must know to use a trained network: beside its weights, or in the file itself (without torch)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from teethscape.dental.files import write_json
from teethscape.errors import BadInputError
from teethscape.segmentation.toothseg.classes import class_sets
from teethscape.segmentation.toothseg.spec import NetworkSpec

#: Key of a safetensors file's metadata that holds, as JSON, what the checkpoint remembered of its training.
NOTE = "toothseg"
#: Mark of a network that was only pre-trained, in ours and in the published checkpoints' settings.
PRETRAINED = "mask_ratio"
_KEPT = (PRETRAINED, "method", "network", "size", "classes", "split")


@dataclass(frozen=True)
class Card:
    """What one must know to use a trained network; written beside it as JSON.

    Attributes:
        network: which network it is.
        size: height and width at which it was trained, px.
        classes: name of its set of classes.
        split: digests of the pictures that trained, chose and tested it, by part; empty when unknown.
    """

    network: NetworkSpec
    size: tuple[int, int]
    classes: str = "teeth"
    split: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        known = {"network": self.network.to_json(), "size": list(self.size), "classes": self.classes}
        return {**known, "split": dict(self.split)} if self.split else known

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Card:
        """The inverse of `to_json`."""
        height, width = values["size"]
        network, split = NetworkSpec.from_json(values["network"]), dict(values.get("split") or {})
        return cls(network, (height, width), values["classes"], split)

    def write(self, weights: Path) -> None:
        """Write it beside the weights."""
        write_json(weights.with_suffix(".json"), self.to_json())

    @classmethod
    def beside(cls, weights: Path) -> Card | None:
        """The card beside the weights; None where there is none.

        Raises:
            BadInputError: it is damaged, or names classes that nobody knows.
        """
        path = weights.with_suffix(".json")
        if not path.is_file():
            return None
        try:
            card = cls.from_json(json.loads(path.read_text("utf-8")))
            class_sets()[card.classes]
        except (ValueError, KeyError, TypeError) as error:
            raise damaged_card(path, error) from error
        return card


def damaged_card(path: Path, error: Exception) -> BadInputError:
    """The refusal of a card that cannot be read."""
    return BadInputError("card_damaged", f"{path} is damaged ({error}).", "Delete it or train again.")


def note_of(settings: Mapping[str, Any], card: Card | None) -> dict[str, str]:
    """What a checkpoint remembers, as metadata of a safetensors file; empty when it remembers nothing.

    Args:
        settings: the training's settings in the checkpoint.
        card: the one beside the checkpoint, which counts more.
    """
    kept = {name: _plain(settings[name]) for name in _KEPT if name in settings}
    kept |= {} if card is None else card.to_json()
    return {NOTE: json.dumps(kept)} if kept else {}


def settings_in(notes: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `note_of`: settings from a file's metadata; empty where it has none."""
    try:
        found = json.loads(notes.get(NOTE, "{}"))
    except (ValueError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _plain(value: Any) -> Any:
    """The value where JSON has it, else None: that a setting is there may be all that counts."""
    try:
        return json.loads(json.dumps(value))
    except (ValueError, TypeError):
        return None
