"""Average teeth in place of a jaw that a case has none of.

The training data's world is that of the jaw pair: its largest extent is 1, its middle the origin.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import Jaw, jaw_of
from teethscape.mesh.align import best_similarity
from teethscape.parametric.prior import load_prior
from teethscape.parametric.rotation import FloatArray as Array

#: Teeth that tell how the jaws lie and how large they are.
_TEETH = 3


class Surface(Protocol):
    """What has points."""

    @property
    def vertices(self) -> NDArray[np.floating]:
        """(V, 3) mm."""
        ...


def lacking(teeth: Mapping[int, Surface]) -> Jaw | None:
    """The jaw of which there are no teeth; None where there are of both."""
    there = {jaw_of(fdi) for fdi in teeth}
    return next((jaw for jaw in Jaw if jaw not in there), None)


def average_antagonists(teeth: Mapping[int, Surface], lacks: Jaw) -> Array:
    """(n, 3) points of the average teeth of the missing jaw, laid beside those that are there, mm."""
    prior = load_prior()
    shared = [fdi for fdi in teeth if fdi in prior.fdi]
    others = np.concatenate([prior.mean_vertices(fdi) for fdi in prior.fdi if jaw_of(fdi) is lacks])
    if not shared:
        return others
    mean = np.array([prior.mean_vertices(fdi).mean(axis=0) for fdi in shared])
    own = np.array([teeth[fdi].vertices.mean(axis=0) for fdi in shared], np.float64)
    if len(shared) < _TEETH:
        return others + (own - mean).mean(axis=0)
    return best_similarity(mean, own, with_scale=True).points(others)


def pair_of(teeth: Mapping[int, Surface]) -> Array:
    """(n, 3) points of both jaws, of an average one where the case has no teeth, mm."""
    points = [np.asarray(surface.vertices, np.float64) for surface in teeth.values()]
    lacks = lacking(teeth)
    return np.concatenate(points if lacks is None else [*points, average_antagonists(teeth, lacks)])
