"""Folders of views: metadata first, then pictures, each whole or absent.

A run that was interrupted leaves metadata and the pictures that were finished; the next
run with the same settings goes on, one with other settings is refused until told to overwrite.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teethscape.dataset import portable_pickle
from teethscape.dataset.published_views import Cameras
from teethscape.dental.files import link_or_copy, remove_leftovers, write_bytes
from teethscape.errors import BadInputError

_FRAME = (
    "world of TeethDreamer: z to the palate, +Y in front, jaw pair centred, largest extent 1; "
    "poses are world to camera, OpenCV axes; angles in radians"
)


@dataclass(frozen=True)
class ViewFolders:
    """Folders that hold the same views, as the published layout repeats the fixed ones.

    Attributes:
        paths: the folders.
        cameras: of the views.
        endings: of a view's files, such as ``("_normal.png",)`` after its three digits.
        meta: stem of the metadata's files.
        facts: what was rendered and how, for the metadata.
    """

    paths: tuple[Path, ...]
    cameras: Cameras
    endings: tuple[str, ...]
    meta: str
    facts: Mapping[str, Any]

    def missing(self, overwrite: bool) -> list[int]:
        """Views that are still to be rendered; nothing is written yet.

        Raises:
            BadInputError: a folder holds views of other settings and may not be overwritten.
        """
        if overwrite:
            return list(range(len(self.cameras)))
        record = self._record({})
        for folder in self.paths:
            found = _read(folder / f"{self.meta}.json") or {}
            same = all(found.get(key) == value for key, value in record.items())
            if self._pictures(folder) and not same:
                raise _differs(folder)
        return [view for view in range(len(self.cameras)) if not self._is_done(view)]

    def begin(self, overwrite: bool, more: Mapping[str, Any]) -> None:
        """Write the metadata, with what is known only now; clear pictures that it does not describe.

        Raises:
            BadInputError: a folder holds views of other settings and may not be overwritten.
        """
        record = self._record(more)
        readable = json.dumps(record, indent=1).encode("utf-8") + b"\n"
        published = portable_pickle.dumps(self.cameras.published_list())
        for folder in self.paths:
            if folder.is_dir():
                remove_leftovers(folder)
            if _read(folder / f"{self.meta}.json") == record and not overwrite:
                continue
            old = self._pictures(folder)
            if old and not overwrite:
                raise _differs(folder)
            for path in old:
                path.unlink()
            write_bytes(folder / f"{self.meta}.pkl", published)
            write_bytes(folder / f"{self.meta}.json", readable)

    def put(self, view: int, pictures: Mapping[str, bytes]) -> None:
        """Write a view's files, given by ending, into the first folder; the others share them."""
        first, *others = self.paths
        for ending in self.endings:
            name = f"{view:03d}{ending}"
            write_bytes(first / name, pictures[ending])
            for folder in others:
                link_or_copy(first / name, folder / name)

    def _is_done(self, view: int) -> bool:
        return all((f / f"{view:03d}{ending}").is_file() for f in self.paths for ending in self.endings)

    def _pictures(self, folder: Path) -> list[Path]:
        return [path for end in self.endings for path in folder.glob(f"[0-9][0-9][0-9]{end}")]

    def _record(self, more: Mapping[str, Any]) -> dict[str, Any]:
        c = self.cameras
        return {
            **self.facts,
            **more,
            "frame": _FRAME,
            "K": c.intrinsics.tolist(),
            "azimuths": c.azimuths.tolist(),
            "elevations": c.elevations.tolist(),
            "distances": c.distances.tolist(),
            "poses": c.poses.tolist(),
        }


def _differs(folder: Path) -> BadInputError:
    return BadInputError(
        "folder_differs",
        f"{folder} holds views that were made otherwise, of another mesh or with other settings.",
        "Give --overwrite to render them anew, or another folder.",
    )


def _read(path: Path) -> Any:
    """Content of a metadata file, or None where there is none that can be read."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
