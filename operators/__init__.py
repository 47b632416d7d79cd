"""Operators ``teeth.verb_noun``, one family per file."""

from __future__ import annotations

import bpy

from . import clicks, dataset, engine, export, missing, photo_edits, photos, reconstruct, result, xray

register, unregister = bpy.utils.register_classes_factory(
    (
        *engine.classes,
        *photos.classes,
        *photo_edits.classes,
        *missing.classes,
        *reconstruct.classes,
        *result.classes,
        *export.classes,
        *dataset.classes,
        *xray.classes,
        *clicks.classes,
    )
)
