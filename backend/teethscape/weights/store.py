"""Where installed weights live, and what is remembered of each."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from teethscape.dental.files import write_json
from teethscape.errors import BadInputError, MissingComponentError
from teethscape.weights.catalogue import known_model

#: Overrides the folder; the extension sets it to ``models`` in the engine's folder.
FOLDER_VARIABLE = "TEETHSCAPE_MODELS"
_MARKER = "engine-folder.json"
_BLOCK = 8 << 20


@dataclass(frozen=True)
class Installed:
    """What is remembered of an installed model.

    Attributes:
        id: of the model.
        bytes: size of the installed file.
        sha256: of the installed file.
        source_name: name of the file that it was made from.
        source_sha256: checksum of that file.
        checked: how that file was checked: ``checksum`` or ``keys and shapes``.
        licence: under which it was installed.
        date: of the installation, UTC.
    """

    id: str
    bytes: int
    sha256: str
    source_name: str
    source_sha256: str
    checked: str
    licence: str
    date: str


def models_folder() -> Path:
    """The folder of installed weights: the one that was named, the engine's, or the user's."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    root = Path(sys.prefix).absolute().parents
    # The installer's engines are ROOT/envs/BUILD/venv.
    if len(root) > 2 and (root[2] / _MARKER).is_file():
        return root[2] / "models"
    return _user_folder() / "models"


def _user_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "Teethscape"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Teethscape"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "teethscape"


def weights_path(model: str) -> Path:
    """The place of an installed model, whether it is there or not."""
    return models_folder() / model / f"{model}.safetensors"


def record_path(model: str) -> Path:
    """What is remembered of it."""
    return models_folder() / model / "installed.json"


def installed(model: str) -> Installed | None:
    """What is remembered of a model; None when it is not installed.

    Raises:
        BadInputError: the record is damaged.
    """
    path = record_path(model)
    if not (path.is_file() and weights_path(model).is_file()):
        return None
    try:
        return Installed(**json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise BadInputError(
            "weights_damaged", f"{path} is damaged.", f"Install it again: teethscape weights install {model}"
        ) from error


def looks_installed(model: str) -> bool:
    """True when its record can be read and its file has the size that the record says; checksums are not."""
    try:
        record = installed(model)
    except BadInputError:
        return False
    return record is not None and weights_path(model).stat().st_size == record.bytes


def remember(record: Installed) -> None:
    """Write the record of a model."""
    write_json(record_path(record.id), asdict(record))


def required_weights(model: str) -> Path:
    """The file of an installed model.

    Raises:
        MissingComponentError: it is not installed; the advice holds the command.
    """
    if installed(model) is None:
        known = known_model(model)
        command = f"teethscape weights install {model}" if known.urls else "teethscape weights import FILE"
        raise MissingComponentError(
            "weights_missing", f"The weights of {known.title} ({model}) are not installed.", f"Run: {command}"
        )
    return weights_path(model)


def file_sha256(path: Path, told: Callable[[int], None] | None = None) -> str:
    """Checksum of a file; ``told`` hears how many bytes were read."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
            done += len(block)
            if told is not None:
                told(done)
    return digest.hexdigest()


def remembered_sha256(path: Path, note: Path, told: Callable[[int], None] | None = None) -> str:
    """Checksum of a file of gigabytes, read again only when its name, size or time of change is another.

    Args:
        path: the file.
        note: where its checksum is remembered; a damaged note is written anew.
        told: hears how many bytes were read.
    """
    stat = path.stat()
    stamp = {"file": path.name, "bytes": stat.st_size, "changed_ns": stat.st_mtime_ns}
    with suppress(OSError, ValueError, TypeError):
        known = dict(json.loads(note.read_text("utf-8")))
        digest = str(known.pop("sha256", ""))
        if known == stamp and len(digest) == 64:
            return digest
    digest = file_sha256(path, told)
    write_json(note, stamp | {"sha256": digest})
    return digest
