"""The document that a rule's expression is over, line by line, each with the path that leads to it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST_ENTRIES = 20  # of a list; its first ones show what there is
_LONGEST_VALUE = 60


@dataclass(frozen=True, slots=True)
class Line:
    """A value of the document: `path` leads to it in JMESPath, `shown` is it as JSON, cut, "" for what holds others."""

    path: str
    name: str
    depth: int
    shown: str


def lines_of(value: Any, *, path: str = "", depth: int = 0) -> Iterator[Line]:
    """Every value inside an object or a list, each before what it holds."""
    for name, inner, inner_path in _entries(value, path):
        holds = isinstance(inner, dict | list) and bool(inner)
        yield Line(inner_path, name, depth, "" if holds else _cut(json.dumps(inner, ensure_ascii=False)))
        if holds:
            yield from lines_of(inner, path=inner_path, depth=depth + 1)


def _entries(value: Any, path: str) -> Iterator[tuple[str, Any, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield name, inner, f"{path}.{_step(name)}" if path else _step(name)
    else:
        for place, inner in enumerate(value[:_MOST_ENTRIES]):
            yield f"[{place}]", inner, f"{path}[{place}]"


def _step(name: str) -> str:
    """A key as JMESPath writes it: in quotes where it is no plain name."""
    return name if _NAME.fullmatch(name) else json.dumps(name)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
