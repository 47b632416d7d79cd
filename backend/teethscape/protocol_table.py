"""The page ``docs/protocol.md``, made from the message classes themselves.

python -m teethscape.protocol_table docs/protocol.md
"""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import MISSING, Field, fields
from pathlib import Path

from teethscape import protocol

_HEAD = f"""# Protocol between the extension and the engine

Version {protocol.PROTOCOL_VERSION}. Made from `backend/teethscape/protocol.py` by
`python -m teethscape.protocol_table docs/protocol.md`; do not edit by hand.

The client starts `python -I -X utf8 -u -m teethscape.worker` and speaks with it over the
child's own stdin and stdout. Every line is one JSON object of at most {protocol.MAX_LINE_BYTES:,} bytes with
`v` (version), `t` (kind) and the fields below. Unknown kinds and fields are ignored, lines that
are no message are logged, another `v` ends the engine with *Update the engine*. Everything that
the engine's libraries print goes to stderr, which the client keeps in `logs/worker.log`.

* **Start:** each side says `hello`; the client sends `run` when it has heard the engine's.
* **Job:** `run` is answered by `accepted`, then `stage`, `progress` and `warning`, and in the end by
  one `result` (done or cancelled) or one `error`. One job at a time.
* **Life:** a `pong` at least every 2 s while a job runs. The client tells the user after 15 s of
  silence and offers to stop after 60 s.
* **Cancel:** `cancel`; 5 s later the process is terminated, 3 s later it is killed with its children.
* **Crash:** the client explains the exit code (`backend/client/data/crash_codes.json`), starts the
  engine again at most twice for one job, and keeps the job on disk as unfinished.
* **End:** `shutdown`, the end of stdin (Blender is gone), or 5 idle minutes; the engine says `bye`.
"""


def table() -> str:
    """The whole page."""
    parts = [_HEAD]
    for direction in protocol.Direction:
        parts.append(f"\n## {direction.value[0].upper()}{direction.value[1:]}\n")
        kinds = (kind for kind in protocol.KINDS.values() if kind.direction is direction)
        parts.extend(_section(kind) for kind in kinds)
    return "".join(parts)


def _section(kind: type[protocol.Message]) -> str:
    text = f"\n### `{kind.kind}`\n\n{_summary(kind)}\n"
    rows = [_row(part, _field_docs(kind)[part.name]) for part in fields(kind)]
    return text + (
        "\n| field | type | default | meaning |\n|---|---|---|---|\n" + "".join(rows) if rows else ""
    )


def _row(part: Field[object], meaning: str) -> str:
    return f"| `{part.name}` | `{str(part.type).replace('|', 'or')}` | {_default(part)} | {meaning} |\n"


def _default(part: Field[object]) -> str:
    if part.default_factory is not MISSING:
        return "`{}`"
    if part.default is MISSING:
        return "required"
    shown = f'"{part.default}"' if isinstance(part.default, str) else str(part.default)
    return f"`{shown}`"


def _summary(kind: type[protocol.Message]) -> str:
    return inspect.getdoc(kind).partition("\n")[0]  # pyright: ignore[reportOptionalMemberAccess] - all have one


def _field_docs(kind: type[protocol.Message]) -> dict[str, str]:
    """Texts of the ``Attributes:`` sections of a class and its bases."""
    docs: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        section = (owner.__doc__ or "").partition("Attributes:")[2]
        for name, text in re.findall(r"^ {8}(\w+): (.*?)(?=^ {8}\w|\Z)", section, re.MULTILINE | re.DOTALL):
            docs[name] = " ".join(text.split())
    return docs


def main() -> None:
    """Write the page to the path in the first argument."""
    Path(sys.argv[1]).write_text(table(), "utf-8")


if __name__ == "__main__":
    main()
