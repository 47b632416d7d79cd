"""Requests of the worker's clients, which are JSON."""

from __future__ import annotations

import pytest

from teethscape.errors import UsageError
from teethscape.surface.request import SurfaceRequest

_LEAST = {"views": "v", "output": "m.ply"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"views": ""}, {"views": "a\0b"}, {"output": "\ud800.ply"}, {"case": "a\0b"}, {"views": 3},
        {"normals": "false"}, {"normals": None}, {"normals": 0},
        {"keep": "89"}, {"keep": [8.7]}, {"keep": [-1]}, {"keep": [float("inf")]}, {"leave_out": [True]},
        {"seed": -1}, {"seed": 2**63}, {"seed": 1.5}, {"seed": float("inf")},
        {"budget_s": 10**400}, {"extent_mm": 10**400}, {"method": None},
    ],
    ids=str,
)  # fmt: skip
def test_wrong_values_are_refused_and_not_taken_for_others(wrong):
    assert SurfaceRequest.from_json(_LEAST) == SurfaceRequest.from_json(
        {**_LEAST, "normals": True, "keep": []}
    )
    with pytest.raises(UsageError) as refused:
        SurfaceRequest.from_json({**_LEAST, **wrong})
    assert refused.value.code == "bad_request"
