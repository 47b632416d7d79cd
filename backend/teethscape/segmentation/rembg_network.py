"""rembg with one named network, which the user has put in place; nothing is ever fetched here.

rembg's own default network changes with its version, may forbid commercial use, and is
downloaded by the constructor. So its network is named here, and handed over as a file.
"""

from __future__ import annotations

import os
from importlib import util
from pathlib import Path
from typing import Any

from teethscape.errors import BadInputError, MissingComponentError
from teethscape.weights.store import file_sha256

#: The authors of U-2-Net put code and models under one licence (github.com/xuebinqin/U-2-Net, issue 208).
NETWORK, LICENCE, MEGABYTES = "u2net", "Apache-2.0", 176
_SHA256 = "8d10d2f3bb75ae3b6d527c77944fc5e7dcd94b29809d47a739a7a728a912b491"


def require_rembg() -> Path:
    """The file of the network, when rembg is installed too.

    Raises:
        MissingComponentError: the library, or its network, is not there; the advice holds the command.
    """
    if util.find_spec("rembg") is None:
        raise _no_library("rembg")
    name = f"{NETWORK}.onnx"
    places = [place / name for root in _homes() for place in (root / "models" / NETWORK, root)]
    for path in places:
        if path.is_file():
            return path
    raise MissingComponentError(
        "rembg_missing",
        f"rembg's network {NETWORK} ({MEGABYTES} MB, licence {LICENCE}) is not in {places[0].parent}.",
        f'Run in the engine\'s environment: python -m pip install "rembg[cli]"; rembg d {NETWORK}; '
        "or take --foreground plain.",
    )


def rembg_session() -> Any:
    """A session of rembg with the network of `require_rembg`.

    Raises:
        MissingComponentError: as `require_rembg`.
        BadInputError: the network's file is damaged, or may not be read.
    """
    path = _whole(require_rembg())
    try:
        from rembg import new_session  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise _no_library(error.name) from error
    try:
        return new_session("u2net_custom", model_path=str(path))  # a file that is named is never fetched
    except (OSError, ValueError) as error:
        raise BadInputError(
            "weights_damaged", f"rembg cannot use {path} ({error}).", "Put rembg's network there again."
        ) from error


def _whole(path: Path) -> Path:
    """The path, when the file is the published one."""
    try:
        digest = file_sha256(path)
    except OSError as error:
        raise BadInputError(
            "file_unreadable", f"{path} cannot be read ({error.strerror}).", "Check it."
        ) from error
    if digest != _SHA256:
        raise BadInputError(
            "weights_damaged",
            f"{path} is not the published {NETWORK}: its checksum differs.",
            f"Delete it and run: rembg d {NETWORK}",
        )
    return path


def _homes() -> list[Path]:
    """Folders in which rembg looks: as its variables say, the present and the older ones."""
    named, data = os.environ.get("U2NET_HOME"), os.environ.get("XDG_DATA_HOME")
    base = Path(data) if data else Path.home()
    legacy = Path(named) if named else base / ".u2net"
    present = os.environ.get("REMBG_HOME") or (base / "rembg" if data else base / ".rembg")
    return [path.expanduser() for path in dict.fromkeys((legacy if named else Path(present), legacy))]


def _no_library(lacking: str | None) -> MissingComponentError:
    return MissingComponentError(
        "rembg_missing",
        f"rembg is not installed ({lacking} is missing).",
        "Run in the engine's environment: python -m pip install rembg; or take --foreground plain.",
    )
