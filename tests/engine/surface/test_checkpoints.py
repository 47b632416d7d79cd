"""Checkpoints that are not those of a run are told and not used."""

from __future__ import annotations

import errno
from io import BytesIO

import numpy as np
import pytest

from teethscape.dental.units import ScaleRecord, ScaleSource
from teethscape.errors import CancelledError, ResourceError
from teethscape.mesh.solid import FileNote
from teethscape.progress import NoProgress
from teethscape.surface.frame import Frame
from teethscape.surface.grid.reconstruct import _continued
from teethscape.surface.session import Session

FRAME = Frame(60.0, np.zeros(3), True, FileNote(ScaleRecord(ScaleSource.ESTIMATED, 0.05)))


class Listener(NoProgress):
    """Remembers warnings."""

    def __init__(self):
        self.codes = []

    def warn(self, code, message):
        self.codes.append(code)


@pytest.mark.parametrize("kind", ["grid", "torch"])
def test_a_checkpoint_that_does_not_fit_is_told_and_not_used(tmp_path, kind):
    listener = Listener()
    session = Session(listener, tmp_path / "mesh.ply", None, FRAME)
    if kind == "torch":
        torch = pytest.importorskip("torch", reason="needs PyTorch")
        from teethscape.surface.checkpoints import load_state, save_state

        save_state(session, "other", dict, at_once=True)
        found = lambda: load_state(session, "key", torch.device("cpu"))  # noqa: E731
    else:
        session.save(lambda stream: np.savez(stream, key="other"), at_once=True)
        found = lambda: _continued(session, "key")  # noqa: E731
    assert found() is None
    assert listener.codes == ["checkpoint_unused"]
    unused = tmp_path / "mesh.checkpoint.unused"
    for content in (b"cut short", b"", _array()):
        session.checkpoint.write_bytes(content)
        assert found() is None
        assert unused.read_bytes() == content
    assert not session.checkpoint.exists()
    assert found() is None  # there is none: nothing to tell
    assert listener.codes == ["checkpoint_unused"] * 4


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG])
def test_a_disk_that_fills_while_torch_writes_a_checkpoint_is_said_to_be_full(tmp_path, monkeypatch, code):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    from teethscape.surface import checkpoints

    class Full(BytesIO):
        def write(self, data):
            if self.tell() > 50_000:
                raise OSError(code, "full")
            return super().write(data)

    save = torch.save
    monkeypatch.setattr(checkpoints.torch, "save", lambda content, _: save(content, Full()))
    session = Session(NoProgress(), tmp_path / "mesh.ply", None, FRAME)
    with pytest.raises(ResourceError) as refused:
        checkpoints.save_state(session, "key", lambda: {"a": torch.zeros(100_000)}, at_once=True)
    assert refused.value.code == "disk_full"
    assert not list(tmp_path.iterdir())


def _array():
    """A file of numpy's that holds one array."""
    stream = BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()


@pytest.mark.parametrize("lacks", ["spent_s", "state"])
def test_a_checkpoint_of_torch_that_lacks_a_part_is_told_and_not_used(tmp_path, lacks):
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    from teethscape.surface.checkpoints import load_state

    listener = Listener()
    session = Session(listener, tmp_path / "mesh.ply", None, FRAME)
    whole = {"key": "key", "spent_s": 1.0, "state": {}}
    torch.save({name: part for name, part in whole.items() if name != lacks}, session.checkpoint)
    assert load_state(session, "key", torch.device("cpu")) is None
    assert listener.codes == ["checkpoint_unused"]
    torch.save(whole, session.checkpoint)
    assert load_state(session, "key", torch.device("cpu")) == {}


@pytest.mark.parametrize("stop", [CancelledError, KeyboardInterrupt])
def test_who_stops_is_saved_and_stops(stop):
    pytest.importorskip("torch", reason="needs PyTorch")
    from teethscape.surface.checkpoints import saved_when_stopped

    def full():
        saved.append(True)
        raise ResourceError("disk_full", "The disk is full.", "Free some space.")

    saved = []
    for save in (lambda: saved.append(True), full):
        with pytest.raises(stop), saved_when_stopped(save):
            raise stop
    assert saved == [True, True]


def test_a_mistake_is_not_saved():
    pytest.importorskip("torch", reason="needs PyTorch")
    from teethscape.surface.checkpoints import saved_when_stopped

    with pytest.raises(ZeroDivisionError), saved_when_stopped(lambda: pytest.fail("it was saved")):
        raise ZeroDivisionError
