"""Files of weights into the networks, and back under the published names (needs torch)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from teethscape.dental.files import write_bytes
from teethscape.diffusion.config import OFFICIAL, NetworkConfig
from teethscape.diffusion.names import UNUSED, Place, place_of
from teethscape.diffusion.networks import TeethDreamer, load, published
from teethscape.diffusion.schedule import buffers
from teethscape.errors import BadInputError
from teethscape.weights.open_file import open_weights
from teethscape.weights.store import required_weights
from teethscape.weights.tensor_table import require_table, teethdreamer
from teethscape.weights.tensors import FileKind

#: Note in a file of ours: sizes of the networks.
CONFIG_NOTE = "teethscape_config"
_MODEL = "teethdreamer"


def weights_of(path: Path | None) -> Path:
    """The file to load: the one that is named, else the installed one.

    Raises:
        MissingComponentError: none is named and none is installed.
        BadInputError: it is no safetensors file; the advice says how to make one.
    """
    if path is None:
        return required_weights(_MODEL)
    with open_weights(path) as weights:
        kind = weights.contents.kind
    if kind is not FileKind.SAFETENSORS:
        raise BadInputError(
            "weights_not_converted",
            f"{path.name} is a checkpoint ({kind.value}), which is converted once.",
            f"Run: teethscape weights convert {path} --output {path.with_suffix('.safetensors')}",
        )
    return path


def read_network(path: Path) -> TeethDreamer:
    """The networks with a file's tensors, in the file's precision, on the CPU.

    The file is mapped into memory, so that tensors that are never used are never read.

    Raises:
        BadInputError: it is damaged, or is another network.
    """
    with open_weights(path) as weights:
        contents = weights.contents
    config = _config_of(path, dict(contents.notes))
    if config == OFFICIAL:
        require_table(path.name, contents, teethdreamer())
    try:
        network = TeethDreamer.empty(config)
    except (ValueError, RuntimeError) as error:  # such as channels that make no whole groups
        raise _differs(path, f"its sizes do not suit each other ({error})") from error
    fill(network, path, read_state(path, UNUSED))
    return network


def _config_of(path: Path, notes: Mapping[str, str]) -> NetworkConfig:
    """The sizes in a file's note; the published ones without a note."""
    if CONFIG_NOTE not in notes:
        return OFFICIAL
    try:
        values = json.loads(notes[CONFIG_NOTE])
    except (ValueError, RecursionError) as error:
        raise _differs(path, f"its note {CONFIG_NOTE} is no JSON ({error})") from error
    return NetworkConfig.from_json(values, path.name)


def read_state(path: Path, without: frozenset[str] = frozenset()) -> dict[str, Tensor]:
    """All tensors of a safetensors file but some, mapped into memory."""
    with safe_open(path, "pt") as content:
        return {name: content.get_tensor(name) for name in content.keys() if name not in without}  # noqa: SIM118


def fill(network: TeethDreamer, path: Path, state: Mapping[str, Tensor]) -> None:
    """Load all tensors.

    Raises:
        BadInputError: some are missing, foreign or of another shape.
    """
    try:
        report = load(network, state)
    except RuntimeError as error:
        raise _differs(path, str(error).split("\n")[-1].strip()) from error
    if report.missing or report.unexpected:
        missing, foreign = ", ".join(report.missing[:3]), ", ".join(report.unexpected[:3])
        raise _differs(
            path, f"{len(report.missing)} missing ({missing}), {len(report.unexpected)} foreign ({foreign})"
        )


def _differs(path: Path, words: str) -> BadInputError:
    return BadInputError(
        "weights_differ",
        f"{path.name} is no network of the teethdreamer engine: {words[:300]}.",
        "Look into it with: teethscape weights inspect FILE",
    )


@cache
def _published_places() -> tuple[tuple[str, Place], ...]:
    """Published names of all tensors that are used, and their places."""
    return tuple((name, place_of(name)) for name in teethdreamer().shapes if name not in UNUSED)


def state_of(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A network's state by our names under the published names, with the tables of the schedule."""
    state = {
        name: published(place, (tensors[target] for target in place.targets)).contiguous()
        for name, place in _published_places()
        if place.targets[0] in tensors  # a smaller image encoder has fewer layers
    }
    return state | buffers()


def write_network(path: Path, config: NetworkConfig, tensors: Mapping[str, Tensor], half: bool) -> None:
    """Write a network as safetensors under the published names; the old file stays until it is whole.

    Args:
        path: the file.
        config: sizes of the network.
        tensors: its state by our names; it may be a smoothed one.
        half: in half precision.
    """
    dtype = torch.float16 if half else torch.float32
    exact = buffers()
    state = {
        name: tensor if name in exact else tensor.detach().to("cpu", dtype)
        for name, tensor in state_of(tensors).items()
    }
    notes = {"teethscape_model": _MODEL, CONFIG_NOTE: json.dumps(config.to_json())}
    write_bytes(path, save({name: tensor.contiguous().clone() for name, tensor in state.items()}, notes))
