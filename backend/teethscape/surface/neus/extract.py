"""The surface of a trained field, with colours (needs torch)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from teethscape.surface.mesh.sampling import Field
from teethscape.surface.neus.fields import NeusModel

_CHUNK = 1 << 17


def numpy_field(model: NeusModel) -> Field:
    """The signed distance as a function of numpy arrays."""
    device = next(model.parameters()).device

    @torch.no_grad()
    def field(points: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = torch.from_numpy(points).split(_CHUNK)
        return torch.cat([model.geometry.sdf(part.to(device)).cpu() for part in parts]).numpy()

    return field


@torch.no_grad()
def surface_colours(model: NeusModel, points: NDArray[np.floating]) -> NDArray[np.float32]:
    """(n, 3) RGB 0..1 at (n, 3) world points; the colour does not depend on the direction."""
    device = next(model.parameters()).device
    parts = torch.from_numpy(points.astype(np.float32)).split(_CHUNK)
    found = [model.texture(model.geometry.looked_up(part.to(device))).cpu() for part in parts]
    return torch.cat(found).numpy() if found else np.zeros((0, 3), np.float32)
