"""Whether a case's cameras are those of the specification (section 7) to 1e-5."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from teethscape.dataset import portable_pickle
from teethscape.dataset.farm.layout import INPUT, TARGET, ViewFolders
from teethscape.dataset.published_views import Cameras, input_cameras, target_cameras
from teethscape.dental.fdi import Jaw
from teethscape.errors import BadInputError

TOLERANCE = 1e-5
_PARTS = ("K", "azimuths", "elevations", "distances", "poses")


def pose_problems(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """File and what is wrong with the cameras in it."""
    if manifest["jaw"] is None:
        return
    look, folders = manifest["look"], ViewFolders(manifest["uid"], Jaw(manifest["jaw"]))
    for kind in (TARGET, INPUT):
        for folder in folders.names(kind):
            name = f"{folder}/meta.pkl"
            if name in files:
                problem = camera_problem(name, files[name], _wanted(folders, kind, folder, look))
                if problem:
                    yield name, problem


def _wanted(folders: ViewFolders, kind: str, folder: str, look: Mapping[str, Any]) -> Cameras:
    """The cameras that the look asks for."""
    size, count = look["image_size"], look["num_images"]
    if kind == TARGET:
        return target_cameras(folders.jaw, size, count)
    return input_cameras(folder.rpartition("_")[2], size, count, look["seed"], folders.uid)


def camera_problem(name: str, data: bytes, wanted: Cameras) -> str:
    """What is wrong with a ``meta.pkl``; empty when nothing is."""
    try:
        found = portable_pickle.loads(data, name)
    except BadInputError as error:
        return f"cannot be read ({error.message})"
    if not isinstance(found, list) or len(found) != len(_PARTS):
        return "is not a list of K, azimuths, elevations, distances and poses"
    for part, have, want in zip(_PARTS, found, wanted.published_list(), strict=True):
        have = np.asarray(have)
        if have.shape != want.shape or have.dtype.kind != "f":
            return f"has {part} of shape {have.shape} instead of {want.shape}"
        error = float(np.abs(have.astype(np.float64) - want).max())
        if not error <= TOLERANCE:
            return f"has {part} that deviate by {error:.2g} from the specified cameras"
    return ""
