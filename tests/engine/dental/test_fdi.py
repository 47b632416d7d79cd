"""Classes of teeth by their numbers."""

from __future__ import annotations

import pytest

from teethscape.dental.fdi import ToothClass, tooth_class


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((11, 22, 31, 42), ToothClass.INCISOR),
        ((13, 43), ToothClass.CANINE),
        ((14, 25, 35), ToothClass.PREMOLAR),
        ((16, 27, 48), ToothClass.MOLAR),
    ],
)
def test_a_number_tells_the_class(numbers, expected):
    assert {tooth_class(fdi) for fdi in numbers} == {expected}
