"""A finished case folder around given crowns, with photos and masks of one colour."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from teethscape.dataset.patient_crowns import Crown
from teethscape.dental.case import CaseFolder
from teethscape.dental.fdi import Jaw, object_name
from teethscape.dental.files import write_with
from teethscape.dental.units import ScaleRecord, ScaleSource
from teethscape.dental.views import View
from teethscape.mesh.ply import write_ply
from teethscape.mesh.solid import FileNote, Solid


def write_case(root: Path, crowns: Mapping[int, Crown]) -> Path:
    """The case folder of crowns; status done."""
    case, note = CaseFolder(root), FileNote(ScaleRecord(ScaleSource.ESTIMATED, 0.02))
    for crown in crowns.values():
        solid = Solid(object_name(crown.fdi), crown.vertices, crown.faces)
        path = case.tooth_mesh(crown.fdi)
        write_with(path, lambda s, m=solid, c=crown: write_ply(s, m, note, {"cap": c.cap}))
    for view in View:
        pixels, labels = np.full((60, 60, 3), 40 * view.value + 30, np.uint8), np.zeros((60, 60), np.uint8)
        labels[10:25, 20:40] = 11 if Jaw.UPPER in view.jaws else 31
        labels[35:50, 20:40] = 31 if Jaw.LOWER in view.jaws else 11
        for path, image in ((case.photo(view), pixels), (case.mask(view), labels)):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    case.write_record(
        {
            "status": "done",
            "scale": {"source": "estimated", "relative_sigma": 0.02, "factor": 1.0},
            "request": {
                "engine": "parametric", "jaws": "both", "seed": 0, "mask_values": "fdi", "known_lengths": [],
            },
            "photos": {}, "cameras": {}, "metrics": {}, "notices": [], "versions": {"teethscape": "0"},
            "teeth": [_tooth(crown) for crown in crowns.values()],
        }
    )  # fmt: skip
    return root


def _tooth(crown: Crown) -> dict:
    return {
        "fdi": crown.fdi, "present": True, "confidence": 0.9, "sigma_mm": 0.1, "inferred_share": 0.3,
        "seen_in": ["anterior"], "width_mm": 8.0, "width_sigma_mm": 0.2, "centre": crown.centre.tolist(),
        "centre_cov": np.eye(3).tolist(), "axes": crown.axes.tolist(),
        "mesh": f"meshes/teeth/{object_name(crown.fdi)}.ply",
    }  # fmt: skip
