"""A sample line by line as people read it, each value with the expression that leads to it, to be picked by a click."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from webhooks.editor.samples import Sample, inside, naming_of

MOST_LINES = 1000
_INDENT = "  "


@dataclass(frozen=True, slots=True)
class Line:
    """`before` and `after` stand around `value`; without an `expression` the line holds no value."""

    before: str
    value: str = ""
    after: str = ""
    expression: str = ""


def lines_of(sample: Sample | None, *, each: str) -> list[Line]:
    """The lines of a sample, whose expressions begin at the first record of the list that `each` leads to.

    Empty where the body cannot be read; no more than MOST_LINES.
    """
    if sample is None or sample.value is None:
        return []
    lines = _lines(sample.value, "", "", "", each)
    return list(islice(lines, MOST_LINES))


def _lines(value: Any, at: str, before: str, after: str, each: str) -> Iterator[Line]:
    if not value or not isinstance(value, dict | list):
        yield Line(before, _as_json(value), after, _from_record(at, each))
        return
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    margin = before[: len(before) - len(before.lstrip())]
    yield Line(f"{before}{opening}")
    for place, (path, name, item) in enumerate(_items(value, at, each)):
        comma = "," if place < len(value) - 1 else ""
        yield from _lines(item, path, f"{margin}{_INDENT}{name}", comma, each)
    yield Line(f"{margin}{closing}{after}")


def _items(value: Any, at: str, each: str) -> Iterator[tuple[str, str, Any]]:
    """(path, what stands before it, item) of an object or a list."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield inside(at, key), f"{_as_json(key)}: ", item
        return
    is_records = each == (at or "@")
    known: set[str] = set()
    name, _held = (None if is_records else naming_of(value)) or ("", "")
    for place, item in enumerate(value):
        told = item.get(name) if name and isinstance(item, dict) else None
        if isinstance(told, str) and "'" not in told and told not in known:
            known.add(told)
            yield f"{at}[?{name}=='{told}'] | [0]", "", item
        else:
            yield f"{at}[{place}]", "", item


def _from_record(path: str, each: str) -> str:
    """The way from the record to a value; what lies outside of it is reached from the whole."""
    record = "[0]" if each == "@" else f"{each}[0]"
    if not each:
        return path or "@"
    if path == record:
        return "@"
    if path.startswith(f"{record}."):
        return path.removeprefix(f"{record}.")
    return f"root(){path}" if path.startswith("[") else f"root().{path}"


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
