"""What `teethscape doctor` says about the full profile."""

from __future__ import annotations

import pytest

from teethscape.doctor_card import CardReport, examine_card


def test_the_device_is_described():
    pytest.importorskip("torch", reason="needs PyTorch")
    pytest.importorskip("diffusers", reason="needs diffusers")
    report = examine_card()
    assert report is not None
    assert report.attention in ("PyTorch", "xformers")
    assert report.minutes > 0
    assert "at least" in report.words()


def test_free_memory_is_told_where_it_is_known():
    report = CardReport("card", "2.9", "PyTorch", 7_500_000_000, "4 pictures at a time", 12.3)
    assert "7.5 GB free" in report.words()
    assert "12 min" in report.words()
