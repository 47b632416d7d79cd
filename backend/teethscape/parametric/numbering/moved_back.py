"""Rows of teeth that the bite photos name a tooth too far forward.

Where the occlusal photo has an open gap, nothing but the bite photos names the teeth in it.  All three may
begin to count them a tooth too early: they agree with each other, and no photo alone can be moved.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.views import View
from teethscape.parametric.numbering.fit import Guess
from teethscape.parametric.numbering.photo_set import PhotoSet
from teethscape.parametric.numbering.rivals import renumbered


def moved_back(photos: PhotoSet, guess: Guess, tooth: int) -> Guess | None:
    """The guess with a tooth, and all behind it in its quadrant, each called the next one in the bite photos.

    Args:
        photos: all photos.
        guess: the present numbers.
        tooth: index into ``prior.fdi`` of a tooth that its occlusal photo lacks.

    Returns:
        None where it has no number, or the user has named a label otherwise.
    """
    if tooth not in guess.teeth:
        return None
    teeth = called_next(guess, tooth)
    if not all(photos.agrees(view, numbers) for view, numbers in teeth.items()):
        return None
    return renumbered(guess, guess.layout, teeth)


def called_next(guess: Guess, tooth: int) -> dict[View, NDArray[np.intp]]:
    """Teeth of all views; in bite views a tooth and those behind it are each called the next one."""
    fdi, named = guess.layout.prior.fdi, set(map(int, guess.teeth))
    behind = [k for k, n in enumerate(fdi) if n // 10 == fdi[tooth] // 10 and n >= fdi[tooth]]
    chain = [k for k in sorted(behind, key=lambda k: fdi[k]) if guess.layout.present[k] or k in named]
    table = np.arange(-1, len(fdi))  # shifted by one: -1 stays -1
    table[np.array(chain) + 1] = [*chain[1:], -1]
    called = guess.renamed(table)
    return {v: seen.tooth if v.is_occlusal else called[v] for v, seen in guess.views.items()}
