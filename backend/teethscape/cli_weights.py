"""``teethscape weights``: list, install, import, verify, convert and inspect weights."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from teethscape.errors import ExitCode

Result = dict[str, Any] | None


def add_weights(commands: Any) -> None:
    """Declare ``weights`` and its commands on the parser."""
    parser = commands.add_parser("weights", help="published networks: install, import, check, look into")
    parts = parser.add_subparsers(
        dest="part", required=True, metavar="list|install|import|verify|convert|inspect"
    )
    _add(parts, "list", "known models, their licences, and which are installed")
    install = _add(parts, "install", "download a model, check it and convert it; resumes")
    install.add_argument("model", metavar="MODEL")
    install.add_argument("--accept-licence", action="store_true", help="you have read and accept the licence")
    imported = _add(parts, "import", "take a model from a file or a folder, without network")
    imported.add_argument("path", type=Path, metavar="PATH")
    imported.add_argument("--model", metavar="MODEL", help="what it must be; recognised when left out")
    verify = _add(parts, "verify", "check installed models by checksum, names and shapes")
    verify.add_argument("models", nargs="*", metavar="MODEL", help="all that are installed when left out")
    convert = _add(parts, "convert", "write any checkpoint as safetensors, without running it")
    convert.add_argument("source", type=Path, metavar="FILE")
    convert.add_argument("--output", type=Path, metavar="FILE.safetensors", help="default: beside FILE")
    convert.add_argument(
        *("--half",), action=argparse.BooleanOptionalAction,
        help="store in half precision; so are TeethDreamer, zero123-xl and their CLIP by themselves",
    )  # fmt: skip
    inspect = _add(parts, "inspect", "look into any checkpoint without running its code")
    inspect.add_argument("file", type=Path, metavar="FILE")
    inspect.add_argument("--tensors", action="store_true", help="a line for every tensor")


def _add(parts: Any, name: str, help_text: str) -> argparse.ArgumentParser:
    parser = parts.add_parser(name, help=help_text)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def weights(options: argparse.Namespace) -> Result:
    """Run one of the commands."""
    parts = {
        "list": _list, "install": _install, "import": _import,
        "verify": _verify, "convert": _convert, "inspect": _inspect,
    }  # fmt: skip
    return parts[options.part](options)


def _list(_: argparse.Namespace) -> Result:
    from teethscape.weights.job import listed
    from teethscape.weights.store import models_folder

    rows = listed()
    for row in rows:
        how = "installed" if row["installed"] else ("install" if row["downloadable"] else "import only")
        print(f"{row['id']:<15} {row['bytes'] / 1e9:5.1f} GB  {how:<12} {row['licence']}", file=sys.stderr)
        print(f"{'':<15} {row['purpose']}", file=sys.stderr)
    print(f"Folder: {models_folder()}", file=sys.stderr)
    return {"folder": str(models_folder()), "models": rows}


def _install(options: argparse.Namespace) -> Result:
    from teethscape.cli_progress import ConsoleProgress
    from teethscape.weights.catalogue import known_model
    from teethscape.weights.install import install, whole
    from teethscape.weights.store import weights_path

    model, progress = known_model(options.model), ConsoleProgress()
    record = whole(model, progress)
    if record is None:
        accepted = options.accept_licence
        if model.urls:
            _show_terms(model)
            accepted = accepted or _asked()
        record = install(model, accepted, progress)
    print(f"{model.title} is installed: {weights_path(model.id)}", file=sys.stderr)
    return {"installed": record.id, "file": str(weights_path(model.id)), "checked": record.checked}


def _import(options: argparse.Namespace) -> Result:
    from teethscape.cli_progress import ConsoleProgress
    from teethscape.weights.catalogue import known_model
    from teethscape.weights.install import import_path
    from teethscape.weights.store import weights_path

    wanted = None if options.model is None else known_model(options.model).id
    records = import_path(options.path, wanted, ConsoleProgress())
    for record in records:
        _show_terms(known_model(record.id))
        print(
            f"{record.source_name} is installed as {record.id}, checked by {record.checked}.", file=sys.stderr
        )
    return {
        "imported": [
            {"id": r.id, "file": str(weights_path(r.id)), "source": r.source_name, "checked": r.checked}
            for r in records
        ]
    }


def _verify(options: argparse.Namespace) -> Result:
    from teethscape.cli_progress import ConsoleProgress
    from teethscape.weights.install import verify

    verdicts = verify(options.models, ConsoleProgress())
    for verdict in verdicts:
        print(f"{'ok  ' if verdict.ok else 'BAD '} {verdict.model:<15} {verdict.message}", file=sys.stderr)
    if not verdicts:
        print("Nothing is installed.", file=sys.stderr)
    good = all(verdict.ok for verdict in verdicts)
    rows = [{"id": v.model, "ok": v.ok, "message": v.message} for v in verdicts]
    return {"ok": good, "models": rows, "exit_code": int(ExitCode.DONE if good else ExitCode.BAD_INPUT)}


def _convert(options: argparse.Namespace) -> Result:
    from teethscape.cli_progress import ConsoleProgress
    from teethscape.weights.convert_known import convert_any

    done = convert_any(options.source, options.output, options.half, ConsoleProgress())
    for line in done.lines():
        print(line, file=sys.stderr)
    return done.to_json()


def _inspect(options: argparse.Namespace) -> Result:
    from teethscape.weights.inspect_file import describe, inspect_file

    found = inspect_file(options.file)
    for line in describe(found, options.tensors):
        print(line, file=sys.stderr)
    return found


def _show_terms(model: Any) -> None:
    print(f"{model.title}: licence {model.licence}", file=sys.stderr)
    print(f"  {model.terms}", file=sys.stderr)
    print(f"  {model.page}", file=sys.stderr)


def _asked() -> bool:
    """Ask a person at a terminal; nobody is asked elsewhere."""
    if not sys.stdin.isatty():
        return False
    print("Do you accept it? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
