"""What the sidebar asks about weights: list, install, import; each answer holds the new list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from teethscape import abilities
from teethscape.dental.json_values import path_or_none
from teethscape.errors import UsageError, unreadable_request
from teethscape.progress import Progress, ToolStage
from teethscape.weights.catalogue import known_model, known_models
from teethscape.weights.install import import_path, install
from teethscape.weights.store import looks_installed, models_folder


class WeightsAction(str, Enum):
    """What to do."""

    LIST = "list"
    INSTALL = "install"
    IMPORT = "import"

    __str__ = str.__str__


@dataclass(frozen=True)
class WeightsRequest:
    """What is asked.

    Attributes:
        action: what to do.
        model: id of the model to install.
        path: file or folder to import.
        accepted: the user has seen and accepted the licence.
    """

    action: WeightsAction = WeightsAction.LIST
    model: str = ""
    path: Path | None = None
    accepted: bool = False

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> WeightsRequest:
        """From the fields of a job.

        Raises:
            UsageError: a field is missing or misspelt.
        """
        try:
            action = WeightsAction(values.get("action", "list"))
            path = path_or_none(values.get("path"))
        except (TypeError, ValueError) as error:
            raise unreadable_request(error) from error
        if action is WeightsAction.IMPORT and path is None:
            raise UsageError("usage", "The job names no file.", "Choose one.")
        return cls(action, str(values.get("model", "")), path, values.get("accepted") is True)


def weights_job(request: WeightsRequest, progress: Progress) -> dict[str, Any]:
    """Do it.

    Returns:
        JSON values: ``folder``, ``models`` (see `listed`), the ids that were ``added``, and the ``abilities``
        of the engine now.

    Raises:
        TeethscapeError: as of `install` and `import_path`.
    """
    added: list[str] = []
    if request.action is WeightsAction.INSTALL:
        added = [install(known_model(request.model), request.accepted, progress).id]
    elif request.action is WeightsAction.IMPORT and request.path is not None:
        progress.stage(ToolStage.VERIFY, 0.0, request.path.name)
        added = [record.id for record in import_path(request.path, None, progress)]
    return {
        "folder": str(models_folder()), "models": listed(), "added": added, "abilities": abilities.to_json(),
    }  # fmt: skip


def listed() -> list[dict[str, Any]]:
    """Every known model with its licence, and whether it is installed."""
    return [
        {
            "id": model.id,
            "title": model.title,
            "purpose": model.purpose,
            "file": model.file,
            "bytes": model.bytes,
            "sha256": model.sha256,
            "licence": model.licence,
            "terms": model.terms,
            "commercial_use": model.commercial_use.value,
            "page": model.page,
            "installed": looks_installed(model.id),
            "downloadable": bool(model.urls),
        }
        for model in known_models().values()
    ]
