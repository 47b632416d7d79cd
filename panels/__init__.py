"""The sidebar tab **Teeth**: panels in the order of the work. They only draw."""

from __future__ import annotations

import bpy

from . import clicks, dataset, icons, photos, reconstruct, result, setup, weights, xray

_register_classes, _unregister_classes = bpy.utils.register_classes_factory(
    (
        *setup.classes,
        *photos.classes,
        *reconstruct.classes,
        *result.classes,
        *dataset.classes,
        *xray.classes,
        *weights.classes,
        *clicks.classes,
    )
)


def register() -> None:
    """Register the panels; their icons are of no use without a window."""
    _register_classes()
    if not bpy.app.background:
        icons.make()


def unregister() -> None:
    """Unregister the panels and free their icons."""
    _unregister_classes()
    icons.free()
