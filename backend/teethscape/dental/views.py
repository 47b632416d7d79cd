"""The five standard intra-oral views."""

from __future__ import annotations

from enum import IntEnum

from .fdi import Jaw, Jaws  # relative: Blender reads this file too


class View(IntEnum):
    """A standard photograph; the value is its number on disk.

    Left and right are the patient's: the left buccal photo shows the patient's
    left side, posterior teeth at the image's right.
    """

    ANTERIOR = 0
    LEFT_BUCCAL = 1
    RIGHT_BUCCAL = 2
    MAXILLARY_OCCLUSAL = 3
    MANDIBULAR_OCCLUSAL = 4

    @property
    def slug(self) -> str:
        """Name in files and messages, such as ``left_buccal``."""
        return self.name.lower()

    @property
    def title(self) -> str:
        """Name in the user interface, such as ``Left Buccal``."""
        return self.slug.replace("_", " ").title()

    @property
    def is_occlusal(self) -> bool:
        """True for the two occlusal views."""
        return self >= View.MAXILLARY_OCCLUSAL

    @property
    def jaws(self) -> tuple[Jaw, ...]:
        """Jaws whose teeth count in this view."""
        if self is View.MAXILLARY_OCCLUSAL:
            return (Jaw.UPPER,)
        if self is View.MANDIBULAR_OCCLUSAL:
            return (Jaw.LOWER,)
        return (Jaw.UPPER, Jaw.LOWER)


BITE_VIEWS = (View.ANTERIOR, View.LEFT_BUCCAL, View.RIGHT_BUCCAL)


def views_needed(jaws: Jaws) -> tuple[View, ...]:
    """Photos that a job needs: five for both jaws, four for one."""
    occlusal = {Jaw.UPPER: View.MAXILLARY_OCCLUSAL, Jaw.LOWER: View.MANDIBULAR_OCCLUSAL}
    return (*BITE_VIEWS, *(occlusal[jaw] for jaw in jaws.members))
