"""Whether a case's cameras are those of the specification (section 7) to 1e-5."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from teethscape.dataset import portable_pickle
from teethscape.dataset.farm.layout import INPUT, META_STEMS, NORMAL, PHOTO, TARGET, ViewFolders
from teethscape.dataset.published_views import Cameras, input_cameras, target_cameras
from teethscape.dental.fdi import Jaw
from teethscape.dental.views import View
from teethscape.errors import BadInputError

TOLERANCE = 1e-5
_PARTS = ("K", "azimuths", "elevations", "distances", "poses")


def pose_problems(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """File and what is wrong with the cameras in it.

    Args:
        manifest: of one case.
        files: content of its files with a right checksum.
    """
    if manifest["jaw"] is None:
        yield from _photo_problems(manifest, files)
        return
    look, folders = manifest["look"], ViewFolders(manifest["uid"], Jaw(manifest["jaw"]))
    for kind in (NORMAL, TARGET, INPUT):
        for folder in folders.names(kind):
            for suffix, read in ((".pkl", _pickled), (".json", _described)):
                name = f"{folder}/{META_STEMS[kind]}{suffix}"
                if name in files:
                    problem = camera_problem(read(files[name], name), _wanted(folders, kind, folder, look))
                    if problem:
                        yield name, problem


def _wanted(folders: ViewFolders, kind: str, folder: str, look: Mapping[str, Any]) -> Cameras:
    """The cameras that the look asks for."""
    size, count = look["image_size"], look["num_images"]
    if kind != INPUT:
        return target_cameras(folders.jaw, size, count)
    return input_cameras(folder.rpartition("_")[2], size, count, look["seed"], folders.uid)


def _pickled(data: bytes, name: str) -> Any:
    """What a ``meta.pkl`` holds, or why it cannot be read."""
    try:
        return portable_pickle.loads(data, name)
    except BadInputError as error:
        return f"cannot be read ({error.message})"


def _described(data: bytes, _name: str) -> Any:
    """The same numbers of a ``meta.json``, or why they cannot be read."""
    try:
        record = json.loads(data.decode("utf-8"))
        return [np.asarray(record[part], np.float64) for part in _PARTS]
    except (ValueError, KeyError, TypeError) as error:
        return f"cannot be read ({type(error).__name__}: {error})"


def camera_problem(found: Any, wanted: Cameras) -> str:
    """What is wrong with cameras that were read; empty when nothing is."""
    if isinstance(found, str):
        return found
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


def _photo_problems(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """Cameras of photographs are drawn, not specified: they must be rigid, and told alike in both files."""
    base = f"{PHOTO}/{manifest['uid']}"
    names = f"{base}/cameras.json", f"{base}/patient.json"
    told = {name: _cameras_in(files[name]) for name in names if name in files}
    for name, cameras in told.items():
        problem = photo_camera_problem(cameras)
        if problem:
            yield name, problem
    if len(told) == len(names) and told[names[0]] != told[names[1]]:
        yield names[1], "has other cameras than cameras.json"


def _cameras_in(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8"))["cameras"]
    except (ValueError, KeyError, TypeError):
        return None


def photo_camera_problem(cameras: Any) -> str:
    """What is wrong with the pinhole cameras of five photographs; empty when nothing is."""
    if not isinstance(cameras, dict) or set(cameras) != {view.slug for view in View}:
        return "does not hold the cameras of the five views"
    for slug, camera in cameras.items():
        try:
            pose, focal = np.array(camera["cam2world"], np.float64), float(camera["focal_px"])
            sizes: Sequence[int] = (int(camera["width"]), int(camera["height"]))
        except (KeyError, TypeError, ValueError):
            return f"has no camera for {slug} that can be read"
        turn = pose[:3, :3] if pose.shape == (4, 4) else np.zeros((3, 3))
        skew = float(np.abs(turn @ turn.T - np.eye(3)).max())
        if not (skew <= TOLERANCE and np.linalg.det(turn) > 0 and focal > 0 and min(sizes) > 0):
            return f"has a camera for {slug} that no camera can be"
    return ""
