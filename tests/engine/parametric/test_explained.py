"""Which models are refused for what the photos show."""

from __future__ import annotations

import numpy as np
import pytest

from teethscape.dental.views import View
from teethscape.errors import RefusedError
from teethscape.parametric.explained import require_explained

from .scenes import Eyes


def test_a_model_without_the_teeth_that_a_photo_shows_is_refused(exact):
    _, numbered = exact
    sight = {view: Eyes(labels) for view, labels in numbered.labels.items()}
    require_explained(numbered.labels, sight)
    lost = {v: np.where((i > 40) | (i == 31), 0, i).astype(np.int32) for v, i in numbered.labels.items()}
    with pytest.raises(RefusedError, match="Mandibular Occlusal") as refusal:
        require_explained(lost, sight)
    assert refusal.value.code == "teeth_unexplained"


def test_borders_that_an_occlusal_photo_does_not_show_are_refused(exact, monkeypatch):
    _, numbered = exact
    sight = {view: Eyes(labels) for view, labels in numbered.labels.items()}
    monkeypatch.setattr(sight[View.ANTERIOR], "confirmed", lambda _expected: 0.5, raising=False)
    require_explained(numbered.labels, sight)  # front photos hide contacts; the mean counts
    monkeypatch.setattr(sight[View.MAXILLARY_OCCLUSAL], "confirmed", lambda _expected: 0.7, raising=False)
    with pytest.raises(RefusedError, match="Maxillary Occlusal"):
        require_explained(numbered.labels, sight)


class Seen(Eyes):
    """A photo that agrees with any model as far as it is told."""

    explains: float = 1.0
    confirms: float = 1.0

    def explained(self, expected, one_jaw):
        return self.explains

    def confirmed(self, expected):
        return self.confirms


@pytest.mark.parametrize(
    ("left", "explains", "confirms", "refused"),
    [(0.8, 0.78, 0.79, False), (0.7, 0.78, 0.79, True), (0.8, 0.66, 0.8, True), (0.8, 0.95, 0.74, True)],
)
def test_bite_photos_that_agree_well_vouch_for_a_damaged_occlusal_one(
    exact, left, explains, confirms, refused
):
    labels = exact[1].labels
    sight = {view: Seen(image) for view, image in labels.items()}
    sight[View.LEFT_BUCCAL].explains = sight[View.LEFT_BUCCAL].confirms = left + 0.01
    lower = sight[View.MANDIBULAR_OCCLUSAL]
    lower.explains, lower.confirms = explains, confirms
    if not refused:
        require_explained(labels, sight)
        return
    with pytest.raises(RefusedError):
        require_explained(labels, sight)
