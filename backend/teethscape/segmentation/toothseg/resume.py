"""Checkpoints that a training goes on from: what they remember, and whether they fit (needs torch)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teethscape.errors import BadInputError
from teethscape.segmentation.toothseg.checkpoints import args_of, read_checkpoint, shapes_of, weights_of
from teethscape.segmentation.toothseg.pictures import Size
from teethscape.segmentation.toothseg.spec import NetworkSpec, recognise
from teethscape.segmentation.toothseg.splits import other_parts

#: What must be the same when a training goes on.
_FIXED = ("method", "network", "size", "classes", "split", "lr", "weight_decay")


@dataclass(frozen=True)
class Remembered:
    """What a checkpoint tells of the training that wrote it; None where it does not.

    Attributes:
        network: recognised by its tensors.
        size: height and width of the pictures, px.
        classes: name of a set of classes.
    """

    network: NetworkSpec | None = None
    size: Size | None = None
    classes: str | None = None


def remembered(path: Path) -> Remembered:
    """What a checkpoint tells.

    Raises:
        BadInputError: it cannot be read, or holds no ToothSeg network.
    """
    content = read_checkpoint(path)
    args = args_of(content)
    size = args.get("size")
    whole = isinstance(size, list) and len(size) == 2 and all(isinstance(side, int) for side in size)
    classes = args.get("classes")
    return Remembered(
        recognise(shapes_of(weights_of(content))),
        (size[0], size[1]) if isinstance(size, list) and whole else None,
        classes if isinstance(classes, str) else None,
    )


def resumable(path: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint, read, when a training with these settings can go on from it.

    Args:
        path: the checkpoint.
        settings: what the training will remember, and what the user asks for: method, network, size,
            classes, split, lr, weight_decay; what stands in one of both alone is not compared.

    Raises:
        BadInputError: it cannot be read, holds weights alone, or comes from another training.
    """
    content = read_checkpoint(path)
    for part in ("model_state_dict", "optimizer_state_dict"):
        if not isinstance(content.get(part), Mapping):
            raise BadInputError(
                "resume_state",
                f"{path.name} holds no state to go on from ({part} is missing).",
                "Start from its weights with --init-from, or give last.pth or the METHOD_latest.pth.",
            )
    spec = recognise(shapes_of(weights_of(content)))
    known = {**args_of(content), **_steps(content["optimizer_state_dict"]), "network": spec.to_json()}
    differences = list(_differences(known, settings))
    if differences:
        raise BadInputError(
            "resume_other",
            f"{path.name} comes from another training: {'; '.join(differences)}.",
            "Leave these options out to go on with it, or start from its weights with --init-from.",
        )
    return content


def _steps(optimiser: Mapping[str, Any]) -> dict[str, float]:
    """The rate and weight decay that a state of Adam brings along; of a damaged one nothing."""
    groups = optimiser.get("param_groups")
    first = groups[0] if isinstance(groups, list) and groups else None
    if not isinstance(first, Mapping):
        return {}
    return {name: first[name] for name in ("lr", "weight_decay") if name in first}


def _differences(known: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[str]:
    for name in _FIXED:
        if name not in known or name not in settings or known[name] == settings[name]:
            continue
        if name == "split":
            yield from _other_pictures(known[name], settings[name])
        elif name != "network":
            yield f"{name.replace('_', ' ')} {known[name]}, not {settings[name]}"
        else:
            yield from _other_network(known[name], settings[name])


def _other_network(known: Mapping[str, Any], network: Mapping[str, Any]) -> Iterator[str]:
    for part, value in network.items():
        if known[part] != value:
            yield f"{part} {known[part]}, not {value}"


def _other_pictures(known: Any, split: Mapping[str, str]) -> Iterator[str]:
    """Parts of another split; going on with it would train on pictures that choose or test."""
    parts = other_parts(known, split) if isinstance(known, Mapping) else ()
    if parts:
        yield f"other pictures for {', '.join(parts)}"
