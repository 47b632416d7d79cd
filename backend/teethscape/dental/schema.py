"""Check JSON values against the part of JSON Schema that our own schemas use.

Supported keywords: ``type``, ``const``, ``enum``, ``properties``, ``required``,
``additionalProperties``, ``patternProperties``, ``items``, ``minItems``,
``maxItems``, ``minimum``, ``maximum``, ``exclusiveMinimum`` and ``$ref`` into
``$defs``.  Any other keyword that constrains a value is an error of the schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda v: isinstance(v, Mapping),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "null": lambda v: v is None,
}
_SUPPORTED = {
    *("type", "const", "enum", "minimum", "maximum", "exclusiveMinimum"),
    *("properties", "required", "additionalProperties", "patternProperties"),
    *("items", "minItems", "maxItems"),
    *("$ref", "$defs", "$schema", "$id", "title", "description", "$comment"),
}


def problems(value: Any, schema: Mapping[str, Any]) -> list[str]:
    """What is wrong with a value, as sentences with the place; empty when nothing."""
    return list(_check(value, schema, schema, "$"))


def _check(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], place: str) -> Iterator[str]:
    if "$ref" in schema:
        yield from _check(value, root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], root, place)
        return
    if unknown := set(schema) - _SUPPORTED:
        raise ValueError(f"schema keywords that are not supported: {sorted(unknown)}")
    if "type" in schema and not _has_type(value, schema["type"]):
        yield f"{place} is no {schema['type']}"
        return
    for check in (_values, _range, _required, _members, _elements):
        yield from check(value, schema, root, place)


def _has_type(value: Any, kinds: str | list[str]) -> bool:
    return any(_TYPES[kind](value) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _values(value: Any, schema: Mapping[str, Any], _: Any, place: str) -> Iterator[str]:
    allowed = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if allowed is not None and value not in allowed:
        yield f"{place} is {value!r} instead of {' or '.join(map(repr, allowed))}"


def _range(value: Any, schema: Mapping[str, Any], _: Any, place: str) -> Iterator[str]:
    if not _TYPES["number"](value):
        return
    if value < schema.get("minimum", value) or value > schema.get("maximum", value):
        yield f"{place} = {value} is out of range"
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        yield f"{place} = {value} is not above {schema['exclusiveMinimum']}"


def _required(value: Any, schema: Mapping[str, Any], _: Any, place: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from (f"{place}.{name} is missing" for name in schema.get("required", ()) if name not in value)


def _members(value: Any, schema: Mapping[str, Any], root: Any, place: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        return
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, member in value.items():
        fitting = [s for pattern, s in patterns.items() if re.search(pattern, name)]
        if name in named:
            fitting.append(named[name])
        if not fitting and schema.get("additionalProperties", True) is False:
            yield f"{place}.{name} is not known"
        for part in fitting:
            yield from _check(member, part, root, f"{place}.{name}")


def _elements(value: Any, schema: Mapping[str, Any], root: Any, place: str) -> Iterator[str]:
    if not isinstance(value, list):
        return
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        yield f"{place} has {len(value)} items"
    for index, item in enumerate(value):
        yield from _check(item, schema.get("items", {}), root, f"{place}[{index}]")
