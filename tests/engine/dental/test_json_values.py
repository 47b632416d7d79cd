"""Strict values of a job's JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from teethscape.dental.json_values import path_of, path_or_none, truth, whole, wholes


def test_right_values_are_taken():
    assert path_of("a/b") == Path("a/b")
    assert path_or_none(None) is None
    assert path_or_none("") is None
    assert path_or_none("a") == Path("a")
    assert truth(False) is False
    assert whole(2**63 - 1) == 2**63 - 1
    assert wholes([3, 0]) == (3, 0)


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (path_of, 5), (path_of, None), (path_of, ""), (path_of, "a\0"), (path_of, "\ud800"),
        (path_or_none, 0),
        (truth, "false"), (truth, 1), (whole, True), (whole, 1.0), (whole, "1"), (whole, -1), (whole, 2**63),
        (wholes, 3), (wholes, "12"), (wholes, [1, "2"]),
    ],
)  # fmt: skip
def test_others_are_refused(read, value):
    with pytest.raises((TypeError, ValueError)):
        read(value)
