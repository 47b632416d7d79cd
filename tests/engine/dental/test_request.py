"""Requests survive JSON; known lengths are read strictly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from teethscape.dental.fdi import Jaws
from teethscape.dental.lengths import KnownLength, parse_known_length, parse_known_lengths
from teethscape.dental.request import ExportFormat, MaskValues, PhotoSlot, ReconstructRequest
from teethscape.dental.views import View
from teethscape.errors import UsageError


def test_request_survives_json():
    request = ReconstructRequest(
        photos=Path("Ünï cöde/fotos"),
        output=Path("case"),
        masks=Path("masks"),
        mask_values=MaskValues.INSTANCES,
        jaws=Jaws.LOWER,
        known_lengths=(KnownLength((11,), 8.6), KnownLength((33, 43), 26.25)),
        seed=7,
        exports=(ExportFormat.THREE_MF, ExportFormat.STL),
        slots=(PhotoSlot(View.LEFT_BUCCAL, Path("a b.jpg"), quarter_turns=2, mirrored=True),),
        trust_views=True,
        absent_teeth=(14, 24),
    )
    assert ReconstructRequest.from_json(json.loads(json.dumps(request.to_json()))) == request


def test_request_defaults_fill_absent_keys():
    request = ReconstructRequest.from_json({"photos": "p", "output": "o"})
    assert request == ReconstructRequest(Path("p"), Path("o"))


@pytest.mark.parametrize(
    "values",
    [
        {"photos": "p"},
        {"photos": "p", "output": "o", "jaws": "left"},
        {"photos": 3, "output": "o"},
        {"photos": "p", "output": "o", "seed": float("inf")},
        {"photos": "p", "output": "o", "views": {"budget_s": 10**400}},
        {"photos": "p", "output": "o", "views": ["grid"]},
        {"photos": "p", "output": "o", "views": {"steps": -1}},
        {"photos": "p", "output": "o", "seed": -1},
        {"photos": "p", "output": "o", "seed": 2**63},
        {"photos": "p", "output": "o", "trust_views": "false"},
        {"photos": "p", "output": "o", "absent_teeth": "14"},
        {"photos": "p", "output": "o", "masks": True},
        {"photos": "p", "output": "o\0"},
        {"photos": "p", "output": "o", "slots": [{"view": 1, "path": "a.jpg", "mirrored": "no"}]},
        {"photos": "p", "output": "o", "slots": [{"view": 1, "path": ""}]},
    ],
)
def test_broken_request_is_a_usage_error(values):
    with pytest.raises(UsageError) as caught:
        ReconstructRequest.from_json(values)
    assert caught.value.code == "bad_request"


@pytest.mark.parametrize(
    ("text", "teeth", "mm"),
    [("11=8.6", (11,), 8.6), (" 33 - 43 = 26,5 mm", (33, 43), 26.5), ("46=11", (46,), 11.0)],
)
def test_known_length_forms(text, teeth, mm):
    length = parse_known_length(text)
    assert (length.teeth, length.mm) == (teeth, mm)
    assert length.is_width is (len(teeth) == 1)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("11:8.6", "known_length_form"),
        ("11=-8", "known_length_form"),
        ("18=9", "known_length_tooth"),
        ("51=6", "known_length_tooth"),
        ("13-33=30", "known_length_pair"),
        ("13-13=30", "known_length_pair"),
        ("11=0.86", "known_length_range"),
        ("33-43=265", "known_length_range"),
    ],
)
def test_known_length_refusals(text, code):
    with pytest.raises(UsageError) as caught:
        parse_known_length(text)
    assert caught.value.code == code


def test_contradicting_lengths_are_refused():
    assert len(parse_known_lengths(["33-43=26", "43-33=26", "11=8.6"])) == 2
    with pytest.raises(UsageError):
        parse_known_lengths(["33-43=26", "43-33=27"])


@pytest.mark.parametrize("budget", [-1.0, float("nan"), float("inf")])
def test_an_impossible_budget_is_refused_before_any_work(budget):
    with pytest.raises(UsageError, match="A budget of"):
        ReconstructRequest.from_json({"photos": "p", "output": "o", "views": {"budget_s": budget}})
