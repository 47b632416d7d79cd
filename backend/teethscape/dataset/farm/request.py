"""What ``teethscape dataset render`` is asked to do; standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from teethscape.errors import UsageError, unreadable_request


class Kind(str, Enum):
    """What is rendered of a case; the value is the script's name for the worker."""

    NORMAL = "normal"
    COLOR = "color"
    PHOTO = "photo"

    __str__ = str.__str__


@dataclass(frozen=True)
class Look:
    """What the pictures of a data set have in common; one data set has one look.

    Attributes:
        image_size: side of the square renders in pixels.
        num_images: pictures per view folder.
        samples: Cycles samples of the colours; None for the script's own choice.
        seed: seed of every random choice, together with each case's name.
        device: what Cycles computes on.
        normal_encoding: true normals, or the published scripts' look.
        photo_width: width of the synthetic photographs in pixels; their height is 3/4 of it.
        photo_samples: Cycles samples of the photographs; None for the script's own.
    """

    image_size: int = 256
    num_images: int = 16
    samples: int | None = None
    seed: int = 0
    device: str = "CPU"
    normal_encoding: str = "exact"
    photo_width: int = 640
    photo_samples: int | None = None


@dataclass(frozen=True)
class RenderRequest:
    """A rendering job.

    Attributes:
        output: folder or fsspec URL of the data set.
        meshes: mesh files, folders of them, or text files that list them.
        synthetic: how many synthetic patients to draw.
        first: number of the first synthetic patient; others may render the ones before.
        kinds: what to render of each case; meshes have no photographs.
        look: what the pictures have in common.
        workers: Blender processes; 0 for one per core.
        threads: of each Blender; 0 for one, and more only where cases are fewer than cores.
        retries: how often a case is tried again after a crash or a stall.
        val_share: share of the patients that go into the validation split.
        stall_s: a Blender that is silent for so long is ended, seconds.
        blender: Blender, or a Python with the bpy wheel; None to look for one.
        scripts: folder of the render scripts; None for the one beside the engine.
        scratch: folder for half-done cases; None for one inside the output.
        ray: address of a Ray cluster, or ``local``; None for this machine's own processes.
        overwrite: render finished cases anew when they differ.
    """

    output: str
    meshes: tuple[Path, ...] = ()
    synthetic: int = 0
    first: int = 0
    kinds: tuple[Kind, ...] = (Kind.NORMAL, Kind.COLOR)
    look: Look = field(default_factory=Look)
    workers: int = 0
    threads: int = 0
    retries: int = 2
    val_share: float = 0.1
    stall_s: float = 900.0
    blender: str | None = None
    scripts: Path | None = None
    scratch: Path | None = None
    ray: str | None = None
    overwrite: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; ``from_json`` is the inverse."""
        values = asdict(self)
        values["meshes"] = [str(path) for path in self.meshes]
        values["kinds"] = [kind.value for kind in self.kinds]
        for name in ("scripts", "scratch"):
            values[name] = None if values[name] is None else str(values[name])
        return values

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> RenderRequest:
        """Build a request from JSON values; absent keys take their default.

        Raises:
            UsageError: a value is missing, misspelt or of the wrong type.
        """
        known = {name: value for name, value in values.items() if name in RenderRequest.__annotations__}
        try:
            known["meshes"] = tuple(Path(path) for path in known.get("meshes", ()))
            known["kinds"] = tuple(Kind(kind) for kind in known.get("kinds", ("normal", "color")))
            known["look"] = Look(**known.get("look", {}))
            for name in ("scripts", "scratch"):
                known[name] = Path(known[name]) if known.get(name) else None
            return checked(RenderRequest(**known))
        except (TypeError, ValueError) as error:
            raise unreadable_request(error) from error


def checked(request: RenderRequest) -> RenderRequest:
    """The request itself, if its values make sense together.

    Raises:
        UsageError: they do not.
    """
    look = request.look
    if not request.meshes and not request.synthetic:
        raise UsageError("usage", "There is nothing to render.", "Give meshes or --synthetic N.")
    if not request.kinds:
        raise UsageError("usage", "No kind of picture was chosen.", "Choose from normal, color, photo.")
    if not 0.0 <= request.val_share < 1.0:
        raise UsageError("usage", "The validation share must be 0 or more and below 1.", "Give 0.1.")
    if not 16 <= look.image_size <= 4096 or look.num_images != 16:
        raise UsageError("usage", "The data set needs 16 pictures of 16 to 4096 pixels.", "Give 256.")
    if not 64 <= look.photo_width <= 4096:
        raise UsageError("usage", "Photographs must be 64 to 4096 pixels wide.", "Give 640.")
    if min(request.synthetic, request.first, request.workers, request.threads) < 0 or request.retries < 0:
        raise UsageError("usage", "Counts cannot be negative.", "See: teethscape dataset render --help")
    return request
