"""Messages between Blender and the engine: JSON lines, versioned, typed.

Both sides import this file, so it leans on the standard library alone. A message is a frozen
dataclass; on the wire it is one UTF-8 line of JSON of at most `MAX_LINE_BYTES`, with ``v`` (version) and
``t`` (kind) beside its fields. Big data lies in files. ``docs/protocol.md`` is generated from the classes.

Unknown kinds and fields are ignored, new fields have defaults; anything else raises `PROTOCOL_VERSION`.
"""

from __future__ import annotations

import json
import types
from dataclasses import MISSING, dataclass, field, fields
from enum import Enum
from functools import cache
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints

#: Raised when an old reader would misunderstand a new writer.
PROTOCOL_VERSION = 1
MAX_LINE_BYTES = 1_000_000


class ProtocolError(ValueError):
    """A line that is no message of this protocol."""


class VersionMismatchError(ProtocolError):
    """The other side speaks another version of the protocol."""

    def __init__(self, theirs: object) -> None:
        super().__init__(f"protocol version {theirs!r} instead of {PROTOCOL_VERSION}")
        self.theirs = theirs


class Word(str, Enum):
    """An enum whose members print as they stand on the wire."""

    __str__ = str.__str__


class Direction(Word):
    """Which way a message travels."""

    TO_ENGINE = "client → engine"
    TO_CLIENT = "engine → client"
    BOTH = "both ways"


class Command(Word):
    """What a job asks the engine to do."""

    RECONSTRUCT = "reconstruct"
    RENDER_DATASET = "render_dataset"
    SEGMENT_XRAY = "segment_xray"
    CLICK = "click"
    CHECK_PHOTOS = "check_photos"
    WEIGHTS = "weights"
    SURFACE = "surface"
    ABILITIES = "abilities"


class Outcome(Word):
    """How a job that did not fail came to its end."""

    DONE = "done"
    CANCELLED = "cancelled"


class LogLevel(Word):
    """Severity of a log line."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


#: All messages by their kind, in the order of this file.
KINDS: dict[str, type[Message]] = {}


@dataclass(frozen=True)
class Message:
    """What all messages have in common: a kind on the wire and a direction."""

    kind: ClassVar[str] = ""
    direction: ClassVar[Direction] = Direction.BOTH

    def __init_subclass__(cls, kind: str = "", to: Direction = Direction.BOTH) -> None:
        cls.kind, cls.direction = kind, to
        if kind:
            KINDS[kind] = cls


@dataclass(frozen=True)
class JobMessage(Message):
    """A message about one job.

    Attributes:
        job: identifier that the client chose with ``run``.
    """

    job: str


@dataclass(frozen=True)
class Hello(Message, kind="hello"):
    """First message of each side: who speaks, in which version.

    Attributes:
        version: version of the extension or of the engine.
        pid: process id of the sender.
        python: version of the sender's Python.
        platform: operating system and machine, such as ``linux-x86_64``.
        device: what the engine computes on, such as ``cpu``; empty from the client.
        packages: versions of the libraries that matter for a report.
    """

    version: str
    pid: int
    python: str = ""
    platform: str = ""
    device: str = ""
    packages: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run(JobMessage, kind="run", to=Direction.TO_ENGINE):
    """Start a job; the engine runs one at a time and answers ``accepted``.

    Attributes:
        request: the command's arguments as JSON: the fields of the request that ``worker_job`` reads.
        command: what to do.
    """

    request: dict[str, Any]
    command: Command = Command.RECONSTRUCT


@dataclass(frozen=True)
class Cancel(JobMessage, kind="cancel", to=Direction.TO_ENGINE):
    """Stop a job at the next step; its end is a ``result``, never an ``error``."""


@dataclass(frozen=True)
class Ping(Message, kind="ping", to=Direction.TO_ENGINE):
    """Ask for a ``pong``.

    Attributes:
        nonce: number that the answer repeats.
    """

    nonce: int = 0


@dataclass(frozen=True)
class FreeMemory(Message, kind="free_memory", to=Direction.TO_ENGINE):
    """Let go of networks and caches that are held between jobs."""


@dataclass(frozen=True)
class Shutdown(Message, kind="shutdown", to=Direction.TO_ENGINE):
    """Cancel what runs, say ``bye`` and exit."""


@dataclass(frozen=True)
class Accepted(JobMessage, kind="accepted", to=Direction.TO_CLIENT):
    """The job has begun."""


@dataclass(frozen=True)
class Stage(JobMessage, kind="stage", to=Direction.TO_CLIENT):
    """The job entered another stage.

    Attributes:
        name: stage, such as ``segment`` or ``fit``.
        message: what happens, in words for the user.
    """

    name: str
    message: str = ""


@dataclass(frozen=True)
class Progress(JobMessage, kind="progress", to=Direction.TO_CLIENT):
    """How far the running stage is.

    Attributes:
        stage: the running stage.
        fraction: finished part of this stage, 0 to 1.
        overall: finished part of the whole job, 0 to 1, by the usual share of each stage.
        message: what happens, in words for the user.
    """

    stage: str
    fraction: float
    overall: float = 0.0
    message: str = ""


@dataclass(frozen=True)
class Artifact(JobMessage, kind="artifact", to=Direction.TO_CLIENT):
    """A file of the case is ready.

    Attributes:
        role: what the file is, such as ``mesh`` or ``overlay``.
        path: absolute path inside the case folder.
    """

    role: str
    path: str


@dataclass(frozen=True)
class Log(Message, kind="log", to=Direction.TO_CLIENT):
    """A line for the log.

    Attributes:
        level: severity.
        message: the line.
        job: the job that it belongs to, if any.
    """

    level: LogLevel
    message: str
    job: str | None = None


@dataclass(frozen=True)
class Warning(JobMessage, kind="warning", to=Direction.TO_CLIENT):
    """Something that the user should know; the job goes on.

    Attributes:
        code: stable identifier, explained in ``docs/errors.md``.
        message: one sentence.
    """

    code: str
    message: str


@dataclass(frozen=True)
class Result(JobMessage, kind="result", to=Direction.TO_CLIENT):
    """The job came to its end without an error.

    Attributes:
        outcome: done or cancelled.
        summary: what the command found, as JSON; empty when cancelled.
        elapsed_s: wall time of the job in seconds.
    """

    outcome: Outcome = Outcome.DONE
    summary: dict[str, Any] = field(default_factory=dict)
    elapsed_s: float = 0.0


@dataclass(frozen=True)
class Error(Message, kind="error", to=Direction.TO_CLIENT):
    """The job failed, or (without a job) the engine itself.

    Attributes:
        code: stable identifier, explained in ``docs/errors.md``.
        message: what is wrong, in one sentence.
        advice: what to do next, in one sentence.
        job: the job that failed.
        exit_code: exit code that the command line would return.
        retryable: whether the same job may succeed when it is started again.
        details: traceback or numbers for a report; not shown at first.
    """

    code: str
    message: str
    advice: str = ""
    job: str | None = None
    exit_code: int = 6
    retryable: bool = False
    details: str = ""


@dataclass(frozen=True)
class Pong(Message, kind="pong", to=Direction.TO_CLIENT):
    """Sign of life: answer to ``ping``, and every two seconds without being asked.

    Attributes:
        rss_bytes: resident memory of the engine, 0 when unknown.
        job: the running job.
        stage: its stage.
        nonce: that of the ping; 0 for a heartbeat.
    """

    rss_bytes: int = 0
    job: str | None = None
    stage: str = ""
    nonce: int = 0


@dataclass(frozen=True)
class Bye(Message, kind="bye", to=Direction.TO_CLIENT):
    """Last message of an engine that exits by itself.

    Attributes:
        reason: ``shutdown``, ``idle`` or ``orphaned``.
    """

    reason: str = "shutdown"


def encode(message: Message) -> bytes:
    """One line of JSON, ending in a newline.

    Other letters than ASCII are escaped, so that file names that are no valid
    text (lone surrogates) survive the journey too.

    Raises:
        ProtocolError: the message is larger than `MAX_LINE_BYTES` or holds
            values that JSON cannot express.
    """
    content = {"v": PROTOCOL_VERSION, "t": message.kind}
    content.update({f.name: getattr(message, f.name) for f in fields(message)})
    try:
        line = json.dumps(content, allow_nan=False).encode("ascii") + b"\n"
    except (TypeError, ValueError) as error:
        raise ProtocolError(f"{message.kind} cannot be written as JSON: {error}") from error
    if len(line) > MAX_LINE_BYTES:
        raise ProtocolError(f"{message.kind} has {len(line)} bytes, more than {MAX_LINE_BYTES}")
    return line


def decode(line: bytes) -> Message | None:
    """The message in a line; None when its kind is unknown here (a newer sender).

    Raises:
        VersionMismatchError: the sender speaks another version.
        ProtocolError: the line is no message at all; log it and go on.
    """
    if len(line) > MAX_LINE_BYTES:
        raise ProtocolError(f"a line of {len(line)} bytes is too long")
    try:
        content = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not JSON: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("t"), str):
        raise ProtocolError("not an object with a kind")
    if content.get("v") != PROTOCOL_VERSION or isinstance(content["v"], bool):
        raise VersionMismatchError(content.get("v"))
    kind = KINDS.get(content["t"])
    return None if kind is None else _build(kind, content)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _build(kind: type[Message], content: dict[str, Any]) -> Message:
    """The message of a known kind; missing fields take their defaults."""
    hints = _hints(kind)
    values: dict[str, Any] = {}
    for part in fields(kind):
        if part.name in content:
            values[part.name] = _checked(content[part.name], hints[part.name], f"{kind.kind}.{part.name}")
        elif part.default is MISSING and part.default_factory is MISSING:
            raise ProtocolError(f"{kind.kind} lacks {part.name}")
    return kind(**values)


@cache
def _hints(kind: type[Message]) -> dict[str, Any]:
    return get_type_hints(kind)


def _checked(value: Any, hint: Any, name: str) -> Any:
    """The value as its type says, enums built.

    Raises:
        ProtocolError: the value is of another type.
    """
    if get_origin(hint) in (Union, types.UnionType):
        if value is None:
            return None
        hint = next(option for option in get_args(hint) if option is not type(None))
    if isinstance(hint, type) and issubclass(hint, Enum):
        try:
            return hint(value)
        except ValueError as error:
            raise ProtocolError(f"{name} cannot be {value!r}") from error
    return _checked_plain(value, hint, name)


def _checked_plain(value: Any, hint: Any, name: str) -> Any:
    """The same for JSON's own types."""
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        if abs(value) < 1e300:  # larger ones would become infinite
            return float(value)
    elif get_origin(hint) is dict and isinstance(value, dict):
        if (items := get_args(hint)[1]) is Any or all(isinstance(item, items) for item in value.values()):
            return value
    elif isinstance(hint, type) and isinstance(value, hint) and isinstance(value, bool) == (hint is bool):
        return value
    raise ProtocolError(f"{name} cannot be {str(value)[:80]!r}")
