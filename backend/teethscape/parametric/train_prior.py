"""Train the tooth prior from the published statistical model."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import TEETH, is_left, mirrored, right_twin
from teethscape.dental.files import storage_errors
from teethscape.parametric.prior import LAYOUT
from teethscape.parametric.train_prior_bite import Settling
from teethscape.parametric.train_prior_frames import TypeFrame, type_frames
from teethscape.parametric.train_prior_mapping import match_sides
from teethscape.parametric.train_prior_modes import PooledShape, pool
from teethscape.parametric.train_prior_source import MIRROR, PublishedModel, read_published
from teethscape.parametric.train_prior_spread import (
    bite_covariance,
    is_lower,
    log_size_covariance,
    pose_covariance,
    symmetric_precision,
)
from teethscape.parametric.train_prior_template import Template, make_template

FloatArray = NDArray[np.float64]
#: Called with the done fraction (0..1) and a sentence.
ProgressCall = Callable[[float, str], None]
#: Tooth types by their right-side number.
TYPES: tuple[int, ...] = (*range(11, 18), *range(41, 48))
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Placement:
    """Mean axes (28, 3, 3) and centres (28, 3) mm, world, in occlusion."""

    axes: FloatArray
    centre: FloatArray


def train_prior(source: Path, output: Path, progress: ProgressCall | None = None) -> Path:
    """Build the prior file from the published model; the same bytes every time.

    Args:
        source: the published ``tooth_prior.npz``.
        output: file to write.
        progress: told the fraction done.

    Returns:
        The file written.
    """
    tell = progress or _silent
    model = read_published(source)
    template = make_template()
    frames = type_frames(model, TYPES)
    shapes: dict[int, PooledShape] = {}
    for count, tooth in enumerate(TYPES):
        tell(count / len(TYPES), f"Pooling tooth {tooth} with {mirrored(tooth)}")
        shapes[tooth] = pooled_type(model, tooth, frames[tooth], template)
    placement = place(model, frames, shapes, template)
    with storage_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(
        output,
        {
            **_shape_arrays(shapes, template),
            **_layout_arrays(placement),
            **_spread_arrays(model, placement),
        },
    )
    tell(1.0, f"Wrote {output.name}")
    return output


def write_arrays(output: Path, arrays: dict[str, NDArray]) -> None:
    """Write a compressed npz without time stamps, so equal arrays give equal bytes."""
    with ZipFile(output, "w") as archive:
        for name, array in arrays.items():
            entry = ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            with BytesIO() as buffer:
                np.save(buffer, array, allow_pickle=False)
                archive.writestr(entry, buffer.getvalue(), ZIP_DEFLATED)


def pooled_type(model: PublishedModel, tooth: int, frame: TypeFrame, template: Template) -> PooledShape:
    """Mean crown and modes of one type from both sides."""
    matched = match_sides(model.teeth[tooth], model.teeth[mirrored(tooth)].mirrored(), frame, template)
    shape = pool(matched)
    _log.info(
        "tooth %d: left modes outside the right span %.3f -> %.3f; kept variance %.3f",
        tooth,
        *matched.unexplained,
        shape.kept,
    )
    return shape


def place(
    model: PublishedModel, frames: dict[int, TypeFrame], shapes: dict[int, PooledShape], template: Template
) -> Placement:
    """Both arches, mirror symmetric, settled into the mean bite."""
    axes = {t: frames[t].axes for t in TYPES}
    centre = {t: frames[t].centre + axes[t] @ shapes[t].offset for t in TYPES}
    crowns = {t: shapes[t].mean @ axes[t].T + centre[t] for t in TYPES}
    faces = {t: template.faces[:, :: int(np.sign(np.linalg.det(axes[t])))] for t in TYPES}
    spread = pose_covariance(model, _both_sides(axes))
    precision = symmetric_precision(spread, np.stack([axes[t] for t in TYPES]))
    bite = Settling(crowns, faces, precision).run()
    for t in TYPES:
        centre[t] = centre[t] + bite.moves[t]
        if is_lower(t):
            axes[t], centre[t] = bite.turn @ axes[t], bite.turn @ centre[t] + bite.shift
    return Placement(_both_sides(axes), _both_sides({t: centre[t] - bite.origin for t in TYPES}))


def _both_sides(right: dict[int, FloatArray]) -> FloatArray:
    """Vectors or columns of the right teeth mirrored to all 28."""
    return np.stack([_sided(f) @ right[right_twin(f)] for f in TEETH])


def _sided(fdi: int) -> FloatArray:
    return MIRROR if is_left(fdi) else np.eye(3)


def _shape_arrays(shapes: dict[int, PooledShape], template: Template) -> dict[str, NDArray]:
    """Crowns; unit modes in half precision, scaled so that no digit is lost to small numbers."""
    modes = np.stack([shapes[t].modes * shapes[t].deviation[:, None, None] for t in TYPES])
    scale = np.abs(modes).max(axis=(2, 3))
    return {
        "layout": np.array(LAYOUT, np.int32),
        "types": np.array(TYPES, np.int16),
        "mean": np.stack([shapes[t].mean for t in TYPES]).astype(np.float32),
        "modes": (modes / scale[:, :, None, None]).astype(np.float16),
        "mode_scale": scale.astype(np.float32),
        "kept_variance": np.array([shapes[t].kept for t in TYPES], np.float32),
        "faces": template.faces.astype(np.int16),
        "neck": template.ring.astype(np.int16),
        "cap": template.cap,
    }


def _layout_arrays(placement: Placement) -> dict[str, NDArray]:
    lower = [i for i, fdi in enumerate(TEETH) if is_lower(fdi)]
    return {
        "axes": placement.axes,
        "centre": placement.centre,
        "bite_pivot": placement.centre[lower].mean(axis=0),
    }


def _spread_arrays(model: PublishedModel, placement: Placement) -> dict[str, NDArray]:
    return {
        "pose_cov": pose_covariance(model, placement.axes).astype(np.float32),
        "log_size_cov": log_size_covariance(model),
        "bite_cov": bite_covariance(),
    }


def _silent(fraction: float, message: str) -> None:
    """Progress of a caller that wants none."""
    _log.debug("%.2f %s", fraction, message)
