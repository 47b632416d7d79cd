"""Checkpoints that are not those of a run are told and not used."""

from __future__ import annotations

import numpy as np
import pytest

from teethscape.dental.units import ScaleRecord, ScaleSource
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
    session.checkpoint.write_bytes(b"cut short")
    assert found() is None
    session.checkpoint.unlink()
    assert found() is None  # there is none: nothing to tell
    assert listener.codes == ["checkpoint_unused"] * 2
