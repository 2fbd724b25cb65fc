"""Identifiers: those that outsiders see as text and that sort by the time they were made, and reading the others."""

import secrets
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import models

_LONGEST = 18  # digits that a bigint always holds


def read_id(text: str) -> int | None:
    """The id of a row that a text from outside names; None where it names none, or more than any row can have."""
    return int(text) if text.isdecimal() and len(text) <= _LONGEST else None


def read_ids(texts: Iterable[str]) -> list[int]:
    """Those that are ids."""
    return [number for text in texts if (number := read_id(text)) is not None]


def read_text_id(text: str) -> str:
    """A text that may be an id, or a rank; "" for one that cannot be."""
    return text if text.isascii() and text.isprintable() else ""


class IdField(models.CharField):  # type: ignore[type-arg]  # not subscriptable when Django runs
    """Such an identifier as a column.

    It is looked up whole and never by how it begins, so it goes without the index for LIKE that Django makes beside
    that of a text's uniqueness, and that each new version of a row would have to be entered in.
    """

    def db_type(self, connection: Any) -> str:
        return f"character varying({self.max_length})"  # Django makes that index for what it calls varchar


def time_ordered_id(prefix: str) -> str:
    """`prefix`, an underscore and 32 hexadecimal digits: 48 bits of Unix milliseconds, then 80 random bits."""
    return f"{prefix}_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def earliest_id(prefix: str, *, at: datetime) -> str:
    """A text that sorts before the ids made from `at` on and after those made before: where in the index to stop."""
    return f"{prefix}_{int(at.timestamp() * 1000):012x}"
