"""Which pictures train, choose and test: by a seed or by a published JSON (spec, section 5)."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar

from teethscape.errors import BadInputError, UsageError
from teethscape.segmentation.toothseg.index import Item

T = TypeVar("T")


class Part(str, Enum):
    """One of the three parts."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"

    __str__ = str.__str__


@dataclass(frozen=True)
class Split:
    """Three parts that share no patient."""

    train: tuple[Item, ...]
    val: tuple[Item, ...]
    test: tuple[Item, ...]

    def part(self, part: Part) -> tuple[Item, ...]:
        """The items of one part.

        Raises:
            BadInputError: there are none.
        """
        items: tuple[Item, ...] = getattr(self, part.value)
        if not items:
            raise BadInputError(
                "split_empty",
                f"The split leaves nothing for '{part}'.",
                "Give more pictures or other ratios.",
            )
        return items

    @property
    def digests(self) -> dict[str, str]:
        """What tells each part from those of other splits: a digest of its pictures' sorted names."""
        return {part.value: _digest(getattr(self, part.value)) for part in Part}


def _digest(items: Sequence[Item]) -> str:
    names = json.dumps(sorted(item.pair_id for item in items))
    return hashlib.sha256(names.encode("utf-8")).hexdigest()[:32]


def other_parts(known: Mapping[str, str], digests: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the parts that a remembered split fills with other pictures; unknown parts are none."""
    return tuple(name for name in digests if name in known and known[name] != digests[name])


@dataclass(frozen=True)
class SplitRule:
    """How to split.

    Attributes:
        json: file with ``train`` and ``val`` lists, whose ``val`` gives validation and test.
        val_ratio: share for choosing, without a file.
        test_ratio: share for testing, without a file.
        seed: of the shuffle.
        train_subset: keep so many training pictures at random; 0 keeps all.
    """

    json: Path | None = None
    val_ratio: float = 0.1
    test_ratio: float = 0.1
    seed: int = 42
    train_subset: int = 0

    def __post_init__(self) -> None:
        """Refuse shares that leave nothing to train on.

        Raises:
            UsageError: a share is negative, or both together are 1 or more.
        """
        if min(self.val_ratio, self.test_ratio) < 0 or self.val_ratio + self.test_ratio >= 1:
            raise UsageError(
                "split_ratio", "The shares for val and test leave nothing to train on.", "Try 0.1."
            )


def shuffled_parts(names: Sequence[T], rule: SplitRule) -> tuple[list[T], list[T], list[T]]:
    """Train, val and test of sorted names, in the published order."""
    order = list(names)
    random.Random(rule.seed).shuffle(order)  # noqa: S311 - a split, not a secret
    test, val = int(len(order) * rule.test_ratio), int(len(order) * rule.val_ratio)
    end = len(order) - test
    return order[: end - val], order[end - val : end], order[end:]


def halved(names: Sequence[T], seed: int) -> tuple[list[T], list[T]]:
    """Val and test from the ``val`` list of a JSON: shuffled, first half and second."""
    order = list(names)
    random.Random(seed).shuffle(order)  # noqa: S311 - a split, not a secret
    return order[: len(order) // 2], order[len(order) // 2 :]


def split(items: Sequence[Item], rule: SplitRule) -> Split:
    """Split items so that no patient stands in two parts.

    Raises:
        BadInputError: the JSON is damaged, names what is not there or not unique, or mixes patients.
    """
    train, val, test = _by_json(items, rule, rule.json) if rule.json else _by_seed(items, rule)
    if 0 < rule.train_subset < len(train):
        train = random.Random(rule.seed).sample(train, rule.train_subset)  # noqa: S311 - not a secret
    parts = Split(tuple(train), tuple(val), tuple(test))
    _refuse_overlap(parts)
    return parts


def _by_seed(items: Sequence[Item], rule: SplitRule) -> tuple[list[Item], list[Item], list[Item]]:
    owners: dict[str, list[Item]] = {}
    for item in items:
        owners.setdefault(item.owner, []).append(item)
    train, val, test = shuffled_parts(sorted(owners), rule)
    return _of(train, owners), _of(val, owners), _of(test, owners)


def _of(names: Sequence[str], owners: Mapping[str, list[Item]]) -> list[Item]:
    return [item for name in names for item in owners[name]]


def _by_json(items: Sequence[Item], rule: SplitRule, path: Path) -> tuple[list[Item], list[Item], list[Item]]:
    lists = _lists(path)
    names = _Names(items, path)
    train, chosen = (names.items_of(lists[part]) for part in ("train", "val"))
    if not train or not chosen:
        raise BadInputError(
            "split_json",
            f"One of the lists in {path} is empty.",
            "Name pictures in 'train' and in 'val'.",
        )
    chosen.sort(key=lambda item: item.pair_id)
    return train, *halved(chosen, rule.seed)


def _lists(path: Path) -> dict[str, list[str]]:
    try:
        content = json.loads(path.read_text("utf-8"))
        return {part: [str(name) for name in content[part]] for part in ("train", "val")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            "split_json",
            f"{path} is no split with the lists 'train' and 'val' ({error}).",
            "Check --split-json.",
        ) from error


class _Names:
    """Pictures by the names that a JSON gives them: pair_id, or the file's name where only one has it."""

    def __init__(self, items: Sequence[Item], path: Path) -> None:
        self._path = path
        stems: dict[str, list[Item]] = {}
        for item in items:
            stems.setdefault(item.image.stem, []).append(item)
        self._known = stems | {item.pair_id: [item] for item in items}

    def items_of(self, names: Sequence[str]) -> list[Item]:
        """The items, each once.

        Raises:
            BadInputError: a name is unknown, or stands for several pictures.
        """
        found = {name: self._of(name) for name in dict.fromkeys(names)}
        self._refuse([name for name, those in found.items() if not those], "no picture with a mask")
        self._refuse([name for name, those in found.items() if len(those) > 1], "several pictures each")
        return list({items[0].pair_id: items[0] for items in found.values()}.values())

    def _of(self, name: str) -> list[Item]:
        """Numbers also stand for four digits, as the frames of TG3K are called."""
        return self._known.get(name) or self._known.get(name.zfill(4)) or []

    def _refuse(self, names: Sequence[str], fault: str) -> None:
        if names:
            more = " ..." if len(names) > 5 else ""
            raise BadInputError(
                "split_json",
                f"{len(names)} names in {self._path} stand for {fault}: {', '.join(names[:5])}{more}",
                "Give the JSON that belongs to the pictures; the names are the pair_id of the index.",
            )


def _refuse_overlap(parts: Split) -> None:
    owners = [{item.owner for item in part} for part in (parts.train, parts.val, parts.test)]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        common = owners[one] & owners[other]
        if common:
            raise BadInputError(
                "split_overlap",
                f"{sorted(common)[0]} stands in two parts of the split, which would flatter the scores.",
                "Correct the split's JSON.",
            )
