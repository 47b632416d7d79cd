"""Shards: whole cases, one sample each, the same bytes every time, checksums that hold."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from pathlib import Path

import pytest
from conftest_farm import contents

from teethscape.dataset.farm.pack import PackRequest, pack_dataset, plan_shards
from teethscape.dataset.farm.tar_shard import sample_key
from teethscape.errors import BadInputError, UsageError
from teethscape.progress import NoProgress


@pytest.fixture
def dataset(sound_set, tmp_path) -> Path:
    return shutil.copytree(sound_set, tmp_path / "set")


def _samples(folder: Path) -> dict[str, dict[str, bytes]]:
    """What a WebDataset reader would see: members grouped by the name before the first dot."""
    samples: dict[str, dict[str, bytes]] = {}
    for path in sorted(folder.glob("*.tar")):
        last = ""
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, part = member.name.partition(".")
                assert key == last or key not in samples, "the parts of a sample must stand together"
                last = key
                content = tar.extractfile(member)
                assert content is not None
                samples.setdefault(key, {})[part] = content.read()
    return samples


def test_every_case_is_one_sample_with_each_picture_once(dataset, tmp_path):
    summary = pack_dataset(PackRequest(str(dataset), str(tmp_path / "shards")), NoProgress())
    samples = _samples(tmp_path / "shards")
    assert set(samples) == {sample_key(uid) for shard in summary.shards for uid in shard["cases"]}
    assert len(samples) == 4
    for parts in samples.values():
        about = json.loads(parts["case.json"])
        assert len(parts) == 1 + 16 + 16 + 4 * 16 + 2 + 4  # case, targets, normals, inputs, cameras
        file = dataset / "target" / f"{about['uid']}_front" / "007.png"
        assert parts["target.007.png"] == file.read_bytes()
        occlusal = "down" if about["jaw"] == "upper" else "up"
        assert f"input.{occlusal}.015.png" in parts


def test_a_dot_in_a_name_does_not_tear_a_sample():
    assert sample_key("P1_norm_upper") == "P1_norm_upper"
    assert "." not in sample_key("P.1_norm_upper")
    assert sample_key("P.1_norm_upper") != sample_key("P_1_norm_upper")


def test_checksums_hold(dataset, tmp_path):
    pack_dataset(PackRequest(str(dataset), str(tmp_path / "shards")), NoProgress())
    for line in (tmp_path / "shards" / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((tmp_path / "shards" / name).read_bytes()).hexdigest() == digest


def test_the_same_cases_give_the_same_bytes_and_a_second_run_writes_nothing(dataset, tmp_path):
    for name in ("one", "two"):
        pack_dataset(PackRequest(str(dataset), str(tmp_path / name)), NoProgress())
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    (tmp_path / "two" / "index.json").unlink()  # a run that was killed near its end
    (tmp_path / "two" / "train-000000.tar.json").unlink()
    again = pack_dataset(PackRequest(str(dataset), str(tmp_path / "two")), NoProgress())
    assert again.written == 1
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_patient_is_in_shards_of_one_split_only(dataset, tmp_path):
    summary = pack_dataset(PackRequest(str(dataset), str(tmp_path / "shards")), NoProgress())
    parts = {shard["name"].split("-")[0]: {uid[:2] for uid in shard["cases"]} for shard in summary.shards}
    assert not parts["train"] & parts["val"]


def test_shards_are_filled_up_to_their_size():

    manifests = {
        f"c{k}": {"uid": f"c{k}", "jaw": "upper", "files": {f"target/c{k}_front/000.png": {"bytes": 900_000}}}
        for k in range(10)
    }

    plans = list(plan_shards(manifests, {"train": list(manifests), "val": []}, 3_000_000))
    assert [len(plan.uids) for plan in plans] == [3, 3, 3, 1]
    assert plans[3].name == "train-000003.tar"


def test_damage_is_not_packed(dataset, tmp_path):
    victim = next((dataset / "input").rglob("003.png"))
    victim.write_text("x")
    with pytest.raises(BadInputError, match="damaged"):
        pack_dataset(PackRequest(str(dataset), str(tmp_path / "shards")), NoProgress())
    assert not (tmp_path / "shards" / "index.json").exists()


def test_a_shorter_set_leaves_no_old_shard(dataset, tmp_path):
    target = tmp_path / "shards"
    pack_dataset(PackRequest(str(dataset), str(target)), NoProgress())
    shutil.copy(target / "train-000000.tar", target / "train-000007.tar")
    pack_dataset(PackRequest(str(dataset), str(target)), NoProgress())
    assert not (target / "train-000007.tar").exists()


def test_shards_go_to_urls(dataset, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    pack_dataset(PackRequest(str(dataset), f"memory://pack-{tmp_path.name}"), NoProgress())
    pack_dataset(PackRequest(str(dataset), str(tmp_path / "local")), NoProgress())
    files, root = fsspec.core.url_to_fs(f"memory://pack-{tmp_path.name}")
    found = {path[len(root) :].strip("/"): files.cat_file(path) for path in files.find(root)}
    assert {name: hashlib.sha256(data).hexdigest() for name, data in found.items()} == contents(
        tmp_path / "local"
    )


def test_tiny_shards_are_refused(tmp_path):
    with pytest.raises(UsageError):
        pack_dataset(PackRequest("a", "b", 5), NoProgress())
