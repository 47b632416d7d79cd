"""Training and validation: by patient, and the same for every run with the same seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from teethscape.dataset import portable_pickle
from teethscape.dataset.farm.layout import ALL_SPLITS, CASES, SPLITS
from teethscape.dataset.farm.store import Store

TRAIN, VAL = "train", "val"


def read_manifests(store: Store) -> dict[str, dict[str, Any]]:
    """Manifests of all complete cases by uid, sorted; unreadable ones are left out."""
    found = {}
    for name in store.names(CASES):
        try:
            manifest = json.loads((store.read(name) or b"").decode("utf-8"))
            if name == f"{CASES}/{manifest['uid']}.json":
                found[manifest["uid"]] = manifest
        except (ValueError, KeyError, TypeError):
            continue
    return dict(sorted(found.items()))


def split_patients(patients: Iterable[str], val_share: float, seed: int) -> dict[str, str]:
    """Patient to split; at least one patient validates when there are two and the share is not 0."""
    ordered = sorted(set(patients), key=lambda p: hashlib.sha256(f"{seed}/{p}".encode()).digest())
    count = round(val_share * len(ordered))
    if val_share > 0 and len(ordered) > 1:
        count = min(max(count, 1), len(ordered) - 1)
    return {patient: VAL if k < count else TRAIN for k, patient in enumerate(ordered)}


def write_splits(store: Store, manifests: Mapping[str, dict[str, Any]], val_share: float, seed: int) -> None:
    """Write ``mv-splits.pkl`` (jaws, for the TeethDreamer loader) and ``splits.json`` (everything)."""
    split = split_patients((m["patient"] for m in manifests.values()), val_share, seed)
    names: dict[str, list[str]] = {TRAIN: [], VAL: []}
    for uid, manifest in manifests.items():
        names[split[manifest["patient"]]].append(uid)
    jaws = {part: [uid for uid in uids if manifests[uid]["jaw"]] for part, uids in names.items()}
    # The loader asks for the shape, so lists would not do.
    store.write(SPLITS, portable_pickle.dumps({part: np.array(uids, "<U1" if not uids else None)
                                               for part, uids in jaws.items()}))  # fmt: skip
    record = {"val_share": val_share, "seed": seed, **names}
    store.write(ALL_SPLITS, json.dumps(record, indent=1, ensure_ascii=False).encode("utf-8") + b"\n")
