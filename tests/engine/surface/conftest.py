"""A strip of views of a small arch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from teethscape.dental.fdi import Jaw
from teethscape.surface.read.montage import encoded_normals

from .scene import arch_mesh, views_of


@pytest.fixture(scope="session")
def strip(tmp_path_factory) -> Path:
    """A strip of eight views of 64 px of a lower arch of three crowns, with opacity and normals."""
    views = views_of(*arch_mesh(), size=64)
    assert views.normals is not None
    colours = np.concatenate([views.colours, views.foreground[..., None]], axis=-1)
    tiles = [
        *np.round(255 * colours).astype(np.uint8),
        *encoded_normals(views.normals, views.foreground, Jaw.LOWER),
    ]
    path = tmp_path_factory.mktemp("strip") / "case_lower.png"
    Image.fromarray(np.concatenate(tiles, axis=1), "RGBA").save(path)
    return path
