"""The one door to the protocol, whatever name the backend was imported by.

Inside Blender the backend is a subpackage of the extension; in tests and on the
command line ``backend/`` itself is on the path and ``client`` stands on top.
"""

from __future__ import annotations

if __package__ == "client":
    from teethscape import __version__, protocol
else:
    from ..teethscape import __version__, protocol

__all__ = ["__version__", "protocol"]
