"""A small data set in the published layout, for trainings that only must run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from teethscape.dataset.farm.layout import VIEW_NAMES
from teethscape.dataset.portable_pickle import dumps
from teethscape.dataset.published_views import input_cameras, target_cameras
from teethscape.dental.fdi import Jaw


def write_set(root: Path, size: int) -> Path:
    """One jaw of each kind: a shaded ball in pictures of some size, enough to learn something."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size * 2 - 1
    inside = x * x + y * y < 0.6
    normal = np.dstack([x, -y, np.sqrt(np.clip(1 - x * x - y * y, 0, 1))])
    shade = np.dstack([np.full((size, size, 3), 0.8) * normal[..., 2:], inside])
    picture = Image.fromarray((shade * 255).astype(np.uint8), "RGBA")
    normals = Image.fromarray((np.dstack([normal * 0.5 + 0.5, inside]) * 255).astype(np.uint8), "RGBA")
    for jaw in Jaw:
        uid = f"p_norm_{jaw.value}"
        for name in VIEW_NAMES[jaw]:
            folder = root / "input" / f"{uid}_{name}"
            folder.mkdir(parents=True)
            for k in range(16):
                picture.save(folder / f"{k:03d}.png")
            cameras = input_cameras(name, size, 16, 1, uid)
            (folder / "meta.pkl").write_bytes(dumps(cameras.published_list()))
        for kind, image, end in (("target", picture, ""), ("normal", normals, "_normal")):
            folder = root / kind / f"{uid}_front"
            folder.mkdir(parents=True)
            for k in range(8, 16):
                image.save(folder / f"{k:03d}{end}.png")
        meta = dumps(target_cameras(jaw, size).published_list())
        (root / "target" / f"{uid}_front" / "meta.pkl").write_bytes(meta)
    names = np.array(["p_norm_upper", "p_norm_lower"])
    (root / "mv-splits.pkl").write_bytes(dumps({"train": names, "val": names[:1]}))
    return root
