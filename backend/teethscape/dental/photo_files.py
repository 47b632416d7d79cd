"""Which files of a folder are the photos, before anyone looks at the pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from teethscape.dental.fdi import Jaws
from teethscape.dental.views import View, views_needed
from teethscape.errors import BadInputError

#: File types that count as photos when a folder is searched.
PHOTO_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff", ".webp", ".bmp", ".heic", ".heif", ".hif", ".avif"}
)


def assign_files(folder: Path, jaws: Jaws) -> dict[View, Path]:
    """Choose the file of each view that a job needs.

    Where the names do not tell the views, a view that is not needed gets its file as well: which of them
    shows it only the pictures tell.

    Raises:
        BadInputError: the folder cannot be read, or holds too few or too many
            photos.
    """
    needed = views_needed(jaws)
    files = list_photos(folder)
    numbered = _numbered(files)
    if all(view in numbered for view in needed):
        return {view: numbered[view] for view in needed}
    if 0 < len(numbered) == len(files) < len(needed):
        raise missing_photos([view for view in needed if view not in numbered], f" in {folder}")
    if len(files) < len(needed):
        raise BadInputError(
            "too_few_photos",
            f"{folder} holds {len(files)} photo(s), but {len(needed)} are needed: "
            f"{', '.join(view.title for view in needed)}.",
            "Add the missing photos, or name the ones you have 0 to 4 to see which are missing.",
        )
    if len(files) > len(View):
        raise BadInputError(
            "too_many_photos",
            f"{folder} holds {len(files)} photos, but one patient has at most {len(View)}.",
            "Put the photos of one patient into a folder of their own, or name them 0 to 4.",
        )
    order = needed if len(files) == len(needed) else tuple(View)
    return dict(zip(order, files, strict=False))


def list_photos(folder: Path) -> list[Path]:
    """Picture files of a folder in natural order (``IMG_2`` before ``IMG_10``)."""
    try:
        entries = [path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file()]
    except FileNotFoundError:
        raise BadInputError(
            "folder_missing", f"The folder {folder} does not exist.", "Check the path."
        ) from None
    except NotADirectoryError:
        raise BadInputError(
            "not_a_folder", f"{folder} is a file.", "Give the folder that holds the photos."
        ) from None
    except PermissionError:
        raise BadInputError(
            "folder_permission",
            f"The folder {folder} may not be read by this user.",
            "Give yourself permission to read the folder, or copy the photos elsewhere.",
        ) from None
    taken = {path.stem for path in entries if _is_photo(path)}
    # A numbered file of another kind is meant to be a photo, and refused by name, unless it belongs to one.
    photos = [path for path in entries if _is_photo(path) or (_is_numbered(path) and path.stem not in taken)]
    return sorted(photos, key=lambda path: _natural(path.name))


def missing_photos(missing: Sequence[View], where: str) -> BadInputError:
    """The refusal that names the views without a photo."""
    names = ", ".join(f"{view.value} ({view.title})" for view in missing)
    return BadInputError(
        "photos_missing",
        f"Photo{'s' if len(missing) > 1 else ''} missing{where}: {names}.",
        "Add the missing view, or choose one jaw: the upper needs photos 0-3, the lower 0-2 and 4.",
    )


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in PHOTO_SUFFIXES


def _is_numbered(path: Path) -> bool:
    return path.stem in {str(view.value) for view in View}


def _numbered(files: Sequence[Path]) -> dict[View, Path]:
    found: dict[View, Path] = {}
    for path in filter(_is_numbered, files):
        view = View(int(path.stem))
        if view in found:
            raise BadInputError(
                "photo_ambiguous",
                f"{found[view].name} and {path.name} both claim to be photo {view.value} ({view.title}).",
                "Keep one of the two.",
            )
        found[view] = path
    return found


def _natural(name: str) -> list[tuple[int, str]]:
    parts = re.findall(r"\d+|\D+", name.casefold())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
