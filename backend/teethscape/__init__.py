"""Teethscape's engine: five intra-oral photos in, teeth in millimetres out.

This file imports nothing, so that Blender can read ``teethscape.protocol``
without the engine's libraries (architecture, section 1).
"""

__version__ = "0.1.0"
