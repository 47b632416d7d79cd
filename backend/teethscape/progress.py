"""How long work tells its caller where it stands and learns of cancellation."""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class Stage(str, Enum):
    """Stages of a reconstruction, in order."""

    PHOTOS = "photos"
    RECOGNISE = "recognise"
    SEGMENT = "segment"
    NUMBER = "number"
    FIT = "fit"
    PAINT = "paint"
    WRAP = "wrap"
    MESHES = "meshes"
    OVERLAYS = "overlays"
    EXPORT = "export"
    DONE = "done"

    __str__ = str.__str__

    @property
    def label(self) -> str:
        """What the user interface shows while the stage runs."""
        return _TITLES[self]


_TITLES = {
    Stage.PHOTOS: "Reading photos",
    Stage.RECOGNISE: "Recognising views",
    Stage.SEGMENT: "Finding teeth",
    Stage.NUMBER: "Numbering teeth",
    Stage.FIT: "Fitting the tooth model",
    Stage.PAINT: "Painting views",
    Stage.WRAP: "Making surfaces",
    Stage.MESHES: "Writing meshes",
    Stage.OVERLAYS: "Drawing overlays",
    Stage.EXPORT: "Exporting",
    Stage.DONE: "Done",
}


class DatasetStage(str, Enum):
    """What work on a data set consists of; each is a job of its own."""

    IMPORT = "import"
    RENDER = "render"
    PACK = "pack"
    CHECK = "check"

    __str__ = str.__str__

    @property
    def label(self) -> str:
        """What the user interface shows while the stage runs."""
        return _DATASET_TITLES[self]


_DATASET_TITLES = {
    DatasetStage.IMPORT: "Importing scans",
    DatasetStage.RENDER: "Rendering cases",
    DatasetStage.PACK: "Packing shards",
    DatasetStage.CHECK: "Checking the data set",
}


class XrayStage(str, Enum):
    """The one stage of segmenting X-rays, a job of its own."""

    SEGMENT = "segment_xray"

    __str__ = str.__str__

    @property
    def label(self) -> str:
        """What the user interface shows while the stage runs."""
        return "Finding teeth in the X-ray"


class ToolStage(str, Enum):
    """What weights and clicks consist of; each is a job of its own."""

    DOWNLOAD = "download"
    VERIFY = "verify"
    CONVERT = "convert"
    PREPARE = "prepare"
    CLICK = "click"

    __str__ = str.__str__

    @property
    def label(self) -> str:
        """What the user interface shows while the stage runs."""
        return _TOOL_TITLES[self]


_TOOL_TITLES = {
    ToolStage.DOWNLOAD: "Downloading weights",
    ToolStage.VERIFY: "Checking weights",
    ToolStage.CONVERT: "Converting weights",
    ToolStage.PREPARE: "Preparing the photo",
    ToolStage.CLICK: "Drawing the mask",
}


class GenerateStage(str, Enum):
    """What painting a jaw's views consists of; sampling takes nearly all of the time."""

    LOAD = "load"
    ENCODE = "encode"
    SAMPLE = "sample"
    DECODE = "decode"
    COMPARE = "compare"

    __str__ = str.__str__

    @property
    def label(self) -> str:
        """What the user interface shows while the stage runs."""
        return _GENERATE_TITLES[self]


_GENERATE_TITLES = {
    GenerateStage.LOAD: "Loading the networks",
    GenerateStage.ENCODE: "Reading the photos",
    GenerateStage.SAMPLE: "Painting views",
    GenerateStage.DECODE: "Developing views",
    GenerateStage.COMPARE: "Comparing with the fit",
}


class SurfaceStage(str, Enum):
    """What making a surface from views consists of."""

    VIEWS = "views"
    TRAIN = "surface"
    FINISH = "finish"

    __str__ = str.__str__

    @property
    def label(self) -> str:
        """What the user interface shows while the stage runs."""
        return _SURFACE_TITLES[self]


_SURFACE_TITLES = {
    SurfaceStage.VIEWS: "Reading views",
    SurfaceStage.TRAIN: "Making the surface",
    SurfaceStage.FINISH: "Finishing the mesh",
}
#: Any stage that a job may be in.
AnyStage = Stage | DatasetStage | XrayStage | ToolStage | GenerateStage | SurfaceStage


class Progress(Protocol):
    """What a use-case function needs from its caller."""

    def stage(self, name: AnyStage, fraction: float, message: str = "") -> None:
        """Report that a stage has reached a share (0..1) of its own work."""
        ...

    def check_cancelled(self) -> None:
        """Raise ``CancelledError`` when the user has cancelled."""
        ...

    def warn(self, code: str, message: str) -> None:
        """Report something the user should know that does not stop the job."""
        ...


class NoProgress:
    """A progress that nobody watches."""

    def stage(self, name: AnyStage, fraction: float, message: str = "") -> None:
        """Ignore the report."""

    def check_cancelled(self) -> None:
        """Never cancelled."""

    def warn(self, code: str, message: str) -> None:
        """Ignore the warning."""
