"""Where published numbers are read from."""

from __future__ import annotations

import pytest

from .conftest import published_folder


def test_fixtures_that_are_named_are_read(tmp_path, monkeypatch, request):
    monkeypatch.setenv("TEETHSCAPE_FIXTURES", str(tmp_path))
    assert published_folder(request) == tmp_path


def test_fixtures_that_are_named_but_absent_are_no_reason_to_skip(tmp_path, monkeypatch, request):
    monkeypatch.setenv("TEETHSCAPE_FIXTURES", str(tmp_path / "nothing"))
    with pytest.raises(pytest.fail.Exception, match="TEETHSCAPE_FIXTURES"):
        published_folder(request)
