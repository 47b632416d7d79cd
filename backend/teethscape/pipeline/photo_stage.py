"""Stages PHOTOS and RECOGNISE: read the photos and bring each into its true view."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from teethscape.dental.case import CaseFolder
from teethscape.dental.files import write_json, write_with
from teethscape.dental.photos import Photo, read_photo_folder, read_photo_slots
from teethscape.dental.request import ReconstructRequest
from teethscape.dental.views import View


def read_photos(request: ReconstructRequest) -> dict[View, Photo]:
    """Read the photos of a request, refusing unusable ones."""
    if request.slots:
        return read_photo_slots(request.slots, request.jaws)
    return read_photo_folder(request.photos, request.jaws)


def identity(photos: Mapping[View, Photo]) -> list[Any]:
    """What a stage's key needs to know about the photos."""
    return [[int(view), p.sha256, p.quarter_turns, p.mirrored] for view, p in photos.items()]


def save_photos(case: CaseFolder, photos: Mapping[View, Photo]) -> list[Path]:
    """Write the working copies, free of metadata, and what is known about them."""
    written = []
    for view, photo in photos.items():
        image = Image.fromarray(photo.pixels)
        path = case.photo(view)
        # Level 1 is four times as fast as the default and 10 % larger.
        write_with(path, lambda s, image=image: image.save(s, "PNG", compress_level=1))
        written.append(path)
    index = case.log / "photos.json"
    write_json(index, {str(int(view)): photo_record(photo) for view, photo in photos.items()})
    return [*written, index]


def load_photos(case: CaseFolder) -> dict[View, Photo]:
    """Read back what ``save_photos`` wrote."""
    index = json.loads((case.log / "photos.json").read_text("utf-8"))
    photos = {}
    for number, record in index.items():
        view = View(int(number))
        with Image.open(case.photo(view)) as image:
            pixels = np.asarray(image.convert("RGB"))
        photos[view] = Photo(
            view=view,
            pixels=pixels,
            focal_35mm=record["focal_35mm"],
            source=Path(record["source_name"]),
            notices=tuple(record["notices"]),
            original_size=(record["original_size"][0], record["original_size"][1]),
            sha256=record["source_sha256"],
            quarter_turns=record["quarter_turns"],
            mirrored=record["mirrored"],
        )
    return photos


def photo_record(photo: Photo) -> dict[str, Any]:
    """A photo's entry in ``case.json``; only the source's name is kept, no path."""
    width, height = photo.size
    return {
        "view": photo.view.slug,
        "file": f"photos/{photo.view.value}.png",
        "width": width,
        "height": height,
        "source_name": photo.source.name,
        "source_sha256": photo.sha256,
        "original_size": list(photo.original_size),
        "focal_35mm": photo.focal_35mm,
        "quarter_turns": photo.quarter_turns,
        "mirrored": photo.mirrored,
        "notices": list(photo.notices),
    }
