"""Folders that we know how to read: panoramic X-rays, ultrasound frames, photo cases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path

from teethscape.errors import BadInputError
from teethscape.segmentation.toothseg.index import Item, MaskKind, checked, read_index
from teethscape.segmentation.toothseg.mask_names import is_mask_name, is_mask_path

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
#: Where a case's labels may lie, best first, and what their values mean.
_CASE_LABELS = (
    ("labels/fdi", MaskKind.FDI),
    ("labels/teeth", MaskKind.FDI),
    ("labels/jaws", MaskKind.JAWS),
    ("masks", MaskKind.FDI),
)


class Layout(str, Enum):
    """How a data set lies on disk."""

    INDEX = "index"
    STS = "sts"
    CASES = "cases"
    FOLDERS = "folders"

    __str__ = str.__str__

    @property
    def size(self) -> tuple[int, int]:
        """Height and width that suit its pictures: panoramic X-rays are twice as wide as high."""
        return (256, 512) if self is Layout.STS else (224, 320)


def layout_of(images: Path) -> Layout:
    """Recognise a layout.

    Raises:
        BadInputError: the path does not exist.
    """
    if not images.exists():
        raise BadInputError("folder_missing", f"{images} does not exist.", "Check --images-dir.")
    if images.is_file():
        return Layout.INDEX
    if _sts_parts(images):
        return Layout.STS
    return Layout.CASES if _case_folders(images) else Layout.FOLDERS


def default_size(images: Path) -> tuple[int, int]:
    """Height and width that suit a data set; an index, or a folder, is judged by where its pictures lie."""
    layout = layout_of(images)
    if layout is Layout.INDEX:
        pictures = [item.image for item in read_index(images)]
    elif layout is Layout.FOLDERS:
        pictures = [path.resolve() for path in _without_masks(images, None)]
    else:
        return layout.size
    return Layout.STS.size if pictures and all(map(_in_sts, pictures)) else layout.size


def _in_sts(picture: Path) -> bool:
    """True for a picture of ``{labeled,unlabeled}/images``."""
    return picture.parent.name == "images" and picture.parent.parent.name in ("labeled", "unlabeled")


def find_items(images: Path, masks: Path | None = None) -> tuple[Item, ...]:
    """Everything that a data set holds, by its layout.

    Args:
        images: an index (CSV), a folder in the STS-2D-Tooth layout, a folder of photo
            cases, or a folder of pictures (TG3K and others).
        masks: for a folder of pictures the folder of the masks with the same names; the
            other layouts tell themselves, so it may be the same folder or absent.

    Raises:
        BadInputError: nothing is there, or names do not fit.
    """
    layout = layout_of(images)
    if layout is Layout.INDEX:
        return read_index(images)
    if layout is Layout.STS:
        return checked(_sts_items(images))
    if layout is Layout.CASES:
        return checked(_case_items(images))
    return checked(_folder_items(images, masks))


def _pictures(folder: Path, recursive: bool = False) -> list[Path]:
    paths = folder.rglob("*") if recursive else folder.iterdir()
    return sorted(
        path for path in paths
        if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".") and path.is_file()
    )  # fmt: skip


def _sts_parts(folder: Path) -> list[Path]:
    """Folders of the age groups: the folder itself, or in it, or in its ``processed_2d``."""
    inner = [*sorted(folder.glob("*")), *sorted(folder.glob("processed_2d/*"))]
    groups = [folder] if folder.name in ("adult", "children") else inner
    return [g for g in groups if (g / "labeled" / "images").is_dir() or (g / "unlabeled" / "images").is_dir()]


def _sts_items(folder: Path) -> Iterator[Item]:
    for group in _sts_parts(folder):
        masks = _by_stem(group / "labeled" / "masks")
        for status in ("labeled", "unlabeled"):
            source = group / status / "images"
            for path in _pictures(source) if source.is_dir() else []:
                if is_mask_name(path):
                    continue
                mask = masks.get(path.stem) if status == "labeled" else None
                yield Item(f"{group.name}/{status}/{path.stem}", path, mask, age_group=group.name)


def _by_stem(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in _pictures(folder)} if folder.is_dir() else {}


def _case_folders(folder: Path) -> list[Path]:
    """Folders with ``photos/``, the folder itself included."""
    found = [folder, *sorted(path for path in folder.glob("*") if path.is_dir())]
    return [case for case in found if (case / "photos").is_dir()]


def _case_items(folder: Path) -> Iterator[Item]:
    for case in _case_folders(folder):
        name = case.resolve().name
        labels, kind = next(
            ((case / p, k) for p, k in _CASE_LABELS if (case / p).is_dir()), (None, MaskKind.FDI)
        )
        masks = _by_stem(labels) if labels else {}
        gums = _by_stem(case / "labels" / "gums")
        for path in _pictures(case / "photos"):
            if not is_mask_name(path):
                yield Item(f"{name}/{path.stem}", path, masks.get(path.stem), kind, gums.get(path.stem), name)


def _folder_items(images: Path, masks: Path | None) -> Iterator[Item]:
    """Pictures of a folder, with the masks of the same names when there is another folder for them."""
    if masks is not None and masks.resolve() == images.resolve():
        raise BadInputError(
            "mask_as_image",
            f"{images} would give every picture itself as its mask.",
            "Give --masks-dir another folder, or an index.",
        )
    found = [path.relative_to(images) for path in _without_masks(images, masks)]
    if not found:
        _refuse_masks_alone(images)
    known = {} if masks is None else _masks_of(found, masks)
    for path in found:
        yield Item(path.with_suffix("").as_posix(), images / path, known.get(path))


def _masks_of(pictures: Sequence[Path], masks: Path) -> dict[Path, Path]:
    """The mask of each picture: at the same place, or, where names are unique, of the same name."""
    if not masks.is_dir():
        raise BadInputError("folder_missing", f"{masks} does not exist.", "Check --masks-dir.")
    files = _pictures(masks, recursive=True)
    places = {file.relative_to(masks).with_suffix(""): file for file in files}
    found = {p: places[p.with_suffix("")] for p in pictures if p.with_suffix("") in places}
    names = {file.stem: file for file in files}
    if found or len(names) < len(files) or len({p.stem for p in pictures}) < len(pictures):
        return found
    return {p: names[p.stem] for p in pictures if p.stem in names}


def _without_masks(images: Path, masks: Path | None) -> Sequence[Path]:
    """Pictures below a folder that no mask folder holds; the folder's own name counts, too."""
    inner, above = None if masks is None else masks.resolve(), images.resolve().parent
    return [
        path for path in _pictures(images, recursive=True)
        if not is_mask_path(path.resolve().relative_to(above))
        and not (inner and path.resolve().is_relative_to(inner))
    ]  # fmt: skip


def _refuse_masks_alone(images: Path) -> None:
    """Say why nothing is left of a folder that is full of pictures."""
    pictures = _pictures(images, recursive=True)
    if pictures:
        raise BadInputError(
            "mask_as_image",
            f"By their names, or those of their folders, all {len(pictures)} pictures in {images} are masks.",
            "Give the folder of the pictures, or rename it or them.",
        )


def with_kind(items: Sequence[Item], kind: MaskKind | None) -> tuple[Item, ...]:
    """The items with another meaning of their masks' values, when the user gives one."""
    return tuple(items) if kind is None else tuple(replace(item, kind=kind) for item in items)
