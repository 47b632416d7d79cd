"""The modules of the render scripts that need no Blender."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "render_scripts"))
