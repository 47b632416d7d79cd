"""Where a training starts: nothing, zero123-xl, a TeethDreamer (specification, section 3.2; needs torch)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from teethscape.diffusion.config import LATENT_CHANNELS, NetworkConfig
from teethscape.diffusion.names import place_of
from teethscape.diffusion.networks import TeethDreamer, ours
from teethscape.diffusion.weights_file import read_state
from teethscape.errors import BadInputError
from teethscape.weights.open_file import open_weights
from teethscape.weights.tensor_table import FIRST, PROJECTION, clip, require_table, zero123
from teethscape.weights.tensors import FileKind

_VISUAL = "clip_image_encoder.model."
_ADVICE = "Give zero123-xl and CLIP ViT-L/14."


def fresh(config: NetworkConfig) -> TeethDreamer:
    """Networks with new weights; the projection passes tokens on and does not know the view yet."""
    network = TeethDreamer(config)
    with torch.no_grad():
        layer = network.cc_projection
        nn.init.eye_(layer.weight[:, : layer.out_features])
        layer.bias.zero_()
    return network


def from_zero123(config: NetworkConfig, zero123_file: Path, clip_file: Path) -> TeethDreamer:
    """Networks that begin with the weights of Zero-1-to-3 and CLIP; what these lack is new.

    Args:
        config: sizes.
        zero123_file: zero123-xl as safetensors.
        clip_file: ViT-L-14 as safetensors, under OpenAI's names or those of transformers.

    Raises:
        BadInputError: a file is damaged, not converted, or another network.
    """
    network = fresh(config)
    begun = _safetensors(zero123_file, zero123_of(config))
    _require_first(zero123_file, network, begun)
    found = _placed(zero123_file.name, adapted(network, begun))
    found |= clip_tensors(_safetensors(clip_file, None), clip_file.name)
    wanted = network.state_dict()
    _require_whole(zero123_file, clip_file, [name for name in wanted if name not in found])
    wrong = [
        name for name, tensor in found.items() if name not in wanted or wanted[name].shape != tensor.shape
    ]
    if wrong:
        words = f"{len(wrong)} tensors of {zero123_file.name} and {clip_file.name} fit nowhere ({wrong[0]})."
        raise BadInputError("weights_differ", words, _ADVICE)
    network.load_state_dict({name: tensor.float() for name, tensor in found.items()}, strict=False)
    return network


def _placed(name: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a file under our names."""
    found: dict[str, Tensor] = {}
    for published, tensor in state.items():
        try:
            found |= ours(published, tensor)
        except (KeyError, ValueError, IndexError, RuntimeError) as error:  # no such name, or no such form
            raise BadInputError(
                "weights_differ", f"{name} holds {published[:80]}, which fits nowhere.", _ADVICE
            ) from error
    return found


def _require_first(path: Path, network: TeethDreamer, state: Mapping[str, Tensor]) -> None:
    """Refuse a file without the two tensors that are fitted, or with others under their names."""
    for name, ours_shape in (
        (FIRST, network.unet.body.conv_in.weight.shape),
        (PROJECTION, network.cc_projection.weight.shape),
    ):
        shape = state[name].shape if name in state else torch.Size()
        alike = len(shape) == len(ours_shape) and shape[0] == ours_shape[0] and shape[2:] == ours_shape[2:]
        if not alike or not LATENT_CHANNELS <= shape[1] <= ours_shape[1]:
            what = f"{name} has another shape" if name in state else f"{name} is missing"
            raise BadInputError("weights_differ", f"{path.name} is not zero123-xl: {what}.", _ADVICE)


def _require_whole(zero123_file: Path, clip_file: Path, lacking: list[str]) -> None:
    clip_part = [name for name in lacking if name.startswith("clip.")]
    if clip_part:
        raise BadInputError(
            "weights_differ",
            f"{clip_file.name} is no whole CLIP image encoder: {len(clip_part)} tensors are missing.",
            "Convert ViT-L-14.pt again: teethscape weights convert ViT-L-14.pt",
        )
    begun = [name for name in lacking if name.startswith(("unet.body.", "vae."))]
    if begun:
        words = f"{zero123_file.name} is no whole zero123-xl: {len(begun)} tensors are missing ({begun[0]})."
        raise BadInputError("weights_differ", words, _ADVICE)


def zero123_of(config: NetworkConfig) -> bool:
    """Whether the published table of zero123-xl holds for these sizes."""
    return config == NetworkConfig()


def _safetensors(path: Path, official: bool | None) -> dict[str, Tensor]:
    with open_weights(path) as weights:
        contents = weights.contents
    if contents.kind is not FileKind.SAFETENSORS:
        raise BadInputError(
            "weights_not_converted",
            f"{path.name} is a checkpoint ({contents.kind.value}), which is converted once.",
            f"Run: teethscape weights convert {path} --output {path.with_suffix('.safetensors')}",
        )
    if official:
        require_table(path.name, contents, zero123())
    return read_state(path)


def adapted(network: TeethDreamer, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Zero-1-to-3's tensors in the shapes of ours, by published names.

    The first convolution keeps the weights of the noisy latent and gives none to the photos; the
    projection keeps those of token and turn and gives none to the flags of the domain.
    """
    kept = {name: tensor for name, tensor in state.items() if _is_used(name)}
    first = torch.zeros(network.unet.body.conv_in.weight.shape)
    first[:, :LATENT_CHANNELS] = kept[FIRST][:, :LATENT_CHANNELS].float()
    projection = torch.zeros(network.cc_projection.weight.shape)
    source = kept[PROJECTION].float()
    projection[:, : source.shape[1]] = source
    return kept | {FIRST: first, PROJECTION: projection}


def _is_used(name: str) -> bool:
    return name.startswith(("model.diffusion_model.", "first_stage_model.", "cc_projection."))


def clip_tensors(state: Mapping[str, Tensor], file: str) -> dict[str, Tensor]:
    """CLIP's picture part under our names, from OpenAI's names or those of transformers.

    Args:
        state: tensors of a file.
        file: its name, for the message.

    Raises:
        BadInputError: neither is there, or a tensor has no place.
    """
    openai = [name for name in state if name.startswith("visual.")]
    if openai:
        return _placed(file, {_VISUAL + name: state[name] for name in openai})
    known = {place for name in clip().shapes for place in place_of(_VISUAL + name).targets}
    found = {f"clip.{name}": tensor for name, tensor in state.items() if f"clip.{name}" in known}
    if not found:
        raise BadInputError(
            "weights_differ", f"{file} holds no CLIP image encoder.", "Give ViT-L-14.pt, converted."
        )
    return found
