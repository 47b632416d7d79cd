"""Load this repository's root as a package, under a name of its own.

Blender imports the extension as ``bl_ext.<repository>.teethscape``; scripts and
tests that run beside an installed extension need the same code under another.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
NAME = "teethscape_addon"


def load_package() -> ModuleType:
    """The root package, imported once as ``teethscape_addon``."""
    if NAME in sys.modules:
        return sys.modules[NAME]
    spec = importlib.util.spec_from_file_location(
        NAME, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{ROOT} is not the Teethscape extension")
    package = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = package
    spec.loader.exec_module(package)
    return package
