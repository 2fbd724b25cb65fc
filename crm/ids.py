"""Identifiers that outsiders see as text and that sort by the time they were made."""

import secrets
import time
from datetime import datetime
from typing import Any

from django.db import models


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
