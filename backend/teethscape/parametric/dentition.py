"""Refuses milk and mixed dentitions, whose teeth the tooth prior does not know.

The clue is the sequence of sizes along the arch: second milk molars are nearly as wide as
first permanent molars and stand where premolars, a third narrower, stand later; milk canines
and incisors are narrow. The occlusal views are explained once by permanent teeth (any of which
may be missing, gaps open or closed, third molars present) and once by a child's teeth; what
counts is by how much the child explains them better. Doubt goes to the permanent teeth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.parametric.crown_sizes import MILK
from teethscape.parametric.dentition_rows import Row, explained
from teethscape.parametric.dentition_sizes import Fitness, fitness
from teethscape.parametric.numbering.measure import Instances
from teethscape.parametric.rotation import FloatArray

#: Nats by which a child's teeth must explain the photos better before the set is refused.
MARGIN = 8.0
#: Adults may have lost any tooth: up to four closed gaps in the mouth (extracted premolars)
#: cost little, each further one this much more.
_USUAL_CLOSED, _MORE_CLOSED_COST = 4, 3.0
_ADULT = Row("8765432112345678", closed_cost=1.0, unseen={"8": 0.0, "7": 0.4, "6": 0.4}, levels=8)
#: A child lacks second molars; what else is unseen must not speak for a child, so it costs as much.
_CHILD_CLOSED_COST, _CHILD_UNSEEN = 5.0, {"7": 0.0, "6": 0.8, "E": 3.0}
#: Quadrants of children from the midline outwards, in the order of the years.
_QUADRANTS = ("ABCDE", "ABCDE6", "1BCDE6", "12CDE67", "12C4E67", "123DE67", "1234E67")
#: Steps by which the sides of a jaw, and the quadrants of a mouth, may differ.
_SIDE_STEPS, _MOUTH_STEPS = 1, 2
#: Instances below this share of the median area are parts of teeth.
_SCRAP = 0.35


@dataclass(frozen=True)
class Evidence:
    """How well a child's teeth explain the occlusal views.

    Attributes:
        nats: advantage over permanent teeth, all views together.
        rows: the likeliest child's teeth of each view, from the patient's right to the left.
    """

    nats: float
    rows: Mapping[View, str]

    @property
    def primary(self) -> bool:
        """True when the likeliest teeth are milk teeth throughout."""
        return all(tooth in MILK for row in self.rows.values() for tooth in row)


@dataclass(frozen=True)
class _Child:
    """A child's jaw: its teeth and the steps (first, last) at which its sides are."""

    row: Row
    steps: tuple[int, int]


def _children() -> list[_Child]:
    """All jaws of children whose sides are nearly at the same step."""
    steps = range(len(_QUADRANTS))
    return [
        _Child(
            Row(_QUADRANTS[right][::-1] + _QUADRANTS[left], _CHILD_CLOSED_COST, _CHILD_UNSEEN),
            (min(right, left), max(right, left)),
        )
        for right, left in product(steps, steps)
        if abs(right - left) <= _SIDE_STEPS
    ]


def _best_adult(seen: list[Fitness]) -> float:
    """Nats with which permanent teeth explain the views."""
    total = np.zeros(1)
    for view in seen:  # all sums of the views' counts of closed gaps
        total = _joined(total, explained(view, _ADULT))
    closed = np.arange(len(total))
    return float((total - _MORE_CLOSED_COST * np.maximum(closed - _USUAL_CLOSED, 0)).max())


def _joined(first: FloatArray, second: FloatArray) -> FloatArray:
    """Best sum for every total of two counts."""
    out = np.full(len(first) + len(second) - 1, -np.inf)
    for k, value in enumerate(first):
        out[k : k + len(second)] = np.maximum(out[k : k + len(second)], value + second)
    return out


def _best_child(seen: list[Fitness]) -> tuple[float, list[str]]:
    """Nats with which a child's teeth explain the views, and the teeth of each."""
    jaws = _children()
    nats = [[float(explained(view, jaw.row)[0]) for jaw in jaws] for view in seen]
    best, choice = -np.inf, (0,)
    for pick in product(range(len(jaws)), repeat=len(seen)):
        steps = [jaws[k].steps for k in pick]
        if max(last for _, last in steps) - min(first for first, _ in steps) <= _MOUTH_STEPS:
            total = sum(own[k] for own, k in zip(nats, pick, strict=True))
            best, choice = max((best, choice), (total, pick))
    return best, [jaws[k].row.teeth for k in choice]


def evidence(found: Mapping[View, Instances]) -> Evidence:
    """Weigh a child's teeth against permanent ones.

    Args:
        found: instances per view; those of occlusal views in arch order.
    """
    views = [view for view in found if view.is_occlusal]
    seen = []
    for view in views:
        teeth = found[view].only(found[view].area > _SCRAP * np.median(found[view].area))
        seen.append(fitness(teeth, view.jaws[0]))
    nats, rows = _best_child(seen)
    return Evidence(nats - _best_adult(seen), dict(zip(views, rows, strict=True)))


def require_permanent(found: Mapping[View, Instances]) -> None:
    """Refuse milk and mixed dentitions.

    Args:
        found: instances per view; those of occlusal views in arch order.

    Raises:
        RefusedError: the sizes of the teeth are a child's.
    """
    seen = evidence(found)
    if seen.nats < MARGIN:
        return
    advice = "Teethscape models permanent teeth only; if these are, give masks with FDI numbers."
    if seen.primary:
        raise RefusedError("primary_teeth", "The photos seem to show milk teeth.", advice)
    raise RefusedError(
        "mixed_dentition", "The photos seem to show milk teeth beside permanent teeth.", advice
    )
