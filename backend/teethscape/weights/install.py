"""Install, import and verify known models; each ends as one safetensors file with a record."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from teethscape.dental.files import nearest_existing, storage_errors
from teethscape.dental.lock import exclusive
from teethscape.errors import BadInputError, MissingComponentError, ResourceError, UsageError
from teethscape.progress import Progress, ToolStage
from teethscape.weights.catalogue import KnownModel, known_model, known_models, model_of_file
from teethscape.weights.convert import Storing, convert
from teethscape.weights.download import Wanted, download
from teethscape.weights.layout import differences, layouts, recognise
from teethscape.weights.open_file import SUFFIXES, open_weights
from teethscape.weights.store import (
    Installed,
    file_sha256,
    installed,
    looks_installed,
    models_folder,
    record_path,
    remember,
    weights_path,
)
from teethscape.weights.tensor_table import compare, require_table, table_of
from teethscape.weights.tensors import FileKind, TensorInfo

#: The download and its conversion lie on the disk at the same time.
_COPIES = 2.1
#: What a downloaded file may be that is worth no more than to be downloaded again.
_DAMAGED = ("weights_checksum", "weights_damaged", "weights_differ")


@dataclass(frozen=True)
class Verdict:
    """What became of the check of an installed model.

    Attributes:
        model: its id.
        ok: it is as it was installed.
        message: in words.
    """

    model: str
    ok: bool
    message: str


def install(model: KnownModel, accepted: bool, progress: Progress) -> Installed:
    """Download, check and convert a model; nothing is done when it is there already and whole.

    Args:
        model: which one.
        accepted: the user has seen and accepted the licence.
        progress: told of every step.

    Raises:
        UsageError: the licence was not accepted.
        MissingComponentError: the model has no direct address.
        ResourceError: the network or the disk fails.
    """
    present = whole(model, progress)
    if present is not None:
        return present
    if not model.urls:
        raise MissingComponentError(
            "weights_by_hand",
            f"{model.title} has no direct address.",
            f"Download it by hand ({model.page}), then run: teethscape weights import FILE",
        )
    if not accepted:
        raise UsageError(
            "licence_not_accepted",
            f"The licence of {model.title} ({model.licence}) was not accepted.",
            "Read it and run the command again with --accept-licence.",
        )
    with _alone(model):
        source = models_folder() / model.id / model.file
        record = _adopt_former(model, source, progress)
        if record is None:
            _fetch(model, source, progress)
            record = _adopt(model, source, progress)
        source.unlink()
        return record


def _adopt_former(model: KnownModel, source: Path, progress: Progress) -> Installed | None:
    """Adopt what an interrupted installation had downloaded; a damaged file is deleted."""
    if not source.is_file():
        return None
    _require_space(model, source)
    try:
        return _adopt(model, source, progress)
    except BadInputError as error:
        if error.code not in _DAMAGED:
            raise
        with storage_errors(source):
            source.unlink()
        return None


def _fetch(model: KnownModel, source: Path, progress: Progress) -> None:
    _require_space(model, source)
    progress.stage(ToolStage.DOWNLOAD, 0.0, model.file)
    wanted = Wanted(model.addresses, model.sha256, source)
    download(wanted, lambda done, total: _tell_download(progress, model, done, total))


def whole(model: KnownModel, progress: Progress) -> Installed | None:
    """What is remembered of a model whose file is as it was installed; None when it is not, or was damaged.

    Args:
        model: which one.
        progress: told of the checksum.
    """
    if not looks_installed(model.id):
        return None
    record = installed(model.id)
    return record if record is not None and _unchanged(record, progress) else None


def import_path(path: Path, wanted: str | None, progress: Progress) -> list[Installed]:
    """Import a file, or every known model in a folder.

    Args:
        path: the file or folder; it stays as it is.
        wanted: id of the model that the file must be; None to recognise it.
        progress: told of every step.

    Raises:
        BadInputError: the path does not exist, no known model is there, or a file is damaged.
    """
    if not path.exists():
        raise BadInputError("file_missing", f"{path} does not exist.", "Check the path.")
    if path.is_dir():
        files = sorted(f for f in path.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file())
        found = [(file, name) for file in files if (name := _model_in(file)) and wanted in (None, name)]
    else:
        name = wanted or _model_in(path)
        found = [(path, name)] if name else []
    if not found:
        raise BadInputError(
            "weights_unknown",
            f"{path} holds none of the known models.",
            "Look into it with: teethscape weights inspect FILE; see teethscape weights list.",
        )
    records = []
    for file, name in found:
        model = known_model(name)
        with _alone(model):
            records.append(_adopt(model, file, progress))
    return records


def verify(names: list[str], progress: Progress) -> list[Verdict]:
    """Check installed models by their checksums and their tensors' names and shapes.

    Args:
        names: ids; empty for all that are installed.
        progress: told of every step.

    Raises:
        MissingComponentError: a model that was named is not installed.
    """
    for name in names:
        if installed(known_model(name).id) is None:
            raise MissingComponentError(
                "weights_missing", f"{name} is not installed.", f"Run: teethscape weights install {name}"
            )
    chosen = names or [name for name in known_models() if record_path(name).is_file()]
    return [_verdict(name, progress) for name in chosen]


def _model_in(path: Path) -> str | None:
    """The id of the model that a file is: by its tensors, else by its published name."""
    try:
        with open_weights(path) as weights:
            tensors = weights.contents.tensors
            table = table_of(tensors)
            found = recognise(tensors) or (table.model if table else None)
    except BadInputError:
        found = None
    named = model_of_file(path.name)
    return found or (named.id if named else None)


def _adopt(model: KnownModel, source: Path, progress: Progress) -> Installed:
    """Check a source file, convert it and remember it."""
    size = max(source.stat().st_size, 1)
    digest = file_sha256(source, lambda done: progress.stage(ToolStage.VERIFY, done / size, source.name))
    checked = _checked(model, source, digest)
    target = weights_path(model.id)
    notes = {"teethscape_model": model.id, "source": source.name, "source_sha256": digest}
    progress.stage(ToolStage.CONVERT, 0.0, model.title)
    with open_weights(source) as weights:
        table = table_of(weights.contents.tensors)
    storing = Storing.of(table) if model.half and table is not None else Storing()
    convert(
        source, target, notes, storing, lambda share: progress.stage(ToolStage.CONVERT, share, model.title)
    )
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    record = Installed(
        model.id,
        target.stat().st_size,
        file_sha256(target),
        source.name,
        digest,
        checked,
        model.licence,
        stamp,
    )
    remember(record)
    return record


def _checked(model: KnownModel, source: Path, digest: str) -> str:
    """How a source file proved to be the model.

    Raises:
        BadInputError: it is another file, or a damaged one.
    """
    if model.sha256 is not None and digest == model.sha256:
        return "checksum"
    with open_weights(source) as weights:
        contents = weights.contents
    if model.sha256 is not None and contents.kind is not FileKind.SAFETENSORS:
        raise BadInputError(
            "weights_checksum",
            f"{source.name} is not the published {model.file}: its checksum differs.",
            "Download it again; it may be cut short or altered.",
        )
    table = table_of(contents.tensors)
    if table is not None and table.model == model.id:
        require_table(source.name, contents, table)
    wrong = _wrong(model.id, contents.tensors)
    if wrong:
        raise BadInputError(
            "weights_differ",
            f"{source.name} is not {model.title}: {'; '.join(wrong[:3])}.",
            "Look into it with: teethscape weights inspect FILE",
        )
    return "keys and shapes"


def _wrong(name: str, tensors: Sequence[TensorInfo]) -> list[str]:
    """What a model has otherwise than published; a table knows what may be absent, a layout does not."""
    table = table_of(tensors)
    if table is not None and table.model == name:
        return compare(tensors, table).words()
    return differences(tensors, layouts()[name])


def _verdict(name: str, progress: Progress) -> Verdict:
    try:
        record = installed(name)
        if record is None:
            return Verdict(name, False, "the file is missing; install or import it again")
        if not _unchanged(record, progress):
            return Verdict(name, False, "the file has changed; install or import it again")
        with open_weights(weights_path(name)) as weights:
            wrong = _wrong(name, weights.contents.tensors)
    except BadInputError as error:
        return Verdict(name, False, error.message)
    return Verdict(name, not wrong, "; ".join(wrong) or f"whole; the source was checked by {record.checked}")


def _unchanged(record: Installed, progress: Progress) -> bool:
    """Whether a model's file has the checksum that is remembered."""
    size = max(record.bytes, 1)
    told = partial(_tell_check, progress, record.id, size)
    return file_sha256(weights_path(record.id), told) == record.sha256


def _tell_check(progress: Progress, name: str, size: int, done: int) -> None:
    progress.check_cancelled()
    progress.stage(ToolStage.VERIFY, min(done / size, 1.0), name)


def _tell_download(progress: Progress, model: KnownModel, done: int, total: int) -> None:
    progress.check_cancelled()
    whole = total or model.bytes
    words = f"{model.file} {done / 1e6:.0f} of {whole / 1e6:.0f} MB"
    progress.stage(ToolStage.DOWNLOAD, min(done / whole, 1.0), words)


def _require_space(model: KnownModel, source: Path) -> None:
    part = source.with_name(source.name + ".part")
    there = part.stat().st_size if part.is_file() else 0
    needed = int(model.bytes * _COPIES) - there
    free = shutil.disk_usage(nearest_existing(models_folder())).free
    if free < needed:
        raise ResourceError(
            "disk_full",
            f"{model.title} needs {needed / 1e9:.1f} GB of free space in {models_folder()}, "
            f"there are {free / 1e9:.1f} GB.",
            "Free some space, or name another folder in the variable TEETHSCAPE_MODELS.",
        )


@contextmanager
def _alone(model: KnownModel) -> Iterator[None]:
    """One installation of a model at a time."""
    with storage_errors(models_folder()), exclusive(models_folder() / model.id / "lock"):
        yield
