"""Operators ``teeth.verb_noun``, one family per file."""

from __future__ import annotations

import bpy

from . import (
    abilities,
    clicks,
    dataset,
    engine,
    export,
    missing,
    photo_check,
    photo_edits,
    photos,
    reconstruct,
    result,
    weights,
    xray,
)

register, unregister = bpy.utils.register_classes_factory(
    (
        *engine.classes,
        *photos.classes,
        *photo_edits.classes,
        *photo_check.classes,
        *missing.classes,
        *reconstruct.classes,
        *result.classes,
        *export.classes,
        *dataset.classes,
        *xray.classes,
        *weights.classes,
        *abilities.classes,
        *clicks.classes,
    )
)
