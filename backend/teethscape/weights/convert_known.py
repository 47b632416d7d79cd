"""``teethscape weights convert``: known networks are checked tensor by tensor, others taken as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from teethscape.errors import BadInputError, UsageError
from teethscape.progress import Progress, ToolStage
from teethscape.segmentation.toothseg.card import Card, note_of, settings_in
from teethscape.segmentation.toothseg.expected import summed_up
from teethscape.weights.catalogue import model_of_file
from teethscape.weights.convert import Storing, convert
from teethscape.weights.inspect_file import toothseg_network
from teethscape.weights.layout import differences, layouts, recognise
from teethscape.weights.open_file import open_weights
from teethscape.weights.photo_latents import photos_matter, sentence
from teethscape.weights.store import file_sha256
from teethscape.weights.tensor_table import Table, require_no_code, require_table, table_of, teethdreamer
from teethscape.weights.tensors import Contents


@dataclass(frozen=True)
class Converted:
    """What became of a file.

    Attributes:
        target: the file that was written.
        tensors: how many are in it.
        model: id of the known model, or None.
        checked: names and shapes of how many tensors were compared with what was published.
        beside: tensors of the source that were left out, such as an optimiser's or a copy for training.
        foreign: names of Python objects that were left out.
        toothseg: which ToothSeg network it is, or None.
        photos_matter: whether a TeethDreamer gives weight to the photos' latents; None for other networks.
    """

    target: Path
    tensors: int
    model: str | None
    checked: int
    beside: int
    foreign: tuple[str, ...]
    toothseg: str | None = None
    photos_matter: bool | None = None

    def lines(self) -> Iterator[str]:
        """What a person reads."""
        if self.checked:
            what = self.model or f"ToothSeg network {self.toothseg}"
            yield f"{what}: names and shapes of all {self.checked} tensors are as published."
        yield f"{self.tensors} tensors in {self.target}"
        if self.photos_matter is not None:
            yield sentence(self.photos_matter)
        if self.beside:
            yield f"Left out, because the network does not use them: {self.beside} tensors"
        for name in self.foreign:
            yield f"Left out, because it is no tensor: {name}"

    def to_json(self) -> dict[str, Any]:
        """What a program reads."""
        return {
            "written": str(self.target),
            "tensors": self.tensors,
            "model": self.model,
            "toothseg": self.toothseg,
            "checked": self.checked,
            "beside": self.beside,
            "left_out": list(self.foreign),
            "photos_matter": self.photos_matter,
        }


def convert_any(source: Path, target: Path | None, half: bool | None, progress: Progress) -> Converted:
    """Write a file of weights as safetensors; nothing in it is run.

    Args:
        source: any file that `open_weights` reads.
        target: the file to write; None for the source's name with another ending.
        half: store in half precision; None does so for the networks of the teethdreamer engine.
        progress: told of the steps.

    Raises:
        BadInputError: the file is damaged, carries code, or is a known network, by its name or
            its tensors, with other tensors.
        UsageError: source and target are the same file.
    """
    target = source.with_suffix(".safetensors") if target is None else target
    if target.absolute() == source.absolute():
        raise UsageError("usage", f"{source.name} is safetensors already.", "Give --output another name.")
    with open_weights(source) as weights:
        contents = weights.contents
    table = table_of(contents.tensors, source.name)
    if table is not None:
        require_table(source.name, contents, table)
    else:
        require_no_code(source.name, contents.called)
        _require_named(source.name, contents)
    network = _whole_toothseg(source.name, contents)
    storing = _storing(table, half)
    notes = {"source": source.name, "source_sha256": file_sha256(source)}
    notes |= {"teethscape_model": table.model} if table else {}
    notes |= _remembered(source, contents) if network else {}
    convert(
        source, target, notes, storing, lambda share: progress.stage(ToolStage.CONVERT, share, source.name)
    )
    kept = [t for t in contents.tensors if storing.only is None or t.name in storing.only]
    model = table.model if table else recognise(contents.tensors)
    beside = contents.others + len(contents.tensors) - len(kept)
    checked = len(kept) if table or network else 0
    matter = photos_matter(target) if model == teethdreamer().model else None
    return Converted(target, len(kept), model, checked, beside, contents.foreign, network, matter)


def _require_named(name: str, contents: Contents) -> None:
    """Refuse a file under a published name that is not what was published.

    Raises:
        BadInputError: tensors are missing, or have other names or shapes.
    """
    model = model_of_file(name)
    wrong = differences(contents.tensors, layouts()[model.id]) if model is not None else []
    if model is not None and wrong:
        raise BadInputError(
            "weights_differ",
            f"{name} is not {model.title}: {'; '.join(wrong[:3])}.",
            "Download it again, or give the file another name if it is another network.",
        )


def _whole_toothseg(name: str, contents: Contents) -> str | None:
    """The ToothSeg network that a file holds; None for another one.

    Raises:
        BadInputError: it looks like one, but lacks tensors or has them in other shapes.
    """
    network, differences = toothseg_network(contents.tensors)
    if differences:
        raise BadInputError(
            "weights_differ",
            f"{name} looks like a ToothSeg network, but {summed_up(differences)}.",
            "Look into it with: teethscape weights inspect FILE",
        )
    return network.model.value if network else None


def _remembered(source: Path, contents: Contents) -> dict[str, str]:
    """What a ToothSeg checkpoint, or the card beside it, tells of its training; as metadata.

    Raises:
        BadInputError: the card is damaged.
    """
    return note_of(contents.settings or settings_in(contents.notes), Card.beside(source))


def _storing(table: Table | None, half: bool | None) -> Storing:
    if table is None:
        return Storing(half=bool(half))
    storing = Storing.of(table)
    return storing if half is None else replace(storing, half=half)
