"""The use case ``dataset check``: every file, every pose, every split of a data set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from teethscape.dataset import portable_pickle
from teethscape.dataset.farm.check_pictures import picture_problems
from teethscape.dataset.farm.check_poses import pose_problems
from teethscape.dataset.farm.layout import ALL_SPLITS, CASE_FOLDERS, SPLITS
from teethscape.dataset.farm.splits import TRAIN, VAL, read_manifests
from teethscape.dataset.farm.store import Store, open_store
from teethscape.errors import BadInputError, ExitCode
from teethscape.progress import DatasetStage, Progress


@dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Attributes:
        place: file, case or patient.
        message: what is wrong, in one sentence.
    """

    place: str
    message: str


@dataclass(frozen=True)
class CheckReport:
    """What a check found.

    Attributes:
        cases: complete cases.
        files: files that belong to them.
        problems: everything that is wrong.
    """

    cases: int
    files: int
    problems: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; problems give the exit code of bad input."""
        code = ExitCode.BAD_INPUT if self.problems else ExitCode.DONE
        return {**asdict(self), "exit_code": int(code)}


def check_dataset(place: str, quick: bool, progress: Progress) -> CheckReport:
    """Look at everything that a data set holds.

    Args:
        place: folder or URL.
        quick: sizes and names only, no checksums, pixels or poses.
        progress: told how far it is; may cancel.

    Raises:
        BadInputError: there is no data set.
    """
    store = open_store(place)
    manifests = read_manifests(store)
    if not manifests:
        raise BadInputError(
            "no_dataset", f"{place} holds no finished case.", "Give the folder of dataset render."
        )
    found: list[Finding] = []
    for k, manifest in enumerate(manifests.values()):
        progress.check_cancelled()
        found += case_findings(store, manifest, quick)
        progress.stage(DatasetStage.CHECK, (k + 1) / len(manifests), manifest["uid"])
    found += stray_findings(store, manifests)
    found += split_findings(store, manifests)
    return CheckReport(len(manifests), sum(len(m["files"]) for m in manifests.values()), tuple(found))


def case_findings(store: Store, manifest: Mapping[str, Any], quick: bool) -> Iterator[Finding]:
    """What is wrong with the files of one case."""
    whole: dict[str, bytes] = {}
    for name, entry in manifest["files"].items():
        if store.size(name) != entry["bytes"]:
            yield Finding(name, "is missing or has another size than when it was rendered")
        elif not quick:
            data = store.read(name) or b""
            if hashlib.sha256(data).hexdigest() != entry["sha256"]:
                yield Finding(name, "is damaged: its checksum is another")
            else:
                whole[name] = data
    if not quick:
        for name, message in (*picture_problems(manifest, whole), *pose_problems(manifest, whole)):
            yield Finding(name, message)


def stray_findings(store: Store, manifests: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Files that belong to no finished case; a trainer that lists folders would read them."""
    known = {name for manifest in manifests.values() for name in manifest["files"]}
    for folder in CASE_FOLDERS:
        for name in store.names(folder):
            if name not in known:
                yield Finding(name, "belongs to no finished case; render again, or delete it")


def split_findings(store: Store, manifests: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """Whether the splits hold every case once, and every patient on one side."""
    for name, parts in ((SPLITS, _pickled_splits(store)), (ALL_SPLITS, _json_splits(store))):
        if parts is None:
            yield Finding(name, "is missing, damaged, or not of two arrays train and val")
            continue
        wanted = {uid for uid, manifest in manifests.items() if manifest["jaw"] or name == ALL_SPLITS}
        yield from _coverage(name, parts, wanted)
        patients = {
            part: {manifests[u]["patient"] for u in uids if u in manifests} for part, uids in parts.items()
        }
        for patient in sorted(patients[TRAIN] & patients[VAL]):
            yield Finding(name, f"has patient {patient} in both splits")


def _coverage(name: str, parts: Mapping[str, list[str]], wanted: set[str]) -> Iterator[Finding]:
    listed = [uid for uids in parts.values() for uid in uids]
    for uid in sorted(wanted - set(listed)):
        yield Finding(name, f"lacks {uid}")
    for uid in sorted(set(listed) - wanted):
        yield Finding(name, f"lists {uid}, which is no finished case")
    for uid in (
        sorted({uid for uid in listed if listed.count(uid) > 1}) if len(listed) > len(set(listed)) else ()
    ):
        yield Finding(name, f"lists {uid} twice")


def _pickled_splits(store: Store) -> dict[str, list[str]] | None:
    """Splits as the TeethDreamer loader reads them: a dictionary of arrays with a shape."""
    data = store.read(SPLITS)
    try:
        parts = None if data is None else portable_pickle.loads(data, SPLITS)
        return None if parts is None else {part: [str(uid) for uid in parts[part][: parts[part].shape[0]]]
                                           for part in (TRAIN, VAL)}  # fmt: skip
    except (BadInputError, KeyError, TypeError, AttributeError):
        return None


def _json_splits(store: Store) -> dict[str, list[str]] | None:
    try:
        parts = json.loads((store.read(ALL_SPLITS) or b"").decode("utf-8"))
        return {part: [str(uid) for uid in parts[part]] for part in (TRAIN, VAL)}
    except (ValueError, KeyError, TypeError):
        return None
