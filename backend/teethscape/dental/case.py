"""The case folder: every file that a reconstruction reads back or leaves behind."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from teethscape.dental import fdi
from teethscape.dental.fdi import Jaw
from teethscape.dental.files import (
    remove_leftovers,
    require_folder,
    require_space,
    storage_errors,
    write_json,
)
from teethscape.dental.journal import Journal
from teethscape.dental.lock import exclusive
from teethscape.dental.schema import problems
from teethscape.dental.units import FRAME, ORIGIN, UNIT
from teethscape.dental.views import View
from teethscape.errors import BadInputError

FORMAT = "teethscape-case"
SCHEMA_VERSION = 1
_FOLDERS = ("photos", "masks", "views", "meshes", "overlays", "report", "log")


class CaseFolder:
    """Paths, record and journal of one case.

    Args:
        root: the folder; it may not exist yet.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.journal = Journal(root)

    @property
    def record_path(self) -> Path:
        """``case.json``."""
        return self.root / "case.json"

    def photo(self, view: View) -> Path:
        """Upright working copy without metadata."""
        return self.root / "photos" / f"{view.value}.png"

    def mask(self, view: View) -> Path:
        """FDI label image."""
        return self.root / "masks" / f"{view.value}.png"

    def instances(self, view: View) -> Path:
        """Label image before numbering."""
        return self.root / "masks" / "instances" / f"{view.value}.png"

    def overlay(self, view: View) -> Path:
        """Photo with the projected tooth outlines."""
        return self.root / "overlays" / f"{view.value}.png"

    def jaw_mesh(self, jaw: Jaw) -> Path:
        """All crowns of a jaw in one file."""
        return self.root / "meshes" / f"{jaw.value}.ply"

    def tooth_mesh(self, tooth: int) -> Path:
        """One crown."""
        return self.root / "meshes" / "teeth" / f"{fdi.object_name(tooth)}.ply"

    @property
    def exports(self) -> Path:
        """Folder of other mesh formats."""
        return self.root / "meshes" / "export"

    @property
    def log(self) -> Path:
        """Folder of journal, log and checkpoints."""
        return self.root / "log"

    @contextmanager
    def locked(self) -> Iterator[CaseFolder]:
        """Create the folder if need be and work on it alone.

        Raises:
            BadInputError: not writable, holds something else, is from a newer
                version, or another job works on it.
            ResourceError: the disk is full.
        """
        self.check()
        with storage_errors(self.root):
            self.log.mkdir(parents=True, exist_ok=True)
        with storage_errors(self.root), exclusive(self.log / "lock"):
            remove_leftovers(self.root)
            yield self

    def check(self) -> None:
        """Refuse a place where a case cannot be written, without touching it."""
        require_folder(self.root)
        require_space(self.root)
        with storage_errors(self.root):
            record = self.read_record() if self.record_path.exists() else None
            if record is None and self.root.is_dir():
                self._refuse_strangers()

    def read_record(self) -> dict[str, Any]:
        """The checked content of ``case.json``.

        Raises:
            BadInputError: absent, damaged, or written by a newer version.
        """
        return read_record(self.record_path)

    def read_finished(self) -> dict[str, Any]:
        """The record of a case whose reconstruction is complete."""
        record = self.read_record()
        if record["status"] != "done" or record["scale"] is None:
            raise BadInputError(
                "case_unfinished",
                f"{self.root} is not finished (status: {record['status']}).",
                "Run teethscape reconstruct with the same arguments to resume it.",
            )
        return record

    def write_record(self, values: Mapping[str, Any]) -> None:
        """Check and replace ``case.json``; unit, frame and dates are filled in."""
        now = utc_now()
        record = {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "created": now,
            **values,
            "updated": now,
            "unit": UNIT,
            "frame": {**FRAME, "handedness": "right", "origin": ORIGIN},
        }
        wrong = problems(record, schema())
        if wrong:
            raise ValueError(f"case.json would break its schema: {'; '.join(wrong[:3])}")
        write_json(self.record_path, record)

    def _refuse_strangers(self) -> None:
        """A folder with other things in it is more likely a slip than a wish."""
        strangers = [
            path.name
            for path in self.root.iterdir()
            if path.name not in _FOLDERS and not path.name.startswith(".")
        ]
        if strangers:
            raise BadInputError(
                "output_not_empty",
                f"{self.root} is no case folder and holds other files ({', '.join(sorted(strangers)[:3])}).",
                "Choose a new or empty folder for the case.",
            )


def utc_now() -> str:
    """The time as it stands in records."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def read_record(path: Path) -> dict[str, Any]:
    """Read and check a ``case.json``."""
    try:
        record = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise BadInputError(
            "not_a_case", f"{path.parent} is not a case folder (no {path.name}).", "Check the path."
        ) from None
    except (ValueError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error
    version = record.get("schema_version") if isinstance(record, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise BadInputError(
            "case_newer",
            f"{path.parent} was written by a newer Teethscape (version {version} of case.json).",
            "Update Teethscape, or choose another output folder.",
        )
    wrong = problems(record, schema())
    if wrong:
        raise _damaged(path, wrong[0])
    return record


@cache
def schema() -> dict[str, Any]:
    """The JSON schema of ``case.json``."""
    return json.loads(Path(__file__).with_name("case_schema.json").read_text("utf-8"))


def _damaged(path: Path, reason: str) -> BadInputError:
    return BadInputError(
        "case_damaged",
        f"{path} is damaged ({reason}).",
        "Delete the file to start the case anew, or choose another output folder.",
    )
