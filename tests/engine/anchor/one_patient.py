"""The one jaw that the tiny network of the tests knows: photos, masks, true teeth, the network's file.

The network is overfitted to the upper jaw of the bundled sample, to prove the whole line on a CPU; no other
photos work with it. ``learn_one_patient.py`` has trained it; see ``docs/model-cards/one-patient.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from teethscape.dataset.patient_crowns import Crown
from teethscape.dataset.photo_patient import PatientOptions, make_photo_patient
from teethscape.dental.fdi import Jaw, Jaws, jaw_of
from teethscape.dental.request import ReconstructRequest

JAW = Jaw.UPPER
PHOTOS = Path(__file__).resolve().parents[3] / "examples" / "sample" / "photos"
_DATA = Path(__file__).parent / "data"
#: What cuts out the photos that the network knows; Teethscape has drawn them.
MASKS = _DATA / "masks"
NETWORK = _DATA / "one_patient.safetensors"
#: Steps of the sampling for which its last lesson was given.
STEPS = 20
#: The patient of the bundled sample (its README).
_SEED, _PHOTO = 1663, PatientOptions(1000, 750)


def sample_crowns() -> Mapping[int, Crown]:
    """The true teeth of the bundled sample, both jaws, mm."""
    return make_photo_patient(_SEED, _PHOTO).mouth.crowns


def jaw_crowns() -> Mapping[int, Crown]:
    """Those of the jaw that the network knows."""
    return {fdi: crown for fdi, crown in sample_crowns().items() if jaw_of(fdi) is JAW}


def known_request(case: Path) -> ReconstructRequest:
    """The jaw fitted to its photos and masks, by the parametric engine."""
    return ReconstructRequest(PHOTOS, case, MASKS, jaws=Jaws(JAW.value), trust_views=True)
