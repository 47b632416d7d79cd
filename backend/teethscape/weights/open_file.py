"""Open any file of weights by what is in it, not by its name."""

from __future__ import annotations

import zipfile
from pathlib import Path

from teethscape.dental.files import require_file
from teethscape.weights.damage import damaged, reading
from teethscape.weights.onnx_file import OnnxFile
from teethscape.weights.safetensors_file import SafetensorsFile
from teethscape.weights.tensors import WeightsFile
from teethscape.weights.torch_file import TorchArchive, TorchLegacy

#: Endings of files that are looked at when a folder is given.
SUFFIXES = frozenset({".pth", ".pt", ".ckpt", ".bin", ".safetensors", ".onnx", ".npz"})


def open_weights(path: Path) -> WeightsFile:
    """Open a file; nothing in it is run.

    Raises:
        BadInputError: it does not exist, may not be read, or is no file of weights.
    """
    require_file(path)
    with reading(path):
        return _open(path)


def _open(path: Path) -> WeightsFile:
    with path.open("rb") as stream:
        start = stream.read(16)
    if start[:2] == b"PK":
        if not zipfile.is_zipfile(path):  # an archive's directory stands at its end
            raise damaged(path, "it ends too early")
        return _archive(path)
    # Safetensors begin with the header's length: one of 32 looks like a pickle, but its upper half is 0.
    sized = not any(start[4:8])
    if start[:1] == b"\x80" and not (sized and start[8:9] == b"{"):
        return TorchLegacy(path)
    if len(start) > 8 and start[8:9] == b"{":
        return SafetensorsFile(path)
    if path.suffix.lower() == ".onnx":
        return OnnxFile(path)
    raise damaged(path, "its form is not known" if start else "it is empty")


def _archive(path: Path) -> WeightsFile:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.endswith("data.pkl") for name in names):
        return TorchArchive(path)
    if any(name.endswith(".npy") for name in names):
        from teethscape.weights.npz_file import NpzFile

        return NpzFile(path)
    raise damaged(path, "the archive holds no weights")
