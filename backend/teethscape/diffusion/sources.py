"""Whose jaws are to be painted: a case, or folders of masked photos (specification, sections 1.1 to 1.3)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from teethscape.dataset.farm.layout import jaw_in
from teethscape.dental.case import CaseFolder
from teethscape.dental.fdi import Jaw, Jaws
from teethscape.dental.masks import read_label_image
from teethscape.dental.views import View
from teethscape.dental.wishes import Backdrop
from teethscape.diffusion.pictures import read_picture
from teethscape.errors import BadInputError
from teethscape.progress import Progress
from teethscape.segmentation.clicks.pictures import ORDER, Background, jaw_mask, masked_square

_FILES = tuple(f"{number:03d}.png" for number in range(4))


@dataclass(frozen=True)
class JawPhotos:
    """The four photos of a jaw's teeth.

    Attributes:
        name: of the result, such as ``1832_upper``.
        jaw: which one.
        pictures: anterior, right buccal, left buccal and occlusal photo (the patient's right and left),
            RGB or RGBA, everything but the jaw's teeth gone.
    """

    name: str
    jaw: Jaw
    pictures: tuple[Image.Image, ...]


def read_source(
    path: Path, jaws: Jaws, backdrop: Backdrop, progress: Progress, name: str | None = None
) -> list[JawPhotos]:
    """All jaws that a case or a folder holds.

    Args:
        path: a case, a folder with the files 000.png to 003.png, or a folder of such folders; the folders'
            names say ``upper`` or ``lower``.
        jaws: which jaws are wanted.
        backdrop: what stands behind the teeth.
        progress: told what was left out.
        name: what results of a case are named after; None: its folder.

    Raises:
        BadInputError: nothing of the kind is there, or a picture is damaged.
    """
    if not path.is_dir():
        raise BadInputError(
            "folder_missing", f"{path} is no folder.", "Give a case or a folder of masked photos."
        )
    if (path / "case.json").is_file():
        name = name or path.resolve().name
        return [_of_case(path, jaw, backdrop, name) for jaw in _jaws_of_case(path, jaws)]
    folders = [path] if (path / _FILES[0]).is_file() else sorted(p for p in path.iterdir() if p.is_dir())
    found = [one for folder in folders if (one := _of_folder(folder, jaws, backdrop, progress)) is not None]
    if not found:
        raise BadInputError(
            "no_masked_photos",
            f"{path} holds no masked photos of the jaws that are wanted.",
            "Make them with: teethscape segment PHOTOS --output DIR --pictures",
        )
    return found


def _of_folder(folder: Path, jaws: Jaws, backdrop: Backdrop, progress: Progress) -> JawPhotos | None:
    files = [folder / name for name in _FILES]
    if not any(file.is_file() for file in files):
        return None
    jaw = jaw_in(folder.resolve().name)
    if jaw is None:
        progress.warn(
            "jaw_unknown", f"{folder.name} was left out: its name says neither upper nor lower, or both."
        )
        return None
    if jaw not in jaws.members:
        return None
    return JawPhotos(folder.resolve().name, jaw, tuple(read_picture(file, backdrop) for file in files))


_BACKGROUND = {
    Backdrop.AS_GIVEN: Background.BLACK, Backdrop.BLACK: Background.BLACK, Backdrop.WHITE: Background.RGBA,
}  # fmt: skip


def _jaws_of_case(path: Path, wanted: Jaws) -> list[Jaw]:
    """Those of the wanted jaws that a case was made for."""
    request = CaseFolder(path).read_record()["request"]
    made = Jaws(request.get("jaws", Jaws.BOTH.value))
    jaws = [jaw for jaw in wanted.members if jaw in made.members]
    if not jaws:
        raise BadInputError(
            "no_masked_photos",
            f"{path} was made for the {made.value} jaw alone.",
            "Run teethscape reconstruct for the other jaw too.",
        )
    return jaws


def _of_case(path: Path, jaw: Jaw, backdrop: Backdrop, name: str) -> JawPhotos:
    """Cut out of the case's photos with its masks; the published tool cuts on black."""
    case = CaseFolder(path)
    pictures = tuple(_cut(case, view, jaw, _BACKGROUND[backdrop]) for view in ORDER[jaw])
    return JawPhotos(f"{name}_{jaw.value}", jaw, pictures)


def _cut(case: CaseFolder, view: View, jaw: Jaw, background: Background) -> Image.Image:
    path = case.photo(view)
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise BadInputError(
            "file_missing", f"{path} does not exist.", "Run teethscape reconstruct on the photos first."
        ) from None
    mask = jaw_mask(read_label_image(case.mask(view)), jaw)
    if mask.shape != pixels.shape[:2]:
        raise BadInputError(
            "mask_size", f"{case.mask(view)} has another size than its photo.", "Run it anew."
        )
    if not mask.any():
        raise BadInputError(
            "mask_empty", f"{case.mask(view)} marks no tooth of the {jaw.value} jaw.", "Correct the mask."
        )
    return Image.fromarray(masked_square(pixels, mask, background))
