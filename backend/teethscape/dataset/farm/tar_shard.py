"""One shard: a tar whose bytes depend on its cases alone."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from teethscape.dataset.farm.layout import CASE_FOLDERS, NORMAL, TARGET
from teethscape.dataset.farm.store import Store
from teethscape.errors import BadInputError

_BLOCK = 512


def sample_key(uid: str) -> str:
    """A case's key in WebDataset, where everything after the first dot is the part's name."""
    if not set(uid) & set("./\\"):
        return uid
    mark = hashlib.sha256(uid.encode("utf-8")).hexdigest()[:6]  # two names must not become one
    return "".join("_" if letter in "./\\" else letter for letter in uid) + f"-{mark}"


def members(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name in the shard and file of each part of a case, in order.

    ``target/P1_norm_upper_front/003.png`` becomes ``P1_norm_upper.target.front.003.png``; the
    repetitions of the fixed views under the other three names are left out.
    """
    uid, key = manifest["uid"], sample_key(manifest["uid"])
    for name in sorted(manifest["files"]):
        kind, folder, *rest = name.split("/")
        if kind not in CASE_FOLDERS:
            continue
        if manifest["jaw"] is None:  # photo/UID/labels/0.png
            yield f"{key}.{'.'.join(rest)}", name
            continue
        view = folder.removeprefix(f"{uid}_")
        if kind in (TARGET, NORMAL):
            if view != "front":
                continue
            yield f"{key}.{kind}.{'.'.join(rest)}", name
        else:
            yield f"{key}.{kind}.{view}.{'.'.join(rest)}", name


def member_sizes(manifest: Mapping[str, Any]) -> int:
    """Bytes that a case takes in a shard."""
    sizes = [manifest["files"][name]["bytes"] for _, name in members(manifest)]
    return sum(_BLOCK + -(-size // _BLOCK) * _BLOCK for size in sizes) + 2 * _BLOCK


def write_shard(path: Path, source: Store, manifests: Sequence[Mapping[str, Any]]) -> None:
    """Write whole cases one after the other.

    Raises:
        BadInputError: a file is missing, or its checksum is another than when it was rendered.
    """
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for manifest in manifests:
            about = {name: manifest[name] for name in ("uid", "patient", "jaw", "kinds", "look", "source")}
            text = json.dumps(about, sort_keys=True, ensure_ascii=False).encode("utf-8")
            _add(tar, f"{sample_key(manifest['uid'])}.case.json", text)
            for name, file in members(manifest):
                _add(tar, name, _checked(source, file, manifest["files"][file]["sha256"]))


def _checked(source: Store, name: str, wanted: str) -> bytes:
    data = source.read(name)
    if data is None or hashlib.sha256(data).hexdigest() != wanted:
        state = "is missing" if data is None else "is damaged"
        raise BadInputError(
            "dataset_damaged",
            f"{source.place}/{name} {state}.",
            "Delete its manifest in cases/ and render again.",
        )
    return data


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """A member without owner and time."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(data), 0, 0o644
    tar.addfile(entry, io.BytesIO(data))
