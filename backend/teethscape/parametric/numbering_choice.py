"""One occlusal numbering per jaw, and the arch that they mean together."""

from __future__ import annotations

from collections.abc import Mapping

from teethscape.dental.fdi import Jaw, arch
from teethscape.parametric.numbering_layout import Layout, Layouts, jaw_rows
from teethscape.parametric.numbering_occlusal import Candidate

Choice = Mapping[Jaw, Candidate]


def layout_for(choice: Choice, layouts: Layouts, seen: set[int]) -> Layout:
    """The arch that occlusal numberings mean; ``seen`` are indices of teeth that other views show."""
    prior = layouts.prior
    closed: frozenset[int] = frozenset()
    missing: set[int] = set()
    for jaw, candidate in choice.items():
        rows = jaw_rows(prior, jaw)
        closed |= candidate.layout.closed & set(arch(jaw))
        missing |= {prior.fdi[r] for r in rows if r not in candidate.tooth and r not in seen}
    return layouts.get(frozenset(missing) | closed, closed)
