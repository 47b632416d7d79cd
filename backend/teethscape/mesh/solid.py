"""A named triangle mesh and what its file says about unit, frame and scale."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from teethscape import __version__
from teethscape.dental.units import FRAME_LINE, UNIT, ScaleRecord


@dataclass(frozen=True, eq=False)
class Solid:
    """A closed triangle mesh.

    Attributes:
        name: object name such as ``FDI_11``.
        vertices: (V, 3) mm, world frame.
        faces: (F, 3) outward.
        colours: (V, 3) RGB, sRGB; None without.
    """

    name: str
    vertices: NDArray[np.floating]
    faces: NDArray[np.integer]
    colours: NDArray[np.uint8] | None = None

    @property
    def areas(self) -> NDArray[np.floating]:
        """(F,) of the faces, mm^2."""
        corners = self.vertices[self.faces]
        sides = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        return np.linalg.norm(np.cross(*sides), axis=1) / 2


@dataclass(frozen=True)
class FileNote:
    """What every mesh file says besides its numbers.

    Attributes:
        scale: where the absolute size comes from and how far to trust it.
        subject: what the file shows, such as ``upper jaw``.
    """

    scale: ScaleRecord
    subject: str = ""

    @property
    def entries(self) -> dict[str, str]:
        """Name and value of each statement, in the order they are written."""
        return {
            "generator": f"Teethscape {__version__}",
            **({"subject": self.subject} if self.subject else {}),
            "unit": UNIT,
            "frame": FRAME_LINE,
            "scale_source": self.scale.source.value,
            "scale_relative_sigma": f"{self.scale.relative_sigma:.5f}",
        }

    @property
    def lines(self) -> list[str]:
        """``name value`` lines for comments."""
        return [f"{name} {value}" for name, value in self.entries.items()]

    def sidecar(self, solids: Sequence[Solid]) -> bytes:
        """JSON text for formats that cannot carry the statements themselves."""
        objects = [{"name": s.name, "vertices": len(s.vertices), "faces": len(s.faces)} for s in solids]
        return (json.dumps({**self.entries, "objects": objects}, indent=1) + "\n").encode("utf-8")


def joined(solids: Sequence[Solid], name: str) -> Solid:
    """Several meshes as one, in order, without merging vertices; coloured where all are."""
    starts = np.cumsum([0, *(len(solid.vertices) for solid in solids)])[:-1]
    colours = [solid.colours for solid in solids if solid.colours is not None]
    return Solid(
        name,
        np.concatenate([solid.vertices for solid in solids]),
        np.concatenate([solid.faces + start for solid, start in zip(solids, starts, strict=True)]),
        np.concatenate(colours) if len(colours) == len(solids) else None,
    )
