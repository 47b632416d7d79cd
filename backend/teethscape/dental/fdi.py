"""FDI two-digit tooth numbers (ISO 3950) and what follows from them."""

from __future__ import annotations

from enum import Enum

#: Places in a quadrant that are told apart, central incisor to second molar: FDI number modulo 10.
PLACES = 7


class Jaw(str, Enum):
    """One of the two dental arches."""

    UPPER = "upper"
    LOWER = "lower"

    __str__ = str.__str__


class ToothClass(str, Enum):
    """What a permanent tooth is made for."""

    INCISOR = "incisor"
    CANINE = "canine"
    PREMOLAR = "premolar"
    MOLAR = "molar"

    __str__ = str.__str__


class Jaws(str, Enum):
    """Which jaws a job reconstructs."""

    BOTH = "both"
    UPPER = "upper"
    LOWER = "lower"

    __str__ = str.__str__

    @property
    def members(self) -> tuple[Jaw, ...]:
        """The jaws meant, upper first."""
        return (Jaw.UPPER, Jaw.LOWER) if self is Jaws.BOTH else (Jaw(self.value),)


#: The 28 permanent teeth that the tooth prior models, in its order.
TEETH: tuple[int, ...] = tuple(10 * q + k for q in (1, 2, 3, 4) for k in range(1, 8))
#: Upper teeth along the arch, from the patient's right (17) to the left (27).
UPPER_ARCH: tuple[int, ...] = (*range(17, 10, -1), *range(21, 28))
#: Lower teeth along the arch, from the patient's right (47) to the left (37).
LOWER_ARCH: tuple[int, ...] = (*range(47, 40, -1), *range(31, 38))
THIRD_MOLARS: tuple[int, ...] = (18, 28, 38, 48)
_ARCHES = {Jaw.UPPER: UPPER_ARCH, Jaw.LOWER: LOWER_ARCH}


def arch(jaw: Jaw) -> tuple[int, ...]:
    """FDI numbers of a jaw from the patient's right to the left."""
    return _ARCHES[jaw]


def jaw_of(fdi: int) -> Jaw:
    """Jaw of a permanent (11-48) or primary (51-85) tooth."""
    return Jaw.UPPER if fdi // 10 in (1, 2, 5, 6) else Jaw.LOWER


def is_left(fdi: int) -> bool:
    """True for teeth on the patient's left side."""
    return fdi // 10 in (2, 3, 6, 7)


def is_permanent(fdi: int) -> bool:
    """True for the permanent teeth 11-18, 21-28, 31-38 and 41-48."""
    return fdi // 10 in (1, 2, 3, 4) and 1 <= fdi % 10 <= 8


def is_primary(fdi: int) -> bool:
    """True for the milk teeth 51-55, 61-65, 71-75 and 81-85."""
    return fdi // 10 in (5, 6, 7, 8) and 1 <= fdi % 10 <= 5


def tooth_class(fdi: int) -> ToothClass:
    """Class of a permanent tooth."""
    place = fdi % 10
    if place <= 3:
        return ToothClass.CANINE if place == 3 else ToothClass.INCISOR
    return ToothClass.PREMOLAR if place <= 5 else ToothClass.MOLAR


def mirrored(fdi: int) -> int:
    """The tooth of the same kind on the other side of the same jaw."""
    return {1: 2, 2: 1, 3: 4, 4: 3}[fdi // 10] * 10 + fdi % 10


def right_twin(fdi: int) -> int:
    """The tooth itself when it is on the patient's right, else its mirror twin."""
    return mirrored(fdi) if is_left(fdi) else fdi


def object_name(fdi: int) -> str:
    """Name of a tooth's object and mesh file: ``FDI_11``."""
    return f"FDI_{fdi}"


def universal(fdi: int) -> int:
    """Universal number (1-32) of a permanent tooth."""
    quadrant, place = divmod(fdi, 10)
    return {1: 9 - place, 2: 8 + place, 3: 25 - place, 4: 24 + place}[quadrant]


def palmer(fdi: int) -> str:
    """Palmer notation such as ``UR1``."""
    return {1: "UR", 2: "UL", 3: "LL", 4: "LR"}[fdi // 10] + str(fdi % 10)
