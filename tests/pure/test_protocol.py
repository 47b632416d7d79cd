"""The wire format: round trips, tolerance, refusals, and a reader that nothing can kill."""

from __future__ import annotations

import ast
import json
import random
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from teethscape import protocol
from teethscape.protocol_table import table


def example(kind: type[protocol.Message]) -> protocol.Message:
    """A message of a kind with every field away from its default."""
    samples: dict[Any, Any] = {
        str: "Größe / ätzend", int: 7, float: 0.25, bool: True, str | None: "j",
        dict[str, str]: {"numpy": "2"}, dict[str, Any]: {"a": [1, None, "ü"]},
        protocol.Command: protocol.Command.RECONSTRUCT,
        protocol.Outcome: protocol.Outcome.CANCELLED, protocol.LogLevel: protocol.LogLevel.ERROR,
    }  # fmt: skip
    hints = get_type_hints(kind)
    return kind(**{part.name: samples[hints[part.name]] for part in fields(kind)})


def line(**content: Any) -> bytes:
    return json.dumps({"v": protocol.PROTOCOL_VERSION, **content}).encode() + b"\n"


@pytest.mark.parametrize("kind", protocol.KINDS.values(), ids=protocol.KINDS)
def test_round_trip(kind: type[protocol.Message]) -> None:
    message = example(kind)
    wire = protocol.encode(message)
    assert wire.endswith(b"\n")
    assert wire.count(b"\n") == 1
    assert protocol.decode(wire) == message


@pytest.mark.parametrize("kind", protocol.KINDS.values(), ids=protocol.KINDS)
def test_missing_fields_take_defaults(kind: type[protocol.Message]) -> None:
    full = json.loads(protocol.encode(example(kind)))
    needed = {p.name for p in fields(kind) if p.default is MISSING and p.default_factory is MISSING}
    message = protocol.decode(line(**{k: v for k, v in full.items() if k in needed | {"t"}}))
    assert isinstance(message, kind)
    for name in needed:
        with pytest.raises(protocol.ProtocolError, match=name):
            protocol.decode(line(**{k: v for k, v in full.items() if k not in (name, "v")}))


def test_unknown_kinds_and_fields_are_ignored() -> None:
    assert protocol.decode(line(t="from_the_future", x=1)) is None
    assert protocol.decode(line(t="ping", nonce=3, colour="red")) == protocol.Ping(3)


@pytest.mark.parametrize("version", [0, 2, None, "1", True, [1]])
def test_other_versions_are_told_apart(version: object) -> None:
    with pytest.raises(protocol.VersionMismatchError) as caught:
        protocol.decode(json.dumps({"v": version, "t": "ping"}).encode())
    assert caught.value.theirs == version


@pytest.mark.parametrize(
    "content",
    [
        {"t": "progress", "job": "j", "stage": "fit", "fraction": "half"},
        {"t": "progress", "job": "j", "stage": "fit", "fraction": True},
        {"t": "progress", "job": "j", "stage": "fit", "fraction": 10**400},
        {"t": "cancel", "job": 3},
        {"t": "ping", "nonce": 1.5},
        {"t": "ping", "nonce": True},
        {"t": "result", "job": "j", "outcome": "exploded"},
        {"t": "run", "job": "j", "request": []},
        {"t": "hello", "version": "1", "pid": 1, "packages": {"numpy": 2}},
        {"t": "error", "code": "x", "message": None},
        {"t": ["ping"]},
    ],
)
def test_wrong_types_are_refused(content: dict[str, Any]) -> None:
    with pytest.raises(protocol.ProtocolError):
        protocol.decode(line(**content))


def test_whole_numbers_pass_as_floats() -> None:
    message = protocol.decode(line(t="progress", job="j", stage="fit", fraction=1))
    assert isinstance(message, protocol.Progress)
    assert type(message.fraction) is float


@pytest.mark.parametrize(
    "raw", [b"", b"\n", b"null", b"3", b"[]", b"{}", b"\xff\xfe", b"{", b"[" * 100_000, b'{"v":1,"t":NaN}']
)
def test_garbage_is_a_protocol_error(raw: bytes) -> None:
    with pytest.raises(protocol.ProtocolError):
        protocol.decode(raw)


def test_names_that_are_no_text_survive() -> None:
    odd = "photo\udce9.jpg"
    assert protocol.decode(protocol.encode(protocol.Artifact("j", "mesh", odd))) == protocol.Artifact(
        "j", "mesh", odd
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_not_sent(value: float) -> None:
    with pytest.raises(protocol.ProtocolError):
        protocol.encode(protocol.Progress("j", "fit", value))
    with pytest.raises(protocol.ProtocolError):
        protocol.encode(protocol.Result("j", summary={"path": Path()}))


def test_long_lines_are_refused_both_ways() -> None:
    long = "x" * protocol.MAX_LINE_BYTES
    with pytest.raises(protocol.ProtocolError, match="more than"):
        protocol.encode(protocol.Log(protocol.LogLevel.INFO, long))
    with pytest.raises(protocol.ProtocolError, match="too long"):
        protocol.decode(line(t="log", level="info", message=long))


def test_fuzz_only_ever_raises_protocol_errors() -> None:
    source = random.Random(20)
    lines = [protocol.encode(example(kind)) for kind in protocol.KINDS.values()]
    outcomes = set()
    for _ in range(4000):
        raw = bytearray(source.choice(lines))
        for _ in range(source.randint(1, 6)):
            place = source.randrange(len(raw))
            action = source.randrange(3)
            if action == 0:
                raw[place] = source.randrange(256)
            elif action == 1:
                del raw[place : place + source.randint(1, 9)]
                raw = raw or bytearray(b"x")
            else:
                raw[place:place] = source.choice([b'"', b"{", b"null", b"1e999", b"\\u", b"[]", b","])
        try:
            message = protocol.decode(bytes(raw))
        except protocol.ProtocolError:
            outcomes.add("refused")
        else:
            outcomes.add("read" if message else "ignored")
            assert message is None or protocol.decode(protocol.encode(message)) == message
    assert outcomes == {"refused", "read", "ignored"}


def test_leans_on_the_standard_library_alone() -> None:
    tree = ast.parse(Path(protocol.__file__).read_text("utf-8"))
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            names = [node.module or ""]
        assert all(name.split(".")[0] in sys.stdlib_module_names for name in names), names


def test_the_documentation_is_current() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
    assert page.read_text("utf-8") == table(), "run: python -m teethscape.protocol_table docs/protocol.md"


def test_every_field_is_documented() -> None:
    for kind in protocol.KINDS.values():
        for part in fields(kind):
            assert f"| `{part.name}` |" in table().split(f"### `{kind.kind}`")[1].split("###")[0]
