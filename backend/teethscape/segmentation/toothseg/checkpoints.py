"""ToothSeg checkpoints: any known form read without running its code, our own written (needs torch)."""

from __future__ import annotations

import argparse
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from teethscape.dental.files import write_with
from teethscape.errors import BadInputError, MissingComponentError
from teethscape.segmentation.toothseg.card import PRETRAINED, Card, damaged_card, settings_in
from teethscape.segmentation.toothseg.classes import Classes, class_sets
from teethscape.segmentation.toothseg.expected import shape_differences, summed_up
from teethscape.segmentation.toothseg.networks import UNet2D, build
from teethscape.segmentation.toothseg.spec import NetworkSpec, our_name, recognise

#: Where published checkpoints keep the weights, in the order in which they are looked for.
_WRAPPINGS = ("model_state_dict", "state_dict", "model")
#: Classes of a foreign network by its number of planes.
_PLANES = {len(classes.planes): name for name, classes in class_sets().items()}
State = dict[str, Tensor]


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Everything that a checkpoint holds; pickled code is never run.

    Raises:
        BadInputError: the file is missing, damaged, or needs code to be read.
        MissingComponentError: it is a safetensors file and that library is missing.
    """
    if not path.is_file():
        raise BadInputError("file_missing", f"{path} does not exist.", "Check the path.")
    if path.suffix == ".safetensors":
        return _safetensors(path)
    try:
        # Published checkpoints keep their command line; a namespace is data, not code.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BadInputError(
            "checkpoint_unsafe",
            f"{path.name} is damaged, or holds more than weights{_named_in(error)} and could run code.",
            "Take its weights out without running it: teethscape weights convert FILE",
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise BadInputError(
            "checkpoint_damaged",
            f"{path.name} is no readable checkpoint: it was cut short, or is a file of another kind.",
            "Copy it again.",
        ) from error
    if not isinstance(content, Mapping):
        raise BadInputError("checkpoint_unknown", f"{path.name} holds no weights by name.", "Check the file.")
    return dict(content)


def _named_in(error: Exception) -> str:
    """The object that torch would not make, when its message names one."""
    found = re.search(r"\b(?:GLOBAL|global) ([A-Za-z_][\w.]{0,80})", str(error))
    return f" ({found[1]})" if found else ""


def _safetensors(path: Path) -> dict[str, Any]:
    """The tensors, and what the checkpoint remembered that was converted."""
    try:
        from safetensors import SafetensorError, safe_open
        from safetensors.torch import load_file
    except ImportError as error:
        raise MissingComponentError(
            "safetensors_missing", f"{path.name} needs the library safetensors.",
            "Run in the engine's environment: python -m pip install safetensors",
        ) from error  # fmt: skip
    try:
        with safe_open(path, "pt") as opened:
            settings = settings_in(opened.metadata() or {})
        return {**load_file(path), **({"args": settings} if settings else {})}
    except (SafetensorError, OSError) as error:
        raise BadInputError(
            "checkpoint_damaged", f"{path.name} is no readable checkpoint ({error}).", "Copy it again."
        ) from error


def weights_of(content: Mapping[str, Any]) -> State:
    """The tensors of a checkpoint, whatever it wraps them in."""
    for key in _WRAPPINGS:
        if isinstance(content.get(key), Mapping):
            content = content[key]
            break
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def args_of(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings that a checkpoint remembers, ours or the published scripts' command line."""
    args = content.get("args")
    if isinstance(args, Mapping):
        return args
    return vars(args) if hasattr(args, "__dict__") else {}


def shapes_of(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Shape of each tensor."""
    return {name: tuple(value.shape) for name, value in state.items()}


def our_names(state: Mapping[str, Tensor]) -> State:
    """The tensors under the names that our networks use."""
    shapes = shapes_of(state)
    return {our_name(name, shapes): value for name, value in state.items()}


def load_network(path: Path) -> UNet2D:
    """Build the network that a checkpoint describes and give it the weights, every one of them.

    Raises:
        BadInputError: the checkpoint is unreadable, of another network, or incomplete.
    """
    return network_from(weights_of(read_checkpoint(path)), path.name)


def network_from(state: Mapping[str, Tensor], name: str = "The checkpoint") -> UNet2D:
    """The network of a state dict, recognised by names and shapes.

    Raises:
        BadInputError: the tensors do not make up a ToothSeg network.
    """
    network = build(recognise(shapes_of(state)))
    fill(network, state, name)
    return network.eval()


def fill(network: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Give a network the weights of a state dict, every one of them.

    Raises:
        BadInputError: a tensor is missing, unknown or of another shape.
    """
    try:
        network.load_state_dict(our_names(state))
    except RuntimeError as error:
        raise BadInputError(
            "checkpoint_unknown",
            f"{name} is not a whole ToothSeg network: {summed_up(shape_differences(shapes_of(state)))}.",
            "Check the file.",
        ) from error


def all_finite(network: nn.Module) -> bool:
    """Whether every weight and statistic of a network is a number."""
    return all(bool(torch.isfinite(value).all()) for value in network.state_dict().values())


@dataclass(frozen=True)
class Transfer:
    """What came over from a checkpoint.

    Attributes:
        loaded: tensors that had the same name and shape.
        fresh: tensors of the network that keep their random start.
    """

    loaded: tuple[str, ...]
    fresh: tuple[str, ...]


def transfer(network: nn.Module, state: Mapping[str, Tensor], keep_head: bool) -> Transfer:
    """Load every tensor whose name and shape fit.

    Args:
        network: where to load into.
        state: of any wrapping.
        keep_head: also load the last layer; a reconstruction's head is no start for labels.

    Raises:
        BadInputError: nothing fits.
    """
    own = network.state_dict()
    fitting = {
        name: value
        for name, value in our_names(state).items()
        if name in own and own[name].shape == value.shape and (keep_head or not name.startswith("outc."))
    }
    if not fitting:
        raise BadInputError(
            "checkpoint_unknown", "No tensor of the checkpoint fits the network.",
            "Give the --model-type and --base-channels of the checkpoint.",
        )  # fmt: skip
    network.load_state_dict(fitting, strict=False)
    return Transfer(tuple(sorted(fitting)), tuple(sorted(set(own) - set(fitting))))


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint at once, so that an interruption leaves the old one whole."""
    write_with(path, lambda stream: torch.save(dict(content), stream))


def load_trained(path: Path) -> tuple[UNet2D, Card]:
    """A trained network with its card: the one beside it, else what the checkpoint itself remembers.

    Foreign checkpoints know neither; the published picture size is then assumed.

    Raises:
        BadInputError: the checkpoint or its card cannot be used, or it was only pre-trained.
    """
    content = read_checkpoint(path)
    remembered = args_of(content)
    if PRETRAINED in remembered:
        raise BadInputError(
            "checkpoint_unknown",
            f"{path.name} was only pre-trained: it paints pictures and finds no teeth.",
            "Fine-tune it first: teethscape train segmenter finetune --init-from FILE",
        )
    network = network_from(weights_of(content), path.name)
    if not all_finite(network):
        raise BadInputError(
            "checkpoint_damaged",
            f"{path.name} holds weights that are infinite or no numbers.",
            "Train again with a smaller --lr.",
        )
    card, known = _card_of(path, network.spec, remembered)
    if len(known.planes) != network.spec.outputs:
        raise BadInputError(
            "checkpoint_unknown",
            f"{path.name} has {network.spec.outputs} planes, but '{known.name}' has {len(known.planes)}.",
            "Give a network that was fine-tuned, with its .json.",
        )
    return network, replace(card, network=network.spec)


def _card_of(path: Path, spec: NetworkSpec, remembered: Mapping[str, Any]) -> tuple[Card, Classes]:
    """The card beside a checkpoint, else what it remembers, else the published one; and its classes.

    Raises:
        BadInputError: it is damaged, or names classes that nobody knows.
    """
    card = Card.beside(path)
    try:
        if card is None and remembered.get("classes") in class_sets():
            card = Card.from_json(remembered)
    except (ValueError, KeyError, TypeError) as error:
        raise damaged_card(path, error) from error
    card = card or Card(spec, (224, 320), _PLANES.get(spec.outputs, "teeth"))
    return card, class_sets()[card.classes]
