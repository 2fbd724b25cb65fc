"""The body that a rule sends: the standard document, or what the rule's own expression makes of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from automations.models import Rule
from automations.payloads import freeze
from crm import expressions
from crm.expressions import ExpressionError

MOST_BYTES = 256 * 1024
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
FAILED, TOO_LARGE = "payload_failed", "payload_too_large"


class PayloadError(Exception):
    """A body that cannot be made. `code` is what the delivery's log says."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Rendered:
    """The bytes and their type; with a problem (a code) there are none."""

    body: bytes
    content_type: str
    problem: str


def render(rule: Rule, *, document: Mapping[str, Any], form: bool) -> Rendered:
    """What a rule sends of a standard document."""
    content_type = FORM if form else JSON
    try:
        return Rendered(encode(value_of(rule, document=document), form=form), content_type, "")
    except PayloadError as error:
        return Rendered(b"", content_type, error.code)


def value_of(rule: Rule, *, document: Mapping[str, Any]) -> Any:
    """The payload as a JSON value. Raises PayloadError."""
    if rule.payload.get("mode") != "custom":
        return document
    try:
        return expressions.evaluate(expressions.compile(rule.payload["expression"]), document)
    except ExpressionError as error:
        raise PayloadError(FAILED, error.message) from error


def encode(value: Any, *, form: bool) -> bytes:
    """A JSON value as the bytes of a body. Raises PayloadError."""
    try:
        body = _as_form(value) if form else freeze(value)
    except UnicodeEncodeError as error:
        raise PayloadError(FAILED, _("The payload holds characters that cannot be sent.")) from error
    if len(body) > MOST_BYTES:
        raise PayloadError(TOO_LARGE, _("The payload is larger than 256 KiB."))
    return body


def _as_form(value: Any) -> bytes:
    if not isinstance(value, Mapping):
        raise PayloadError(FAILED, _("A form can only be made of an object."))
    pairs = [pair for name, inner in value.items() for pair in _pairs(str(name), inner)]
    return urlencode(pairs).encode()


def _pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Nested keys in brackets: deal[tags][0]. null is empty; an empty list or object is left out."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _pairs(f"{name}[{key}]", inner)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _pairs(f"{name}[{position}]", inner)
    elif value is None or isinstance(value, str):
        yield name, value or ""
    else:
        yield name, json.dumps(value)
