"""Segment Anything by clicks through its own package, where that imports (it needs torchvision).

The published predictor prepares picture and points; transformers' ``SamModel`` gives the same
numbers (tests), so this serves machines that have the package and not transformers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teethscape.segmentation.clicks.interface import ClickMask, Clicks
from teethscape.segmentation.clicks.sam_common import asked, no_sam, sam_missing
from teethscape.weights.layout import recognise
from teethscape.weights.tensors import TensorInfo

#: Builder of the package for each model.
_BUILDERS = {"sam-vit-b": "vit_b", "sam-vit-l": "vit_l", "sam-vit-h": "vit_h"}


def original_imports() -> bool:
    """Whether the package is installed with everything that it imports."""
    try:
        import segment_anything  # noqa: F401 - only whether it can be had
    except ImportError:
        return False
    return True


class OriginalSamEngine:
    """The network in its own package, loaded once.

    Args:
        model: the package's ``Sam``.
        several: on the first click take the best of three masks.
    """

    def __init__(self, model: Any, several: bool = True) -> None:
        self.model = model
        self.several = several

    @classmethod
    def load(cls, weights: Path, several: bool = True) -> OriginalSamEngine:
        """Load a published network.

        Args:
            weights: safetensors file with the published names.
            several: on the first click take the best of three masks.

        Raises:
            MissingComponentError: the package does not import.
            BadInputError: the file holds no SAM.
        """
        try:
            from safetensors.torch import load_file
            from segment_anything import sam_model_registry
        except ImportError as error:
            raise sam_missing(error) from error
        tensors = load_file(weights)
        shapes = [TensorInfo(name, tuple(tensor.shape), "float32") for name, tensor in tensors.items()]
        found = recognise(shapes)
        if found not in _BUILDERS:
            raise no_sam(weights)
        model = sam_model_registry[_BUILDERS[found]]()
        model.load_state_dict(tensors, strict=True)
        return cls(model.float().eval(), several)

    def prepare(self, pixels: NDArray[np.uint8]) -> OriginalSamPhoto:
        """Encode one upright photo (h, w, 3) RGB; seconds on a CPU."""
        from segment_anything import SamPredictor

        predictor = SamPredictor(self.model)
        predictor.set_image(pixels)
        return OriginalSamPhoto(self, predictor)


class OriginalSamPhoto:
    """A photo that SAM has encoded."""

    def __init__(self, engine: OriginalSamEngine, predictor: Any) -> None:
        self._engine = engine
        self._predictor = predictor

    def click(self, clicks: Clicks, previous: ClickMask | None = None) -> ClickMask:
        """The mask after the last click; see `PreparedPhoto.click`."""
        clicks.require_any()
        several, before = asked(self._engine.several, clicks, previous)
        masks, scores, low = self._predictor.predict(
            point_coords=np.array(clicks.points) if clicks.points else None,
            point_labels=np.array(clicks.labels, int) if clicks.points else None,
            box=None if clicks.box is None else np.array(clicks.box),
            mask_input=before,
            multimask_output=several,
            return_logits=True,
        )
        best = int(np.argmax(scores))
        logits = np.asarray(masks[best], np.float32)
        return ClickMask.of_logits(logits, float(scores[best]), low[best][None])
