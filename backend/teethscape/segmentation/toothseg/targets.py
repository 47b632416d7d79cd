"""Where results may go: never over the pictures, masks and networks that they are made from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from teethscape.errors import UsageError
from teethscape.segmentation.toothseg.index import Item


def files_of(items: Iterable[Item]) -> list[Path]:
    """Pictures, masks and gums of a data set."""
    return [path for item in items for path in (item.image, item.mask, item.gum) if path is not None]


def networks_of(checkpoints: Iterable[Path]) -> list[Path]:
    """Checkpoints with the cards beside them."""
    return [path for checkpoint in checkpoints for path in (checkpoint, checkpoint.with_suffix(".json"))]


def predicted(folder: Path, item: Item) -> Path:
    """File of a picture's predicted label image."""
    return folder / f"{item.pair_id}.png"


def require_free(targets: Iterable[Path], read: Iterable[Path]) -> None:
    """Refuse results that would replace what is read, however their paths are spelled.

    Raises:
        UsageError: one would.
    """
    kept = {path.resolve() for path in read}
    for target in targets:
        if target.resolve() in kept:
            raise UsageError(
                "same_folder", f"The result would replace {target}.", "Give another file or folder."
            )


def require_free_predictions(folder: Path, items: Iterable[Item], known: Iterable[Item]) -> None:
    """Refuse a folder in which label images would replace pictures or masks, or stand for them by name.

    Args:
        folder: where the label images go.
        items: whose label images are written.
        known: everything that the data set holds.

    Raises:
        UsageError: it is such a folder.
    """
    files = files_of(known)
    # A label image 1.png beside the mask 1.jpg would be taken for the mask the next time.
    taken = [*files, *(file.with_suffix(".png") for file in files)]
    require_free([predicted(folder, item) for item in items], taken)
