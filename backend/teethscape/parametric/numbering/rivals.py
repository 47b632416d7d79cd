"""Rival numberings of one patient, each fitted to all outlines at once.

Every numbering is weighed by the same extents, which are chosen from the current best one;
a better rival takes its place until none is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from teethscape.dental.fdi import tooth_class
from teethscape.dental.views import View
from teethscape.parametric.arch import BITE_SIZE, ArchState
from teethscape.parametric.numbering.aim import Aimed, aim
from teethscape.parametric.numbering.fit import Effort, Guess, Weighed, fit_outlines
from teethscape.parametric.numbering.hulls import FORMS, PlacedHulls, place_hulls
from teethscape.parametric.numbering.joint import NumberedView
from teethscape.parametric.numbering.layout import Layout
from teethscape.parametric.numbering.outline import Outline, ViewRows, believed
from teethscape.parametric.rotation import rotation_matrix, rotation_vector

#: Mean energy per extent above which an instance is no outline of its tooth (it saturates at 1).
_UNFIT = 0.6
#: A rival whose energy stays this much above the best one's is given up, nats.
_HOPELESS = 40.0
#: Part of a unit of noise that is left once the unknowns are fitted, and the noise that is believed.
_LEFT_OVER, _NOISE_RANGE = 0.6, (0.4, 1.5)
#: Cost in nats of an extent that a numbering holds to be covered.
DISBELIEVED_COST = 0.5
#: A rival that its view's outlines contradict by so much, the teeth as they are, is no rival, nats; but
#: of the nearest two that is believed only from the second bound on: it falls by a third or a half in a fit.
_CONTRADICTED, _NEAREST, _ABSURD = 60.0, 2, 150.0
#: A label that misfits its tooth by more than this is drawn badly, whichever tooth it shows, nats.
_DRAWN_BADLY = 15.0
#: Most times in a row that better numbers are looked for.
ROUNDS = 4
_FIRST, _THEN, _LAST = Effort(3, loose=8.0), Effort(5, loose=2.0), Effort()
_NEAR = Effort(3, loose=4.0)


@dataclass(frozen=True)
class Settled:
    """A numbering at rest.

    Attributes:
        weighed: its fit.
        rows: the extents that it and its rivals are weighed by.
        effort: how it and its rivals are fitted.
        unfit: per view, rows of instances whose outline their tooth cannot follow.
        coarse: energy of the coarse fit, extents left out included, nats.
    """

    weighed: Weighed
    rows: Mapping[View, ViewRows]
    effort: Effort
    unfit: Mapping[View, frozenset[int]] = field(default_factory=dict)
    coarse: float = 0.0

    def believed(self, view: View) -> NDArray[np.intp]:
        """(n,) tooth of each instance; a bite view's sliver that does not look like its tooth has none."""
        tooth = self.guess.views[view].tooth.copy()
        if not view.is_occlusal:
            tooth[list(self.unfit.get(view, ()))] = -1
        return tooth

    @property
    def guess(self) -> Guess:
        """The fitted numbering."""
        return self.weighed.guess


@dataclass(frozen=True)
class Rival:
    """Another numbering, fitted.

    Attributes:
        guess: the numbering.
        behind: nats by which it explains the photos worse than the best one.
        excused: the same where a label that either calls the same kind of tooth counts for no more
            than a badly drawn one: it hardly tells two molars apart.
    """

    guess: Guess
    behind: float
    excused: float


def settle(start: Guess, outlines: Mapping[View, Outline]) -> Settled:
    """Fit a numbering, choosing step by step which extents count."""
    weighed, coarse = coarse_fit(start, outlines)
    rows = rows_of(weighed.guess, outlines)
    weighed = fit_outlines(weighed.guess, rows, _LAST)
    noise = _noise(weighed, rows)
    misfits = {view: unfit(weighed, view, own) for view, own in rows.items()}
    rows = {view: own.sharpened(noise) for view, own in rows.items()}
    effort = replace(_LAST, loose=1 / noise)
    return Settled(fit_outlines(weighed.guess, rows, effort), rows, effort, misfits, coarse)


def coarse_fit(
    start: Guess, outlines: Mapping[View, Outline], hopeless: float = float("inf")
) -> tuple[Weighed, float]:
    """A first fit of a numbering, and its energy with what the extents cost that it does not believe.

    Args:
        start: the numbering.
        outlines: extents of all views.
        hopeless: such an energy above which it is given up when it hardly gets better, nats.
    """
    weighed = fit_outlines(start, rows_of(start, outlines, covered=False), _FIRST)
    rows = rows_of(weighed.guess, outlines)
    believed = DISBELIEVED_COST * sum(len(own) for own in rows.values())
    weighed = fit_outlines(weighed.guess, rows, replace(_THEN, hopeless=hopeless + believed))
    return weighed, weighed.energy - believed


def _noise(weighed: Weighed, rows: Mapping[View, ViewRows]) -> float:
    """How large the noise of this patient's outlines is, as a factor on the usual one.

    The median over instances is compared with what is left of a unit of noise once the
    unknowns have taken their part.
    """
    shares = [
        2 * weighed.misfit[view][int(k)] / count
        for view, seen in rows.items()
        for k, count in zip(seen.instance, seen.count, strict=True)
    ]
    return float(np.clip(np.sqrt(np.median(shares) / _LEFT_OVER), *_NOISE_RANGE)) if shares else 1.0


def rows_of(guess: Guess, outlines: Mapping[View, Outline], covered: bool = True) -> dict[View, ViewRows]:
    """The extents of all views that say something about the teeth as they are now."""
    guess = replace(guess, layout=replace(guess.layout, present=_numbered(guess)))
    placed = place_hulls(guess.layout, guess.state)
    return {
        view: believed(view, numbered, outlines[view], (guess.layout, placed), covered)
        for view, numbered in guess.views.items()
    }


def _numbered(guess: Guess) -> NDArray[np.bool_]:
    """(28,) teeth that have a number in some view."""
    present = np.zeros(len(guess.layout.present), bool)
    present[guess.teeth] = True
    return present


def populated(guess: Guess) -> Layout:
    """The layout with all teeth that may be seen: not missing, or numbered in some view."""
    return replace(guess.layout, present=guess.layout.present | _numbered(guess))


def unfit(weighed: Weighed, view: View, rows: ViewRows) -> frozenset[int]:
    """Instances whose outline their tooth cannot follow: merged teeth, half-covered ones."""
    misfit = weighed.misfit[view]
    limits = zip(map(int, rows.instance), _UNFIT * rows.count, strict=True)
    return frozenset(k for k, limit in limits if misfit[k] >= limit)


def renumbered(guess: Guess, layout: Layout, teeth: Mapping[View, NDArray[np.intp]]) -> Guess:
    """A guess under other numbers: what is seen stays where it is.

    Args:
        guess: where everything is now.
        layout: the arch that the new numbers mean.
        teeth: per view, (n,) the new index into ``prior.fdi`` of each instance, -1 without one.
    """
    before: dict[int, int] = {}
    for view, numbered in guess.views.items():
        for old, new in zip(numbered.tooth, teeth[view], strict=True):
            if old >= 0 and new >= 0:
                before.setdefault(int(new), int(old))
    views = {view: replace(numbered, tooth=teeth[view]) for view, numbered in guess.views.items()}
    return replace(guess, layout=layout, state=_carried(guess, layout, before), views=views)


def _carried(guess: Guess, layout: Layout, before: Mapping[int, int]) -> ArchState:
    """Each tooth where the one stood that had its instances; a renumbered one forgets size and shape."""
    old, state = guess.layout.prior, guess.state
    translation, rotation = np.zeros_like(state.translation), np.zeros_like(state.rotation)
    size, shape = np.zeros_like(state.log_size), np.zeros((len(state.log_size), FORMS))
    for new, was in before.items():
        axes = layout.prior.axes[new]
        place = old.centre[was] + old.axes[was] @ state.translation[was]
        translation[new] = axes.T @ (place - layout.prior.centre[new])
        if new == was:
            rotation[new] = rotation_vector(axes.T @ old.axes[was] @ rotation_matrix(state.rotation[was]))
            size[new], shape[new] = state.log_size[was], state.shape[was]
    return ArchState(translation, rotation, size, shape, state.bite)


def weigh_rival(best: Settled, guess: Guess) -> Rival:
    """Fit a rival to the extents that it shares with the best numbering, and compare the two."""
    rows, dropped = {}, 0.0
    for view, own in best.rows.items():
        shared = frozenset(int(k) for k in guess.views[view].used)
        rows[view] = own.only(shared)
        misfit = best.weighed.misfit[view]
        dropped += sum(energy for k, energy in misfit.items() if k not in shared)
    effort = replace(best.effort, hopeless=best.weighed.energy - dropped + _HOPELESS)
    found = fit_outlines(
        fit_outlines(guess, rows, replace(_NEAR, loose=_NEAR.loose * best.effort.loose)).guess, rows, effort
    )
    behind = found.cost - (best.weighed.cost - dropped) + _unlike_kinds(found.guess, best.guess)
    return Rival(found.guess, behind, behind - _excess(found, best.guess) + _excess(best.weighed, guess))


def _unlike_kinds(guess: Guess, other: Guess) -> float:
    """What the kinds of all labels that both name cost more under a numbering than under another, nats."""
    fdi = guess.layout.prior.fdi
    return sum(one.unlike_kinds(other.views[view], fdi) for view, one in guess.views.items())


def _excess(weighed: Weighed, other: Guess) -> float:
    """What labels misfit beyond badly drawn ones, nats: those that another numbering calls a like tooth."""
    fdi, total = other.layout.prior.fdi, 0.0
    for view, misfit in weighed.misfit.items():
        for k, energy in misfit.items():
            one, two = weighed.guess.views[view].tooth[k], other.views[view].tooth[k]
            if min(one, two) >= 0 and tooth_class(fdi[one]) is tooth_class(fdi[two]):
                total += max(energy - _DRAWN_BADLY, 0.0)
    return total


def aimed_rivals(best: Settled, view: View, others: Iterable[NumberedView]) -> list[Guess]:
    """A view under other numbers, its camera fitted to the teeth as they are.

    Those that its outlines contradict are left out, but for the nearest: wrong numbers may
    have drawn the teeth so far that the right ones do not fit at first.
    """
    known = sum(best.weighed.misfit[view].values())
    placed = place_hulls(best.guess.layout, best.guess.state)
    aimed = sorted(
        (_aimed(best, view, other, best.guess, placed) for other in others), key=lambda a: a.energy
    )
    kept = [a for k, a in enumerate(aimed) if a.energy < known + (_ABSURD if k < _NEAREST else _CONTRADICTED)]
    return [replace(best.guess, views={**best.guess.views, view: a.numbered}) for a in kept]


def aimed_together(best: Settled, others: Mapping[View, NumberedView]) -> Guess:
    """Some views under other numbers, their cameras fitted to the teeth in the mean bite."""
    guess = replace(best.guess, state=best.guess.state.with_bite(np.zeros(BITE_SIZE)))
    placed = place_hulls(guess.layout, guess.state)
    for view, numbered in others.items():
        aimed = _aimed(best, view, numbered, guess, placed)
        guess = replace(guess, views={**guess.views, view: aimed.numbered})
    return guess


def _aimed(best: Settled, view: View, numbered: NumberedView, guess: Guess, placed: PlacedHulls) -> Aimed:
    """A view under other numbers, its camera fitted to the teeth of a guess."""
    own = best.rows[view].only(frozenset(int(k) for k in numbered.used))
    guess = replace(guess, views={**guess.views, view: numbered})
    loose = best.effort.loose
    return aim(guess, view, own, placed, (Effort(6, 16 * loose), Effort(4, 4 * loose), Effort(3, loose)))


def duel(best: Settled, rival: Rival, outlines: Mapping[View, Outline]) -> tuple[Settled, Rival]:
    """Weigh two numberings by the extents that either chooses.

    Returns:
        The rival at rest, and how it fares against the best one.
    """
    settled = settle(rival.guess, outlines)
    back = weigh_rival(settled, renumbered(settled.guess, best.guess.layout, _teeth(best.guess)))
    forth = weigh_rival(best, settled.guess)
    behind = 0.5 * (min(rival.behind, forth.behind) - back.behind)
    return settled, Rival(settled.guess, behind, 0.5 * (min(rival.excused, forth.excused) - back.excused))


def _teeth(guess: Guess) -> dict[View, NDArray[np.intp]]:
    return {view: numbered.tooth for view, numbered in guess.views.items()}
