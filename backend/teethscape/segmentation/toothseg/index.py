"""The index of a data set: which picture belongs to which mask and patient.

Everything that trains reads an index, never a bare folder, so that a mask cannot be
taken for a picture and one patient cannot stand on both sides of a split.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from pathlib import Path, PureWindowsPath

from teethscape.dental.files import write_bytes
from teethscape.errors import BadInputError
from teethscape.segmentation.toothseg.mask_names import is_mask_path

COLUMNS = ("pair_id", "image", "mask", "mask_kind", "gum", "patient", "age_group")
#: Columns of the index that is published with STS-2D-Tooth.
_STS_COLUMNS = ("rel_path", "age_group", "label_status", "is_mask", "pair_id")

#: Words of its column ``is_mask``, as spreadsheets and pandas write them.
_TRUE = frozenset({"1", "1.0", "true", "t", "yes", "y"})
_FALSE = frozenset({"0", "0.0", "false", "f", "no", "n"})


class MaskKind(str, Enum):
    """What a mask's pixel values mean."""

    WHITE = "white"  # above 127 is foreground
    LABELS = "labels"  # any number but 0 is foreground
    FDI = "fdi"
    JAWS = "jaws"

    __str__ = str.__str__


@dataclass(frozen=True)
class Item:
    """A picture and what is known of it.

    Attributes:
        pair_id: unique name of picture and mask.
        image: the picture.
        mask: its labels, None when nobody labelled it.
        kind: what the mask's values mean.
        gum: label image of the gums, if there is one.
        patient: who is shown; pictures of one patient stay together in a split.
        age_group: such as ``adult``; empty when unknown.
    """

    pair_id: str
    image: Path
    mask: Path | None = None
    kind: MaskKind = MaskKind.WHITE
    gum: Path | None = None
    patient: str = ""
    age_group: str = ""

    @property
    def owner(self) -> str:
        """What must not be split: the patient, or the picture alone."""
        return self.patient or self.pair_id


def checked(items: Iterable[Item]) -> tuple[Item, ...]:
    """The items sorted by name.

    Raises:
        BadInputError: there is none, a name or a picture stands twice, or a picture is somebody's mask.
    """
    ordered = tuple(sorted(items, key=lambda item: item.pair_id))
    if not ordered:
        raise BadInputError("no_pictures", "The data set holds no picture.", "Check --images-dir.")
    for one, other in pairwise(ordered):
        if one.pair_id == other.pair_id:
            raise BadInputError(
                "pair_twice",
                f"The name {one.pair_id} stands twice in the data set.",
                "Rename one of the two.",
            )
    _require_single_use(ordered)
    return ordered


def _require_single_use(items: Sequence[Item]) -> None:
    """Refuse a file that is two pictures, or picture and mask; links and spelling do not hide it."""
    masks = {path.resolve() for item in items for path in (item.mask, item.gum) if path is not None}
    names: dict[Path, str] = {}
    for item in items:
        image = item.image.resolve()
        if image in masks:
            raise BadInputError(
                "mask_as_image", f"{item.image} is used as a picture and as a mask.", "Correct the index."
            )
        if image in names:
            # One of the two could train and the other test.
            raise BadInputError(
                "pair_twice",
                f"{names[image]} and {item.pair_id} name the same picture, {item.image}.",
                "Take one of the two out.",
            )
        names[image] = item.pair_id


def labelled(items: Sequence[Item]) -> tuple[Item, ...]:
    """Those with a mask.

    Raises:
        BadInputError: none has one.
    """
    found = tuple(item for item in items if item.mask is not None)
    if not found:
        raise BadInputError(
            "no_masks", f"None of the {len(items)} pictures has a mask.", "Check --masks-dir and the layout."
        )
    return found


def write_index(path: Path, items: Sequence[Item]) -> None:
    """Write an index; paths below its folder are written relative to it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for item in items:
        image, mask, gum = (_relative(p, path.parent) for p in (item.image, item.mask, item.gum))
        writer.writerow([item.pair_id, image, mask, item.kind.value, gum, item.patient, item.age_group])
    write_bytes(path, text.getvalue().encode("utf-8"))


def _relative(path: Path | None, folder: Path) -> str:
    if path is None:
        return ""
    path, folder = path.absolute(), folder.absolute()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def read_index(path: Path) -> tuple[Item, ...]:
    """Read our index, or the one of STS-2D-Tooth, whose paths are relative to it.

    Raises:
        BadInputError: the file is missing, has other columns, names files that do not exist, or holds
            a value without a meaning.
    """
    columns, rows = _rows(path)
    if set(_STS_COLUMNS) <= columns:
        items = _sts_items(rows, path)
    elif {"pair_id", "image"} <= columns:
        items = [_item(row, path) for row in rows]
    else:
        raise BadInputError(
            "index_columns",
            f"{path} has neither the columns {', '.join(COLUMNS)} nor those of sts2d_index.csv.",
            "Write one with: teethscape train segmenter index",
        )
    for item in items:
        _require_inner(item.pair_id, path)
        _refuse_mask(item.image, path)
        for file in (item.image, item.mask, item.gum):
            if file is not None and not file.is_file():
                raise BadInputError(
                    "file_missing", f"{path} names {file}, which does not exist.", "Correct it."
                )
    return checked(items)


def _require_inner(name: str, path: Path) -> None:
    """Refuse names that lead out of the folder in which results are called after them.

    Windows' reading of a name knows every separator and drive, so one index holds everywhere.
    """
    parts = PureWindowsPath(name)
    if parts.anchor or ".." in parts.parts:
        raise BadInputError(
            "index_value",
            f"The pair_id '{name}' in {path} leads out of its folder.",
            "Write names without '..', a leading '/' or a drive.",
        )


def _refuse_mask(image: Path, path: Path) -> None:
    """Refuse pictures that are masks by name; outside of the index's folder, their last folder counts."""
    file, folder = image.resolve(), path.parent.resolve()
    if is_mask_path(file.relative_to(folder) if file.is_relative_to(folder) else Path(*file.parts[-2:])):
        raise BadInputError(
            "mask_as_image",
            f"{path} names {image} as a picture, which by its name or its folder's is a mask.",
            "Take it out, or rename the file or the folder.",
        )


def _rows(path: Path) -> tuple[set[str], list[dict[str, str]]]:
    """Names of the columns, and the lines below them."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            rows = [{key: value or "" for key, value in row.items() if key} for row in reader]
            return set(reader.fieldnames or ()), rows
    except FileNotFoundError:
        raise BadInputError("file_missing", f"{path} does not exist.", "Check the path.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInputError(
            "index_columns", f"{path} is no CSV file ({error}).", "Save it as UTF-8 CSV."
        ) from error


def _item(row: dict[str, str], path: Path) -> Item:
    def place(name: str) -> Path | None:
        return path.parent / row[name] if row.get(name) else None

    image = place("image")
    kind = row.get("mask_kind") or MaskKind.WHITE.value
    if image is None or not row["pair_id"] or kind not in [k.value for k in MaskKind]:
        raise BadInputError("index_columns", f"A line of {path} is incomplete: {row}.", "Correct it.")
    return Item(
        row["pair_id"], image, place("mask"), MaskKind(kind), place("gum"),
        row.get("patient", ""), row.get("age_group", ""),
    )  # fmt: skip


def _sts_items(rows: Sequence[dict[str, str]], path: Path) -> list[Item]:
    """Pictures of the published index, each with the mask of the same pair."""
    folder, told = path.parent, [_is_mask(row, path) for row in rows]
    masks = {row["pair_id"]: folder / row["rel_path"] for row, mask in zip(rows, told, strict=True) if mask}
    return [
        Item(
            row["pair_id"] or Path(row["rel_path"]).with_suffix("").as_posix(),
            folder / row["rel_path"],
            masks.get(row["pair_id"]) if row["pair_id"] else None,
            age_group=row["age_group"],
        )
        for row, mask in zip(rows, told, strict=True)
        if not mask
    ]


def _is_mask(row: dict[str, str], path: Path) -> bool:
    """What a row says of itself; a mask that was taken for a picture would be learned.

    Raises:
        BadInputError: the word is neither true nor false.
    """
    word = row["is_mask"].strip().lower()
    if word not in _TRUE | _FALSE:
        raise BadInputError(
            "index_value",
            f"{path} says is_mask '{row['is_mask']}' of {row['rel_path']}, which is neither true nor false.",
            "Write 1 or 0.",
        )
    return word in _TRUE
