"""The body that a rule sends."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automations.models import Rule
from automations.payloads import freeze


@dataclass(frozen=True, slots=True)
class Rendered:
    body: bytes
    content_type: str
    problem: str


def render(rule: Rule, *, document: Mapping[str, Any], form: bool) -> Rendered:
    return Rendered(freeze(document), "application/json", "")
