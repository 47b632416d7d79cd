"""A trained network as a function of a picture: by ONNX without torch, or by its checkpoint."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from teethscape.errors import BadInputError, MissingComponentError
from teethscape.segmentation.toothseg.classes import Classes, class_sets
from teethscape.segmentation.toothseg.pictures import normalised, read_picture, resized

FloatImage = NDArray[np.float32]
#: Key of the ONNX file's metadata that holds the card.
ONNX_CARD = "toothseg"


class Run(Protocol):
    """What every runtime does."""

    def __call__(self, image: FloatImage) -> FloatImage:
        """Probabilities (planes, h, w) of a normalised picture (c, h, w)."""
        ...


@dataclass(frozen=True)
class Predictor:
    """A network ready to use.

    Attributes:
        run: the network.
        channels: of its input.
        size: height and width of its input, px.
        classes: what its planes mean.
    """

    run: Run
    channels: int
    size: tuple[int, int]
    classes: Classes

    def chances(self, path: Path) -> FloatImage:
        """Probabilities (planes, h, w) of a picture at the picture's own size."""
        picture = read_picture(path, self.channels)
        height, width = picture.shape[:2]
        planes = self.run(normalised(resized(picture, self.size).astype(np.float32) / 255))
        scaled = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in planes]
        return np.stack(scaled).astype(np.float32)


def load_predictor(weights: Path) -> Predictor:
    """Load an ONNX export (needs onnxruntime alone) or a checkpoint (needs torch).

    Raises:
        BadInputError: the file is missing, damaged, or no ToothSeg network.
        MissingComponentError: it is a checkpoint and torch is not installed.
    """
    if not weights.is_file():
        raise BadInputError("file_missing", f"{weights} does not exist.", "Check --weights.")
    return _onnx(weights) if weights.suffix == ".onnx" else _checkpoint(weights)


def _onnx(path: Path) -> Predictor:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no class of their own in common
        raise _no_export(path, error) from error
    try:
        card = json.loads(session.get_modelmeta().custom_metadata_map[ONNX_CARD])
        size, channels = (int(card["size"][0]), int(card["size"][1])), int(card["network"]["inputs"])
        classes = class_sets()[card["classes"]]
    except (KeyError, ValueError, TypeError) as error:
        raise _no_export(path, error) from error

    def run(image: FloatImage) -> FloatImage:
        return np.asarray(session.run(None, {"image": image[None]})[0], np.float32)[0]

    return Predictor(run, channels, size, classes)


def _no_export(path: Path, error: Exception) -> BadInputError:
    return BadInputError(
        "checkpoint_unknown",
        f"{path.name} is no exported ToothSeg network ({str(error)[:120]}).",
        "Make one with: teethscape train segmenter export --checkpoint best_model.pth --output net.onnx",
    )


def _checkpoint(path: Path) -> Predictor:
    try:
        import torch

        from teethscape.segmentation.toothseg.checkpoints import load_trained
        from teethscape.segmentation.toothseg.losses import probabilities
    except ImportError as error:
        raise MissingComponentError(
            "torch_missing",
            f"{path.name} is a PyTorch checkpoint, and PyTorch is not installed.",
            "Export it to ONNX where it was trained (teethscape train segmenter export), or: "
            "python -m pip install torch",
        ) from error
    network, card = load_trained(path)

    def run(image: FloatImage) -> FloatImage:
        with torch.no_grad():
            return probabilities(network(torch.from_numpy(image[None])))[0].numpy()

    return Predictor(run, network.spec.inputs, card.size, class_sets()[card.classes])
