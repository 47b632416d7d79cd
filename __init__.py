"""Teethscape: upper and lower teeth in millimetres from five intra-oral photos.

This package is the Blender extension. The engine that reconstructs lives in
``backend/teethscape`` and runs in a Python environment of its own.
"""

from __future__ import annotations


def _modules() -> tuple:
    """Modules with ``register``/``unregister``, in the order of registration.

    Imported here and not at the top, so that the engine's tests and the render
    scripts can import parts of this package without the whole sidebar.
    """
    from . import cli, operators, panels, preferences, properties, session

    return (preferences, properties, operators, panels, session, cli)


def register() -> None:
    """Register everything; a failure undoes what was registered and is raised."""
    done: list = []
    try:
        for module in _modules():
            module.register()
            done.append(module)
    except Exception:
        for module in reversed(done):
            module.unregister()
        raise


def unregister() -> None:
    """Take everything back in the reverse order."""
    for module in reversed(_modules()):
        module.unregister()
