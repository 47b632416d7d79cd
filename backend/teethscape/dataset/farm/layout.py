"""Names of the TeethDreamer layout, and of what we keep beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from teethscape.dental.fdi import Jaw

#: Views that condition each jaw, in the loader's order; the last one is the occlusal photo.
VIEW_NAMES = {Jaw.UPPER: ("front", "left", "right", "down"), Jaw.LOWER: ("front", "left", "right", "up")}
TARGET, NORMAL, INPUT, PHOTO = "target", "normal", "input", "photo"
#: Stems of the files that hold a view folder's cameras; the published normals have none, ours do.
META_STEMS = {TARGET: "meta", NORMAL: "meta_normal", INPUT: "meta"}
#: Label images of a synthetic photograph.
PHOTO_LABELS = ("fdi", "jaws", "gums", "normals", "depth")
#: Folders that hold cases; nothing else belongs into them.
CASE_FOLDERS = (TARGET, NORMAL, INPUT, PHOTO)
CASES = "cases"
SPLITS = "mv-splits.pkl"
ALL_SPLITS = "splits.json"
SETTINGS = "dataset.json"
#: Pictures per view folder.
IMAGES = 16
_JAW = re.compile(r"[-_ ]?(norm[-_ ])?(upper|lower)$", re.IGNORECASE)


@dataclass(frozen=True)
class ViewFolders:
    """The folders of one jaw's case.

    Attributes:
        uid: ``{parent folder}_{file stem}`` of the mesh.
        jaw: which camera set it has.
    """

    uid: str
    jaw: Jaw

    def names(self, kind: str) -> tuple[str, ...]:
        """Folders such as ``target/P1_norm_upper_front``, one per conditioning view."""
        return tuple(f"{kind}/{self.uid}_{view}" for view in VIEW_NAMES[self.jaw])

    def images(self, kind: str, count: int = IMAGES) -> tuple[str, ...]:
        """All pictures of a kind."""
        end = "_normal.png" if kind == NORMAL else ".png"
        return tuple(f"{folder}/{k:03d}{end}" for folder in self.names(kind) for k in range(count))

    def metadata(self, kind: str) -> tuple[str, ...]:
        """The camera files of a kind."""
        return tuple(f"{folder}/{META_STEMS[kind]}.pkl" for folder in self.names(kind))


def uid_of(mesh: Path) -> str:
    """The published scripts' name of a mesh: parent folder and stem."""
    mesh = mesh.absolute()
    return f"{mesh.parent.name}_{mesh.stem}"


def jaw_in(uid: str) -> Jaw | None:
    """The jaw that a name speaks of; None when it speaks of none or of both."""
    found = {jaw for jaw in Jaw if jaw.value in uid.lower()}
    return found.pop() if len(found) == 1 else None


def patient_in(uid: str) -> str:
    """A name without its jaw, so that both jaws of a patient get the same."""
    return _JAW.sub("", uid) or uid


def partner_of(path: Path, jaw: Jaw) -> Path | None:
    """The other jaw's file beside this one, or None."""
    other = Jaw.LOWER if jaw is Jaw.UPPER else Jaw.UPPER
    start = path.stem.lower().rfind(jaw.value)
    if start < 0:
        return None
    stem = path.stem[:start] + other.value + path.stem[start + len(jaw.value) :]
    found = path.with_name(stem + path.suffix)
    return found if found.is_file() else None


def manifest_name(uid: str) -> str:
    """The file whose presence makes a case complete."""
    return f"{CASES}/{uid}.json"


def photo_files(uid: str) -> tuple[str, ...]:
    """Files without which a case of synthetic photographs is not complete."""
    folder = f"{PHOTO}/{uid}"
    photos = (f"{folder}/photos/{k}.jpg" for k in range(5))
    labels = (f"{folder}/labels/{name}/{k}.png" for name in PHOTO_LABELS for k in range(5))
    return (f"{folder}/cameras.json", f"{folder}/patient.json", *photos, *labels)
