"""The use case ``dataset pack``: WebDataset shards with checksums, the same bytes from the same cases.

A shard is a tar of whole cases, ``{split}-{number}.tar``. Members are named ``KEY.part.name``, so
that WebDataset's readers see one sample per case. A fixed view, which the layout repeats in four
folders, is packed once. ``index.json`` and ``SHA256SUMS`` come last.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from teethscape.dataset.farm.layout import ALL_SPLITS
from teethscape.dataset.farm.scratch import digest
from teethscape.dataset.farm.splits import TRAIN, VAL, read_manifests
from teethscape.dataset.farm.store import Store, open_store
from teethscape.dataset.farm.tar_shard import member_sizes, write_shard
from teethscape.errors import BadInputError, UsageError
from teethscape.progress import DatasetStage, Progress

INDEX, SUMS = "index.json", "SHA256SUMS"


@dataclass(frozen=True)
class PackRequest:
    """A packing job.

    Attributes:
        dataset: folder or URL of the data set.
        output: folder or URL of the shards.
        shard_bytes: largest size of a shard; a larger case has one of its own.
    """

    dataset: str
    output: str
    shard_bytes: int = 500_000_000


@dataclass(frozen=True)
class ShardPlan:
    """A shard to be.

    Attributes:
        name: file name.
        uids: its cases, in order.
        key: hash of everything that its bytes depend on.
    """

    name: str
    uids: tuple[str, ...]
    key: str


@dataclass(frozen=True)
class PackSummary:
    """What a run did.

    Attributes:
        shards: entries of the index.
        written: how many of them were written now.
    """

    shards: tuple[dict[str, Any], ...]
    written: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def pack_dataset(request: PackRequest, progress: Progress) -> PackSummary:
    """Write the shards that are missing; the same call resumes a run.

    Raises:
        BadInputError: there is nothing to pack, or a file is missing or damaged.
    """
    if request.shard_bytes < 1_000_000:
        raise UsageError("usage", "A shard must have 1 MB or more.", "Give --shard-mb 500.")
    source, target = open_store(request.dataset), open_store(request.output)
    manifests = read_manifests(source)
    plans = list(plan_shards(manifests, read_splits(source), request.shard_bytes))
    entries, written = [], 0
    for k, plan in enumerate(plans):
        progress.check_cancelled()
        entry = _known(target, plan)
        if entry is None:
            entry, written = _write(source, target, plan, manifests), written + 1
        entries.append(entry)
        progress.stage(DatasetStage.PACK, (k + 1) / len(plans), plan.name)
    _finish(target, entries)
    return PackSummary(tuple(entries), written)


def read_splits(store: Store) -> dict[str, list[str]]:
    """Names of the cases per split.

    Raises:
        BadInputError: the data set has no splits.
    """
    data = store.read(ALL_SPLITS)
    if data is None:
        raise BadInputError(
            "no_dataset", f"{store.place} has no {ALL_SPLITS}.", "Run dataset render to its end."
        )
    values = json.loads(data.decode("utf-8"))
    return {part: list(values[part]) for part in (TRAIN, VAL)}


def plan_shards(
    manifests: Mapping[str, dict[str, Any]], splits: Mapping[str, list[str]], limit: int
) -> Iterator[ShardPlan]:
    """Cases in an order that looks random but is always the same, filled into shards."""
    for part, uids in splits.items():
        ordered = sorted(uids, key=lambda uid: hashlib.sha256(uid.encode("utf-8")).digest())
        group: list[str] = []
        size = number = 0
        for uid in ordered:
            more = member_sizes(manifests[uid])
            if group and size + more > limit:
                yield _plan(part, number, group, manifests)
                group, size, number = [], 0, number + 1
            group.append(uid)
            size += more
        if group:
            yield _plan(part, number, group, manifests)


def _plan(part: str, number: int, uids: list[str], manifests: Mapping[str, Any]) -> ShardPlan:
    state = hashlib.sha256()
    for uid in uids:
        state.update(json.dumps(manifests[uid], sort_keys=True).encode("utf-8"))
    return ShardPlan(f"{part}-{number:06d}.tar", tuple(uids), state.hexdigest())


def _known(target: Store, plan: ShardPlan) -> dict[str, Any] | None:
    """The entry of a shard that an earlier run has finished with the same cases."""
    try:
        entry = json.loads((target.read(f"{plan.name}.json") or b"").decode("utf-8"))
    except ValueError:
        return None
    return entry if entry.get("key") == plan.key and target.size(plan.name) == entry.get("bytes") else None


def _write(source: Store, target: Store, plan: ShardPlan, manifests: Mapping[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="teethscape-pack-") as folder:
        path = Path(folder) / plan.name
        write_shard(path, source, [manifests[uid] for uid in plan.uids])
        entry = {
            "name": plan.name,
            "bytes": path.stat().st_size,
            "sha256": digest(path),
            "cases": list(plan.uids),
            "key": plan.key,
        }
        target.take(plan.name, path)
    target.write(f"{plan.name}.json", _text(entry))  # last: it makes the shard count
    return entry


def _finish(target: Store, entries: list[dict[str, Any]]) -> None:
    """Write the index and the sums; shards of an earlier, longer run are taken away."""
    names = {entry["name"] for entry in entries}
    for name in target.names(""):
        shard = name.removesuffix(".json")
        if shard.endswith(".tar") and shard.startswith((f"{TRAIN}-", f"{VAL}-")) and shard not in names:
            target.remove(name)
    target.write(INDEX, _text({"shards": entries}))
    lines = "".join(f"{entry['sha256']}  {entry['name']}\n" for entry in entries)
    target.write(SUMS, lines.encode("ascii"))


def _text(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode("utf-8") + b"\n"
