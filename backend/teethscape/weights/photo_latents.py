"""Whether a TeethDreamer looks at the photos' latents; tells it from the file, without PyTorch."""

from __future__ import annotations

from pathlib import Path

from teethscape.weights.open_file import open_weights
from teethscape.weights.tensor_table import FIRST, PHOTO_CHANNELS
from teethscape.weights.tensors import ITEM_BYTES, TensorInfo

_ALIVE = "The photos' latents have an effect: the first convolution gives them weight."
_DEAD = (
    f"The photos' latents have no effect: their {PHOTO_CHANNELS} channels of the first convolution are zero,"
    " as the published training leaves them. They are not made; the image encoder alone sees the photos."
)


def photos_matter(path: Path) -> bool | None:
    """False where the first convolution gives no weight to the photos' latents.

    Args:
        path: safetensors with the published names; half precision may have made zeros of small weights.

    Returns:
        None where the file has no such convolution.
    """
    with open_weights(path) as weights:
        found = [tensor for tensor in weights.contents.tensors if tensor.name == FIRST]
        if not found or len(found[0].shape) != 4 or found[0].shape[1] <= PHOTO_CHANNELS:
            return None
        return _any_weight(b"".join(weights.chunks(FIRST)), found[0])


def sentence(matter: bool) -> str:
    """What a person reads."""
    return _ALIVE if matter else _DEAD


def _any_weight(data: bytes, info: TensorInfo) -> bool:
    """Whether an element of the last channels is not zero; bits suffice, whatever the type of float."""
    import numpy as np

    size = ITEM_BYTES[info.dtype]
    elements = np.frombuffer(data, f"<u{size}").reshape(info.shape)
    without_sign = (1 << (8 * size - 1)) - 1
    return bool((elements[:, -PHOTO_CHANNELS:] & np.array(without_sign, elements.dtype)).any())
