"""Read the description of a synthetic patient that ``teethscape.dataset.photo_patient`` wrote."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FORMAT = 1


class DescriptionError(Exception):
    """A description that cannot be rendered; the message says which file and why."""


@dataclass(frozen=True)
class Description:
    """A patient to photograph.

    Attributes:
        uid: name of the patient: the file's stem.
        record: the JSON part.
        arrays: meshes, ``NAME|vertices`` and so on.
    """

    uid: str
    record: dict[str, Any]
    arrays: dict[str, np.ndarray]

    def mesh(self, name: str, key: str) -> np.ndarray:
        """One array of a piece."""
        return self.arrays[f"{name}|{key}"]


def read_description(path: Path) -> Description:
    """Read and check a description.

    Raises:
        DescriptionError: the file is absent, cut short or of another format.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            arrays = {key: data[key] for key in data.files}
        record = json.loads(str(arrays.pop("description")))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DescriptionError(f"{path} is no description of a synthetic patient ({error}).") from error
    if record.get("format") != FORMAT:
        raise DescriptionError(f"{path} has format {record.get('format')}; this script reads {FORMAT}.")
    return Description(path.stem, record, arrays)
