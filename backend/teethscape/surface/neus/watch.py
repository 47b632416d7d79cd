"""Views that training does not see: when to stop, and which model was best (needs torch)."""

from __future__ import annotations

from typing import Any

from teethscape.surface.neus.batches import RayBank
from teethscape.surface.neus.train import Trainer

#: Steps between two looks.
_EVERY = 200
#: How much the error must fall to count as better.
_BETTER = 0.995


class Watch:
    """Looks at held-out views now and then; its state belongs to the checkpoint.

    Args:
        bank: rays of these views; None: there are none, and training never stops early.
        patience: looks without improvement before training stops; 0: never.
    """

    def __init__(self, bank: RayBank | None, patience: int) -> None:
        self._bank, self._patience = bank if patience else None, patience
        self._left, self._best = patience, float("inf")
        self._model: dict[str, Any] | None = None

    @property
    def is_over(self) -> bool:
        """Whether the views have not been seen better for too long."""
        return self._bank is not None and not self._left

    def look(self, trainer: Trainer) -> None:
        """Compare the model with the best so far, when that is due."""
        if self._bank is None or trainer.step_number % _EVERY:
            return
        error = trainer.held_out_error(self._bank)
        self._left = self._patience if error < _BETTER * self._best else self._left - 1
        if error < self._best:
            self._best, self._model = error, _copy(trainer)

    def bring_back(self, trainer: Trainer) -> None:
        """Make the trainer's model the best one, where training was stopped early for it."""
        if self.is_over and self._model is not None:
            trainer.model.load_state_dict(self._model["model"])
            trainer.model.geometry.encoding.active = int(self._model["levels"])

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs."""
        return {"left": self._left, "best": self._best, "model": self._model}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint's content."""
        self._left, self._best, self._model = int(state["left"]), float(state["best"]), state["model"]


def _copy(trainer: Trainer) -> dict[str, Any]:
    """The model as it is now, with the levels of its hash grid that count."""
    weights = {name: value.detach().clone() for name, value in trainer.model.state_dict().items()}
    return {"model": weights, "levels": trainer.model.geometry.encoding.active}
