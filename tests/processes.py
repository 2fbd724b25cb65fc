"""For tests of real processes: waiting for what they do, with a deadline."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from django.db import connection

PROJECT = Path(__file__).resolve().parent.parent

Result = TypeVar("Result")


def eventually(probe: Callable[[], Result], *, seconds: float = 30) -> Result:
    """The probe's first true result; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (result := probe()):
        assert time.monotonic() < deadline, f"still {result!r} after {seconds} s"
        time.sleep(0.02)
    return result


def waiting_for_locks() -> int:
    """How many connections to the test's database wait for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])
