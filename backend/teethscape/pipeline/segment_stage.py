"""Stage SEGMENT: label images from the user's masks or from the network."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from teethscape.dental.case import CaseFolder
from teethscape.dental.fdi import Jaw
from teethscape.dental.files import write_json, write_with
from teethscape.dental.masks import read_label_image
from teethscape.dental.photos import Photo
from teethscape.dental.request import MaskValues
from teethscape.dental.views import View
from teethscape.parametric.interface import FitInputs, PhotoGeometry
from teethscape.segmentation.redraw import ToothMaps, at_photo_size


@dataclass(frozen=True, eq=False)
class Labels:
    """Where the teeth are in each photo.

    Attributes:
        images: (h, w) int32 per view, 0 = no tooth.
        kind: what the values mean.
        jaw_of: per view, the jaw of each instance id, when known.
        kind_of: per view, the probability of each place in the quadrant (7,) of
            each instance id, central incisor to second molar, when known.
        maps: per view, what the network saw; None for the user's labels.
        source: who drew them: ``user``, ``network``.
        notices: sentences for the user.
        named: per view, FDI number of each instance id that the user has named; None when none was.
    """

    images: Mapping[View, NDArray[np.int32]]
    kind: MaskValues
    jaw_of: Mapping[View, Mapping[int, Jaw]] | None = None
    kind_of: Mapping[View, Mapping[int, tuple[float, ...]]] | None = None
    maps: Mapping[View, ToothMaps] | None = None
    source: str = "user"
    notices: tuple[str, ...] = field(default=())
    named: Mapping[View, Mapping[int, int]] | None = None

    def evidence(self, photos: Mapping[View, Photo]) -> FitInputs:
        """What a numbering or a fit goes by; wishes are the caller's to add."""
        return FitInputs(
            photos={view: PhotoGeometry(*photo.size, photo.focal_35mm) for view, photo in photos.items()},
            labels=self.images,
            label_kind=self.kind,
            jaw_hint=self.jaw_of,
            kind_hint=self.kind_of,
            sight=self.maps,
            named=self.named or {},
        )


def at_photos(
    maps: Mapping[View, ToothMaps] | None,
    drawn: Mapping[View, NDArray[np.int32]],
    photos: Mapping[View, Photo],
) -> dict[View, NDArray[np.int32]]:
    """Labels that were drawn at the size of the network's maps, enlarged to their photos (h, w).

    The photos' colours tell where the network's teeth end; without maps, the labels do.
    """
    if maps is None:
        sizes = {view: photos[view].pixels.shape[:2] for view in drawn}
        return {
            v: at_photo_size(image, (image > 0).astype(np.float32), sizes[v]) for v, image in drawn.items()
        }
    return {view: maps[view].at_photo(image, photos[view].pixels) for view, image in drawn.items()}


def save_labels(case: CaseFolder, labels: Labels) -> list[Path]:
    """Write label images (16 bit) and what is known about them."""
    written = []
    for view, image in labels.images.items():
        picture = Image.fromarray(image.astype(np.uint16))
        path = case.instances(view)
        write_with(path, lambda s, picture=picture: picture.save(s, "PNG", compress_level=1))
        written.append(path)
    for view, maps in (labels.maps or {}).items():
        picture = Image.fromarray(maps.stacked)
        path = _maps_file(case, view)
        write_with(path, lambda s, picture=picture: picture.save(s, "PNG", compress_level=1))
        written.append(path)
    index = case.log / "labels.json"
    write_json(index, _plain(labels))
    return [*written, index]


def labels_kind(case: CaseFolder) -> MaskValues:
    """What the values of a case's label images mean."""
    return MaskValues(json.loads((case.log / "labels.json").read_text("utf-8"))["kind"])


def load_labels(case: CaseFolder) -> Labels:
    """Read back what ``save_labels`` wrote."""
    plain = json.loads((case.log / "labels.json").read_text("utf-8"))
    return Labels(
        images={View(n): read_label_image(case.instances(View(n))) for n in plain["views"]},
        kind=MaskValues(plain["kind"]),
        jaw_of=_from_plain(plain["jaw_of"], Jaw),
        kind_of=_from_plain(plain["kind_of"], tuple),
        maps={View(n): _read_maps(case, View(n)) for n in plain["maps"]} or None,
        source=plain["source"],
        notices=tuple(plain["notices"]),
        named=_from_plain(plain["named"], int),
    )


def _maps_file(case: CaseFolder, view: View) -> Path:
    return case.log / "maps" / f"{int(view)}.png"


def _read_maps(case: CaseFolder, view: View) -> ToothMaps:
    with Image.open(_maps_file(case, view)) as picture:
        return ToothMaps.unstacked(np.asarray(picture))


def _plain(labels: Labels) -> dict[str, Any]:
    return {
        "views": [int(view) for view in labels.images],
        "kind": labels.kind.value,
        "jaw_of": _to_plain(labels.jaw_of),
        "kind_of": _to_plain(labels.kind_of),
        "maps": [int(view) for view in labels.maps or {}],
        "source": labels.source,
        "notices": list(labels.notices),
        "named": _to_plain(labels.named),
    }


def _to_plain(per_view: Mapping[View, Mapping[int, Any]] | None) -> dict[str, dict[str, Any]] | None:
    """Per view and instance id, with the text keys that JSON knows."""
    if per_view is None:
        return None
    return {str(int(view)): {str(i): value for i, value in own.items()} for view, own in per_view.items()}


def _from_plain(plain: Mapping[str, Mapping[str, Any]] | None, make: Callable[[Any], Any]) -> Any:
    """The inverse of ``_to_plain``; ``make`` restores each value."""
    if plain is None:
        return None
    return {View(int(view)): {int(i): make(value) for i, value in own.items()} for view, own in plain.items()}
