"""A sample of what comes in, and what can be picked from it: each value with the expression that leads to it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict

from webhooks.bodies import FORM_TYPE, Malformed, parse_body
from webhooks.models import InboundEndpoint, InboundRequest

MOST_PICKS = 250
_OFFERED = 15
_LONGEST_SHOWN = 60
_NAMES, _VALUES = ("name", "key", "field", "label", "id"), ("value", "values", "answer", "text")


@dataclass(frozen=True, slots=True)
class Sample:
    """A body with what came beside it. `request_id` is "" for one that was pasted."""

    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    request_id: str = ""

    @property
    def value(self) -> Any:
        """What the body says, None where it cannot be read."""
        try:
            return parse_body(body=self.body, content_type=self.content_type)
        except Malformed:
            return None

    @property
    def text(self) -> str:
        """As people read it."""
        if self.value is None:
            return self.body.decode(errors="replace")
        return json.dumps(self.value, indent=2, ensure_ascii=False, default=str)


@dataclass(frozen=True, slots=True)
class Pick:
    """An expression, and the value it gives of the sample as it is shown."""

    expression: str
    shown: str


@dataclass(frozen=True, slots=True)
class RecordList:
    """A list in the body, and how many records it has."""

    expression: str
    count: int


def with_bodies(endpoint: InboundEndpoint) -> QuerySet[InboundRequest]:
    """The requests whose bodies are kept, each of them once, newest first."""
    kept = endpoint.requests.exclude(body=b"").exclude(state=InboundRequest.State.DUPLICATE)
    return kept.newest_first()


def offered_requests(endpoint: InboundEndpoint) -> list[InboundRequest]:
    return list(with_bodies(endpoint).defer("headers", "body", "changes", "errors")[:_OFFERED])


def sample_of(request: InboundRequest) -> Sample:
    return Sample(bytes(request.body), request.content_type, request.headers, request.pk)


def sample_from(data: QueryDict, endpoint: InboundEndpoint) -> Sample | None:
    """What the form says to try with: a request that came, else what was pasted, else nothing."""
    if chosen := data.get("sample", ""):
        found = endpoint.requests.filter(pk=chosen).first()
        return sample_of(found) if found else None
    pasted = data.get("pasted", "").strip()
    return pasted_sample(pasted) if pasted else None


def pasted_sample(text: str) -> Sample:
    """JSON, or the fields of a form."""
    return Sample(text.encode(errors="replace"), "application/json" if text[:1] in "{[" else FORM_TYPE)


def newest_sample(endpoint: InboundEndpoint) -> Sample | None:
    offered = offered_requests(endpoint)
    return sample_of(endpoint.requests.get(pk=offered[0].pk)) if offered else None


# ---- What can be picked ----


def picks_of(sample: Sample | None, *, each: str) -> list[Pick]:
    """Every value of the sample, or of the first record of the list that `each` leads to, then its own headers."""
    if sample is None:
        return []
    value = record_of(sample.value, each=each)
    picks = [Pick(expression, _shown(leaf)) for expression, leaf in _leaves(value, "")]
    headers = [
        Pick(f"header('{name}')", _shown(text))
        for name, text in sample.headers.items()
        if name.lower().startswith("x-") and "'" not in name
    ]
    return [*picks[:MOST_PICKS], *headers]


def lists_of(sample: Sample | None) -> list[RecordList]:
    """The lists of objects in a sample, which a mapping may go through."""
    value = sample.value if sample else None
    found = [("@", value)] if isinstance(value, list) else list(_containers(value, ""))
    return [
        RecordList(expression, len(items))
        for expression, items in found
        if isinstance(items, list) and any(isinstance(item, dict) for item in items)
    ]


def record_of(value: Any, *, each: str) -> Any:
    """The first record of the list with that path; the value itself where the path leads to no list."""
    if not each:
        return value
    found = value if each == "@" else dict(_containers(value, "")).get(each)
    return found[0] if isinstance(found, list) and found else value


def _leaves(value: Any, at: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, inside(at, key))
    elif isinstance(value, list):
        named = list(_named(value, at))
        yield from named
        if value and not named:
            yield from _leaves(value[0], f"{at}[0]")
    elif (inner := _jsoninside(value)) is not None:
        yield from _leaves(inner, f"to_json({at})")
    elif at:
        yield at, value


def _jsoninside(value: Any) -> Any:
    """The object in a text that holds one, as some forms send their answers; else None."""
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return None
    try:
        return parse_body(body=value.encode(errors="replace"), content_type="application/json")
    except Malformed:
        return None


def _named(items: list[Any], at: str) -> Iterator[tuple[str, Any]]:
    """Answers that come as a list of pairs, such as {"name": "email", "value": "…"}, by their names."""
    naming = naming_of(items)
    if naming is None:
        return
    name, held = naming
    for item in items:
        if isinstance(item, dict) and isinstance(item.get(name), str) and "'" not in item[name]:
            path = f"{at}[?{name}=='{item[name]}'].{held} | [0]"
            value = item.get(held)
            yield (f"{path}[0]", value[0]) if isinstance(value, list) and value else (path, value)


def naming_of(items: list[Any]) -> tuple[str, str] | None:
    """Under which keys the pairs of such a list hold their names and their values; None for any other list."""
    first = items[0] if items and isinstance(items[0], dict) else {}
    name = next((key for key in _NAMES if isinstance(first.get(key), str)), None)
    held = next((key for key in _VALUES if key in first and key != name), None)
    return (name, held) if name and held else None


def _containers(value: Any, at: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            path = inside(at, key)
            yield path, item
            yield from _containers(item, path)


def inside(at: str, key: str) -> str:
    plain = key.isascii() and key.isidentifier()
    quoted = key if plain else json.dumps(key, ensure_ascii=False)
    return f"{at}.{quoted}" if at else quoted


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
