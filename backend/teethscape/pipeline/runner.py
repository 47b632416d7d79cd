"""Run stages in order, skipping those whose results are already in the case folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from teethscape.dental.case import CaseFolder
from teethscape.progress import Progress, Stage

T = TypeVar("T")

#: What each stage owns in a case folder; removed before the stage runs anew, so
#: that nothing of a former or interrupted run is left beside the new files.
_OWNED: dict[Stage, tuple[str, ...]] = {
    Stage.RECOGNISE: ("photos/*.png", "log/photos.json"),
    Stage.SEGMENT: ("masks/instances/*.png", "log/maps/*.png", "log/labels.json"),
    Stage.FIT: ("log/fit.npz",),
    # Painted strips have keys of their own: a cancelled run goes on after the finished jaw.
    # So have surfaces, but those of other views or another fit go with them.
    Stage.WRAP: ("meshes/surface/*.ply", "meshes/surface/*.json", "meshes/surface/*-teeth/FDI_*.ply"),
    Stage.MESHES: ("meshes/*.ply", "meshes/teeth/FDI_*.ply", "masks/*.png"),
    Stage.OVERLAYS: ("overlays/*.png",),
    Stage.EXPORT: (
        *("meshes/export/teeth.*", "meshes/export/*.stl", "meshes/export/*.stl.json"),
        "meshes/export/teeth/FDI_*.stl",
    ),
}
#: Stages that look at what is left of them, and keep of it what has their key.
_SORTS_ITSELF = frozenset({Stage.WRAP})


class StageRunner:
    """Runs the stages of one case.

    Each stage's key is a hash of its own inputs, of the keys of all stages before
    it and of the engine's code.  A stage whose key stands in the journal and whose
    files are whole is loaded instead of run.

    Args:
        case: the locked case folder.
        progress: told of every stage.
        on_miss: called with the stage before one is really run.
    """

    def __init__(self, case: CaseFolder, progress: Progress, on_miss: Callable[[Stage], None]) -> None:
        self._case = case
        self._progress = progress
        self._on_miss = on_miss
        self._finished = case.journal.finished_stages()
        self._key = code_fingerprint()
        #: Stages that were taken from a former run.
        self.resumed: list[Stage] = []

    @property
    def key(self) -> str:
        """Of the stage at hand: what its results depend on."""
        return self._key

    def run(
        self,
        stage: Stage,
        inputs: Mapping[str, Any],
        make: Callable[[], tuple[T, list[Path]]],
        load: Callable[[], T],
    ) -> T:
        """Run or resume one stage.

        Args:
            stage: which one; call them in order.
            inputs: JSON values that its result depends on besides former stages.
            make: does the work; returns the value and the files written.
            load: reads the value back from those files.
        """
        self._progress.check_cancelled()
        self._key = _digest({"before": self._key, "stage": stage.value, "inputs": dict(inputs)})
        record = self._finished.get(stage.value)
        if record is not None and record.key == self._key and record.is_whole(self._case.root):
            self.resumed.append(stage)
            self._progress.stage(stage, 1.0, "already done")
            return load()
        self._clear_from(stage)
        self._on_miss(stage)
        self._case.journal.stage_started(stage.value, self._key)
        # The fit begins with numbering; naming it first keeps the progress from going back.
        self._progress.stage(Stage.NUMBER if stage is Stage.FIT else stage, 0.0)
        value, outputs = make()
        self._case.journal.stage_done(stage.value, self._key, outputs)
        self._progress.stage(stage, 1.0)
        return value

    def _clear_from(self, stage: Stage) -> None:
        """Remove what this and later stages left behind: it would not fit any more."""
        stages = list(Stage)
        for later in stages[stages.index(stage) :]:
            self._finished.pop(later.value, None)
            kept = later is stage and stage in _SORTS_ITSELF
            for pattern in () if kept else _OWNED.get(later, ()):
                for path in self._case.root.glob(pattern):
                    with suppress(FileNotFoundError):
                        path.unlink()


@cache
def code_fingerprint() -> str:
    """Hash of the engine's code and data: another engine starts every stage anew."""
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        if path.suffix in (".py", ".json", ".npz", ".onnx") and path.is_file():
            digest.update(path.relative_to(package).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode("utf-8")).hexdigest()
