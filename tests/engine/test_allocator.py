"""Freed blocks serve the next ones."""

import subprocess
import sys

import pytest

_FAULTS = """
import resource, sys
import numpy as np
from teethscape.allocator import keep_freed_blocks
if sys.argv[1] == "kept" and not keep_freed_blocks():
    sys.exit(5)
for _ in range(40):
    np.ones(1 << 18)  # two megabytes
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


def _faults(way: str) -> int:
    done = subprocess.run([sys.executable, "-c", _FAULTS, way], capture_output=True, text=True, check=False)
    if done.returncode == 5:
        pytest.skip("this C library has no mallopt")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's")
def test_freed_pictures_serve_the_next_ones():
    assert _faults("kept") < _faults("free")
