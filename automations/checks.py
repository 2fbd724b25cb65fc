"""One question on the way from an event to a request, in words, and its answer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    check: str
    passed: bool
