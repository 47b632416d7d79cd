"""Pickles of arrays cross between numpy 1 and 2, and run no code."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from teethscape.dataset import portable_pickle
from teethscape.errors import BadInputError

ROOT = Path(__file__).resolve().parents[3]
#: The environment of the bpy wheel has numpy 1, ours numpy 2.
OTHER_PYTHON = ROOT / ".venv-bpy" / "bin" / "python"
WORDS = {"train": np.array(["a_upper", "b_lower"])}
VALUE = [np.eye(3, dtype=np.float32), np.linspace(0, 1, 5), WORDS, "x", 3]
READ = """
import json, pickle, sys, warnings
warnings.simplefilter("error")
import numpy
v = pickle.load(open(sys.argv[1], "rb"))
words = v[2]["train"].tolist()
print(json.dumps([numpy.__version__, v[0].dtype.str, v[0].tolist(), v[1].tolist(), words, v[3:]]))
"""
WRITE = """
import sys
sys.path.insert(0, sys.argv[2])
import numpy as np
from teethscape.dataset import portable_pickle
open(sys.argv[1], "wb").write(portable_pickle.dumps([np.eye(3, dtype=np.float32), np.linspace(0, 1, 5)]))
"""


def _other(script: str, *arguments: Path) -> str:
    if not OTHER_PYTHON.exists():
        pytest.skip(
            "Blender as a module is not installed: python3 examples/environment.py .venv-bpy --profile bpy"
        )
    command = [str(OTHER_PYTHON), "-c", script, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_numpy_1_reads_what_numpy_2_wrote(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(portable_pickle.dumps(VALUE))
    version, dtype, eye, line, words, rest = json.loads(_other(READ, path))
    assert np.__version__.split(".")[0] == "2"
    assert version.split(".")[0] == "1"
    assert (dtype, eye, words, rest) == ("<f4", np.eye(3).tolist(), ["a_upper", "b_lower"], ["x", 3])
    assert line == np.linspace(0, 1, 5).tolist()


def test_numpy_2_reads_what_numpy_1_wrote(tmp_path):
    path = tmp_path / "a.pkl"
    _other(WRITE, path, ROOT / "backend")
    eye, line = pickle.loads(path.read_bytes())  # noqa: S301 - just written
    np.testing.assert_array_equal(eye, np.eye(3, dtype=np.float32))
    np.testing.assert_array_equal(line, np.linspace(0, 1, 5))


def test_the_pickle_names_no_private_module_of_numpy():
    data = portable_pickle.dumps(VALUE)
    assert b"core" not in data
    assert b"multiarray" not in data
    assert data[1] <= 4  # protocol


def test_an_ordinary_pickle_would_name_one():
    assert b"_core" in pickle.dumps(VALUE[0], protocol=4)


def test_equal_values_give_equal_bytes():
    assert portable_pickle.dumps(VALUE) == portable_pickle.dumps(list(VALUE))


def test_a_scalar_of_numpy_is_refused():
    with pytest.raises(TypeError, match="not portable"):
        portable_pickle.dumps([np.float32(1)])


def test_ours_and_ordinary_pickles_of_arrays_are_read(tmp_path):
    for name, data in (("a", portable_pickle.dumps(VALUE)), ("b", pickle.dumps(VALUE, protocol=4))):
        path = tmp_path / name
        path.write_bytes(data)
        np.testing.assert_array_equal(portable_pickle.load(path)[1], VALUE[1])


def test_a_published_pickle_is_read(shared):
    folder = shared / "fixtures" / "renders" / "color-bpy-5.0.1" / "case0_norm_upper_left"
    assert portable_pickle.load(folder / "meta.pkl")[4].shape == (16, 3, 4)


class _Harm:
    def __reduce__(self):
        return sys.exit, (9,)


@pytest.mark.parametrize("data", [pickle.dumps(_Harm()), b"nothing", b""])
def test_code_and_rubbish_are_refused(tmp_path, data):
    path = tmp_path / "a.pkl"
    path.write_bytes(data)
    with pytest.raises(BadInputError) as caught:
        portable_pickle.load(path)
    assert caught.value.code == "pickle_unreadable"
