"""Colours of real and of synthetic photographs, region by region.

    python benchmarks/photo_colours.py ../shared/cases out/set/photo

The first folder holds real cases, the second rendered ones (``teethscape dataset render --synthetic``).
Per photo, at a height of 480 px: medians of CIE L*a*b* (1976, D65) inside the teeth, along their borders, on
the gum beside them, and beyond; and how rough the teeth are: the deviation of L* between blurs of 1 and 6 px.
Then medians over the patients. Writes ``results/photo_colours.json``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bench_common import write_result
from numpy.typing import NDArray

from teethscape.dental.views import View

Array = NDArray[np.float32]
HEIGHT = 480
REGIONS = ("teeth", "borders", "gum", "beyond")
#: Distances to the teeth's outline that bound the regions, px.
_INSIDE, _BORDER, _GUM_FROM, _GUM_TO, _BEYOND = 3.0, 4.0, 4.0, 40.0, 60.0
#: Darker than this a pixel shows a gap; less red beside a tooth it is a tool.
_DARK, _LEAST_RED = 20.0, 8.0
_FINE, _COARSE = 1.0, 6.0


def read_photo(case: Path, view: View) -> tuple[Array, NDArray[np.bool_]]:
    """(h, w, 3) L*a*b* of a photo and (h, w) True on teeth.

    Raises:
        FileNotFoundError: the case has no such photo or label.
    """
    photo = next((case / "photos").glob(f"{view.value}.*"))
    labels = (case / "labels" / kind / f"{view.value}.png" for kind in ("fdi", "jaws"))
    label = next(path for path in labels if path.is_file())
    picture, teeth = cv2.imread(str(photo)), cv2.imread(str(label), cv2.IMREAD_UNCHANGED)
    if picture is None or teeth is None:
        raise FileNotFoundError(f"{photo} or {label}")
    size = (round(picture.shape[1] * HEIGHT / picture.shape[0]), HEIGHT)
    picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0
    small = cv2.resize(teeth, size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2LAB), np.float32), small > 0


def masks_of(lab: Array, teeth: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """(h, w) mask of each region."""
    inside = cv2.distanceTransform(teeth.astype(np.uint8), cv2.DIST_L2, 5)
    outside = cv2.distanceTransform((~teeth).astype(np.uint8), cv2.DIST_L2, 5)
    red = (lab[..., 1] > _LEAST_RED) & (lab[..., 0] > _DARK)
    return {
        "teeth": inside > _INSIDE,
        "borders": teeth & (inside <= _BORDER),
        "gum": (outside > _GUM_FROM) & (outside < _GUM_TO) & red,
        "beyond": outside > _BEYOND,
    }


def measured(case: Path, view: View) -> list[float]:
    """L*, a* and b* of each region, then the teeth's roughness."""
    lab, teeth = read_photo(case, view)
    masks = masks_of(lab, teeth)
    values = [float(v) for name in REGIONS for v in np.median(lab[masks[name]], axis=0)]
    fine, coarse = (cv2.GaussianBlur(lab[..., 0], (0, 0), sigma) for sigma in (_FINE, _COARSE))
    return [*values, float((fine - coarse)[masks["teeth"]].std())]


def summary_of(cases: list[Path]) -> dict[str, Any]:
    """Medians over patients, for photos from the front and occlusal ones."""
    found = np.array([[measured(case, view) for view in View] for case in cases])
    occlusal = [view.is_occlusal for view in View]
    out: dict[str, Any] = {"patients": len(cases)}
    for name, chosen in (("front", np.logical_not(occlusal)), ("occlusal", occlusal)):
        middle = np.median(found[:, chosen].mean(axis=1), axis=0).round(1).tolist()
        out[name] = {region: middle[3 * k : 3 * k + 3] for k, region in enumerate(REGIONS)}
        out[name]["roughness"] = middle[-1]
    return out


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("real", type=Path, help="folder of real cases")
    parser.add_argument("synthetic", type=Path, help="folder of rendered cases")
    arguments = parser.parse_args()
    folders = {"real": arguments.real, "synthetic": arguments.synthetic}
    found = {name: summary_of(sorted(p.parent for p in f.glob("*/photos"))) for name, f in folders.items()}
    write_result("photo_colours", found, None)


if __name__ == "__main__":
    main()
