"""Segment Anything by clicks, through transformers' ``SamModel`` (Kirillov et al., ICCV 2023).

The picture is encoded once; a click costs only the light decoder. Picture and points are
prepared as the published predictor does it: longer side to the network's size, colours
normalised, zeros at the right and below.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from teethscape.errors import BadInputError
from teethscape.segmentation.clicks.interface import ClickMask, Clicks
from teethscape.segmentation.clicks.sam_common import asked, no_sam, sam_missing
from teethscape.segmentation.clicks.sam_names import renamed, sizes
from teethscape.weights.store import installed, required_weights

#: Ids of the models, the quickest first.
MODELS = ("sam-vit-b", "sam-vit-l", "sam-vit-h")
_MEAN = np.array([123.675, 116.28, 103.53], np.float32)
_SPREAD = np.array([58.395, 57.12, 57.375], np.float32)
_THREADS = 2


class SamEngine:
    """The network, loaded once.

    Args:
        model: transformers' ``SamModel``.
        several: on the first click take the best of three masks; the published tool for
            TeethDreamer's masks always takes the single one.
    """

    def __init__(self, model: Any, several: bool = True) -> None:
        self.model = model
        self.several = several

    @classmethod
    def load(cls, weights: Path | None = None, several: bool = True) -> SamEngine:
        """Load the smallest installed model, or a file.

        Raises:
            MissingComponentError: transformers or the weights are not installed.
            BadInputError: the file holds no SAM.
        """
        return cls(load_model(weights or smallest_installed()), several)

    def prepare(self, pixels: NDArray[np.uint8]) -> SamPhoto:
        """Encode one upright photo (h, w, 3) RGB; seconds on a CPU."""
        import torch

        size = int(self.model.config.vision_config.image_size)
        frame = Frame.of(pixels.shape[1], pixels.shape[0], size)
        values = torch.from_numpy(frame.network_input(pixels))[None]
        with torch.inference_mode():
            embedding = self.model.get_image_embeddings(values.to(self.model.dtype))
        return SamPhoto(self, frame, embedding)


def weights_of(given: Path | None) -> Path:
    """The weights that the user names.

    Args:
        given: the name of an installed model, or a file; None: the smallest that is installed.

    Raises:
        MissingComponentError: the model is not installed, or none is.
        BadInputError: there is no such file.
    """
    if given is None:
        return smallest_installed()
    if str(given) in MODELS:
        return required_weights(str(given))
    if not given.is_file():
        words = f"{given} is neither a file nor one of {', '.join(MODELS)}."
        raise BadInputError("file_missing", words, "Check the path, or see: teethscape weights list")
    return given


def smallest_installed() -> Path:
    """The weights of the smallest installed model.

    Raises:
        MissingComponentError: none is installed.
    """
    for model in MODELS:
        if installed(model) is not None:
            return required_weights(model)
    return required_weights(MODELS[0])


def load_model(weights: Path) -> Any:
    """Transformers' ``SamModel`` with the tensors of a published checkpoint.

    Args:
        weights: safetensors file with the published names.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing is ever fetched from here
    try:
        import torch
        from safetensors.torch import load_file
        from transformers import SamConfig, SamModel
    except ImportError as error:
        raise sam_missing(error) from error
    torch.set_num_threads(min(_THREADS, torch.get_num_threads()))
    tensors = load_file(weights)
    try:
        known = sizes({name: tuple(tensor.shape) for name, tensor in tensors.items()})
        state = renamed(tensors)
    except (KeyError, IndexError, ValueError) as error:
        raise no_sam(weights, f" ({error})") from error
    config = SamConfig(
        vision_config=known["vision"],
        prompt_encoder_config=known["prompt"],
        mask_decoder_config=known["mask"],
    )
    with torch.device("meta"):
        model = SamModel(config)
    model.load_state_dict(state, strict=True, assign=True)
    return model.float().eval()


@dataclass(frozen=True)
class Frame:
    """How a photo lies in the network's square.

    Attributes:
        width: of the photo, px.
        height: of the photo, px.
        inner_width: of the photo in the square, px.
        inner_height: of the photo in the square, px.
        size: of the square, px.
    """

    width: int
    height: int
    inner_width: int
    inner_height: int
    size: int

    @classmethod
    def of(cls, width: int, height: int, size: int) -> Frame:
        """The photo scaled so that its longer side fills the square."""
        scale = size / max(width, height)
        return cls(width, height, int(width * scale + 0.5), int(height * scale + 0.5), size)

    def network_input(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(3, size, size) normalised colours."""
        inner = Image.fromarray(pixels).resize(
            (self.inner_width, self.inner_height), Image.Resampling.BILINEAR
        )
        square = np.zeros((self.size, self.size, 3), np.float32)
        square[: self.inner_height, : self.inner_width] = (np.asarray(inner, np.float32) - _MEAN) / _SPREAD
        return np.ascontiguousarray(square.transpose(2, 0, 1))

    def points(self, points: Any) -> NDArray[np.float32]:
        """(n, 2) photo pixels in the square."""
        factor = [self.inner_width / self.width, self.inner_height / self.height]
        return (np.asarray(points, np.float64).reshape(-1, 2) * factor).astype(np.float32)


class SamPhoto:
    """A photo that SAM has encoded."""

    def __init__(self, engine: SamEngine, frame: Frame, embedding: Any) -> None:
        self._engine = engine
        self._frame = frame
        self._embedding = embedding

    def click(self, clicks: Clicks, previous: ClickMask | None = None) -> ClickMask:
        """The mask after the last click; see `PreparedPhoto.click`."""
        import torch

        clicks.require_any()
        several, before = asked(self._engine.several, clicks, previous)
        with torch.inference_mode():
            answer = self._engine.model(
                image_embeddings=self._embedding,
                multimask_output=several,
                input_masks=before,
                **self._prompts(clicks),
            )
            scores = answer.iou_scores[0, 0]
            best = int(scores.argmax())
            low = answer.pred_masks[0, 0, best][None, None]
            logits = self._to_photo(low)
        return ClickMask.of_logits(logits, float(scores[best]), low)

    def _prompts(self, clicks: Clicks) -> dict[str, Any]:
        """Points, labels and box as the network takes them."""
        import torch

        found: dict[str, Any] = {}
        if clicks.points:
            found["input_points"] = torch.from_numpy(self._frame.points(clicks.points))[None, None]
            found["input_labels"] = torch.tensor([[[int(label) for label in clicks.labels]]])
        if clicks.box is not None:
            found["input_boxes"] = torch.from_numpy(self._frame.points(clicks.box).reshape(1, 1, 4))
        return found

    def _to_photo(self, low: Any) -> NDArray[np.float32]:
        """Log-odds at the photo's size (h, w)."""
        from torch.nn import functional

        frame = self._frame
        square = functional.interpolate(low, (frame.size, frame.size), mode="bilinear", align_corners=False)
        inner = square[..., : frame.inner_height, : frame.inner_width]
        whole = functional.interpolate(
            inner, (frame.height, frame.width), mode="bilinear", align_corners=False
        )
        return whole[0, 0].float().numpy()
