"""``teethscape generate``: photos of a jaw in, a strip of eight colour and eight normal views out."""

from __future__ import annotations

import gc
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from PIL import Image

from teethscape.anchor.jaw import FittedCrown, FittedJaw, fitted_jaw, jaws_of, read_crowns
from teethscape.anchor.report import JawReport
from teethscape.dental.case import utc_now
from teethscape.dental.fdi import Jaw, Jaws
from teethscape.dental.files import remove_leftovers, require_space, storage_errors, write_json, write_with
from teethscape.dental.lock import exclusive
from teethscape.dental.request import Device
from teethscape.dental.wishes import Backdrop, MemoryMode, Precision
from teethscape.diffusion.card import choose_card
from teethscape.diffusion.memory import LADDER, choose
from teethscape.diffusion.painter import Painter, Recipe, Watching
from teethscape.diffusion.pictures import MONTAGE_ENDING, Floats, montage
from teethscape.diffusion.repaint import Rounds, anchored, is_anchorable
from teethscape.diffusion.schedule import MOST_STEPS
from teethscape.diffusion.sources import JawPhotos, read_source
from teethscape.diffusion.weights_file import read_network, weights_of
from teethscape.errors import BadInputError
from teethscape.progress import GenerateStage, Progress
from teethscape.weights.store import file_sha256, remembered_sha256

_NEEDED_BYTES = 50_000_000
#: Remembers the checksum of the weights, in the folder of the strips.
WEIGHTS_NOTE = "weights.json"
#: Folder of unfinished views, within that of the strips.
_PREVIEWS = "preview"
_LIBRARIES = ("torch", "diffusers", "transformers")


@dataclass(frozen=True)
class GenerateRequest:
    """What to paint, and how.

    Attributes:
        source: a case or a folder of masked photos.
        output: folder of the strips.
        weights: file of the networks; None for the installed one.
        jaws: which jaws.
        recipe: how views are drawn.
        backdrop: what stands behind the teeth of the photos.
        device: where to compute.
        precision: how exactly.
        memory: how the card's memory is used.
        previews: how often unfinished views are shown per jaw.
        anchor: views of a case are compared with its fitted teeth.
        repaint: how often views that disagree are painted again at the most.
        name: what strips of a case are named after; None: its folder.
    """

    source: Path
    output: Path
    weights: Path | None = None
    jaws: Jaws = Jaws.BOTH
    recipe: Recipe = field(default_factory=Recipe)
    backdrop: Backdrop = Backdrop.AS_GIVEN
    device: Device = Device.AUTO
    precision: Precision = Precision.AUTO
    memory: MemoryMode = MemoryMode.AUTO
    previews: int = 4
    anchor: bool = True
    repaint: int = 2
    name: str | None = None


@dataclass(frozen=True)
class Generated:
    """One jaw's result.

    Attributes:
        name: such as ``1832_upper``.
        file: the strip.
        resumed: it was there already and fits the request.
        report: how it agrees with the fitted teeth, when it was compared.
    """

    name: str
    file: Path
    resumed: bool
    report: JawReport | None = None


def generate(
    request: GenerateRequest, progress: Progress, crowns: Mapping[int, FittedCrown] | None = None
) -> list[Generated]:
    """Paint all jaws that a source holds; jaws that are done already are kept.

    Args:
        request: what to paint, and how.
        progress: told of every step.
        crowns: fitted teeth to compare with; None: those of the source, when it is a finished case.

    Raises:
        BadInputError: photos or weights cannot be used.
        MissingComponentError: no weights are installed, or the device is not there.
        ResourceError: memory or disk are too small.
        CancelledError: the user has cancelled; finished jaws stay.
    """
    jaws = read_source(request.source, request.jaws, request.backdrop, progress, request.name)
    weights = weights_of(request.weights)
    require_space(request.output, _NEEDED_BYTES)
    with storage_errors(request.output):
        request.output.mkdir(parents=True, exist_ok=True)
    with storage_errors(request.output), exclusive(request.output / ".lock"):
        remove_leftovers(request.output)
        for jaw in jaws:  # what a cancelled run has shown is not of this one
            _preview_of(request, jaw).unlink(missing_ok=True)
        found = _fitted_crowns(request, progress) if crowns is None else crowns
        fitted = {jaw: fitted_jaw(found, jaw) for jaw in jaws_of(found)} if request.anchor else {}
        try:
            return _paint_all(request, (jaws, fitted), weights, progress)
        finally:  # networks hold themselves in circles; what comes next needs their memory
            gc.collect()


def _paint_all(
    request: GenerateRequest,
    what: tuple[list[JawPhotos], Mapping[Jaw, FittedJaw]],
    weights: Path,
    progress: Progress,
) -> list[Generated]:
    progress.stage(GenerateStage.LOAD, 0.0, weights.name)
    digest = remembered_sha256(weights, request.output / WEIGHTS_NOTE, lambda _: progress.check_cancelled())
    painter = cache(lambda: _painter(request, weights, progress))
    rounds = Rounds(request.repaint, request.recipe, painter)
    jaws, fitted = what
    done = []
    for jaw in jaws:
        file = request.output / f"{jaw.name}{MONTAGE_ENDING}"
        key = _key(request, jaw, digest)
        is_done = _is_done(file, key)
        if is_done:
            progress.warn("jaw_kept", f"{file.name} is done already and was kept.")
        else:
            made_of = {"key": key, "weights": {"file": weights.name, "sha256": digest}}
            _paint_one(request, jaw, painter(), (file, made_of), progress)
        own = fitted.get(jaw.jaw)
        report = None if own is None else anchored(own, jaw, file, rounds, progress)
        done.append(Generated(jaw.name, file, is_done, report))
    return done


def _fitted_crowns(request: GenerateRequest, progress: Progress) -> Mapping[int, FittedCrown]:
    """Those of a finished case, else none; a case that is not finished is told."""
    if not request.anchor or not (request.source / "case.json").is_file():
        return {}
    if is_anchorable(request.source):
        return read_crowns(request.source)
    progress.warn("anchor_skipped", f"{request.source.name} is not finished: its views are not compared.")
    return {}


def require_agreement(done: Sequence[Generated]) -> None:
    """Refuse views that the photos contradict; strips and reports stay.

    Raises:
        RefusedError: a jaw has another number of teeth than the photos, or its views disagree.
    """
    for jaw in done:
        refusal = jaw.report.refusal() if jaw.report else None
        if refusal is not None:
            raise refusal


def _painter(request: GenerateRequest, weights: Path, progress: Progress) -> Painter:
    card = choose_card(request.device, request.precision)
    if card.device.type == "cpu":
        progress.warn("cpu_slow", "No graphics processor is used: full-size networks take hours on a CPU.")
    network = read_network(weights)
    painter = Painter(network, card, choose(card.free_bytes(), request.memory, card.half))
    progress.stage(GenerateStage.LOAD, 1.0, f"{card.describe()}, {LADDER[painter.rung]}")
    return painter


def _paint_one(
    request: GenerateRequest,
    jaw: JawPhotos,
    painter: Painter,
    target: tuple[Path, dict[str, Any]],
    progress: Progress,
) -> None:
    file, made_of = target
    start = time.monotonic()
    painter.card.watch_peak()
    painter.step_seconds.clear()
    preview = _preview_of(request, jaw)
    words = f"unfinished views: {preview.relative_to(request.output).as_posix()}"

    def show(views: Floats, step: int) -> None:
        _write_strip(preview, views)
        progress.stage(GenerateStage.SAMPLE, step / request.recipe.steps, words)

    views = painter.paint(jaw, request.recipe, Watching(progress, request.previews, show))
    _write_strip(file, views)
    preview.unlink(missing_ok=True)
    record = _record(request, jaw, painter) | made_of
    record |= {"seconds": round(time.monotonic() - start, 1), "sha256": file_sha256(file)}
    write_json(_record_path(file), record)


def _preview_of(request: GenerateRequest, jaw: JawPhotos) -> Path:
    """Where the unfinished views of a jaw are shown."""
    return request.output / _PREVIEWS / f"{jaw.name}.png"


def _write_strip(path: Path, views: Floats) -> None:
    image = Image.fromarray(montage(views))
    write_with(path, lambda stream: image.save(stream, "PNG"))


def _record_path(file: Path) -> Path:
    return file.with_suffix(".json")


def _record(request: GenerateRequest, jaw: JawPhotos, painter: Painter) -> dict[str, Any]:
    """What made a strip, and how to read it."""
    seconds = sorted(painter.step_seconds)
    return {
        "format": "teethscape-views",
        "name": jaw.name,
        "jaw": jaw.jaw.value,
        "tiles": "eight colour views, then the same views as normals; views 8 to 15 of the published cameras",
        "unit": "extents of the jaw pair (scale unknown)",
        "normals": "n * 0.5 + 0.5 in the frame of the first view, as published",
        "recipe": asdict(request.recipe),
        "backdrop": request.backdrop.value,
        "card": painter.card.describe(),
        "attention": painter.attention,
        "portions": str(LADDER[painter.rung]),
        "peak_bytes": painter.card.peak_bytes(),
        "median_step_seconds": round(seconds[len(seconds) // 2], 3) if seconds else None,
        "versions": {name: metadata.version(name) for name in _LIBRARIES},
        "created": utc_now(),
    }


def _key(request: GenerateRequest, jaw: JawPhotos, weights: str) -> str:
    """Digest of all that decides the views."""
    digest = hashlib.sha256(weights.encode())
    decisive = (asdict(request.recipe), request.backdrop.value, request.precision.value, jaw.jaw.value)
    digest.update(json.dumps(decisive).encode())
    for picture in jaw.pictures:
        digest.update(f"{picture.mode}{picture.size}".encode() + picture.tobytes())
    return digest.hexdigest()


def _is_done(file: Path, key: str) -> bool:
    if not (file.is_file() and _record_path(file).is_file()):
        return False
    try:
        record = json.loads(_record_path(file).read_text("utf-8"))
    except ValueError:
        return False
    return isinstance(record, dict) and record.get("key") == key and record.get("sha256") == file_sha256(file)


def check_steps(steps: int) -> None:
    """Refuse numbers of steps that the schedule cannot take.

    Raises:
        BadInputError: fewer than 2, or more than 999.
    """
    if not 2 <= steps <= MOST_STEPS:
        hint = f"Give 2 to {MOST_STEPS}; 200 is published."
        raise BadInputError("steps", f"{steps} steps are not possible.", hint)
