"""Weights as the sidebar asks for them: a job of the worker that answers with the new list."""

from __future__ import annotations

import threading

import pytest

from teethscape import protocol
from teethscape.errors import UsageError
from teethscape.progress import NoProgress
from teethscape.weights import store
from teethscape.weights.job import WeightsAction, WeightsRequest, weights_job
from teethscape.worker_job import JobProgress, perform


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path))
    return tmp_path


def test_the_list_tells_licence_size_and_what_is_there(folder):
    answer = weights_job(WeightsRequest(), NoProgress())
    assert answer["folder"] == str(folder)
    assert answer["added"] == []
    sam = next(row for row in answer["models"] if row["id"] == "sam-vit-b")
    assert (sam["licence"], sam["installed"], sam["downloadable"]) == ("Apache-2.0", False, True)
    assert sam["terms"]


def test_nothing_is_downloaded_without_the_licence():
    request = WeightsRequest.from_json({"action": "install", "model": "sam-vit-b"})
    with pytest.raises(UsageError) as caught:
        weights_job(request, NoProgress())
    assert caught.value.code == "licence_not_accepted"
    truthy = WeightsRequest.from_json({"action": "install", "model": "sam-vit-b", "accepted": "yes"})
    assert not truthy.accepted


@pytest.mark.parametrize(
    "values", [{"action": "delete"}, {"action": "import"}, {"action": "import", "path": 5}, {"action": []}]
)
def test_a_request_that_cannot_be_read_is_refused(values):
    with pytest.raises(UsageError):
        WeightsRequest.from_json(values)


def test_the_worker_answers(folder):
    sent: list[protocol.Message] = []
    progress = JobProgress("j", sent.append, threading.Event())
    done = perform(protocol.Run("j", {"action": "list"}, protocol.Command.WEIGHTS), progress)
    assert isinstance(done, protocol.Result)
    assert {row["id"] for row in done.summary["models"]} >= {"sam-vit-b", "teethdreamer"}
    bad = perform(
        protocol.Run("j", {"action": "import", "path": str(folder / "no.pth")}, protocol.Command.WEIGHTS),
        progress,
    )
    assert isinstance(bad, protocol.Error)
    assert bad.exit_code == 3
    assert WeightsAction.IMPORT.value == "import"
