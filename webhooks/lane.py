"""Who applies what was accepted without waiting: one task for each worker, however many requests there are.

A task for each request would cost as much as storing it, and would stand in the queue before all other work. So
whoever stores a request queues a task only where none is at work: one that is holds an advisory lock, looks again and
again for what is due, and lingers for a while when there is nothing. The table is the truth; what slips through is
found by the sweep.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from zlib import crc32

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django_q.tasks import async_task

from webhooks.requests import apply_due
from webhooks.wakes import AT_WORK_LOCK

SHIFT = 30.0  # seconds; far less than a task's time limit
LINGER = 0.5  # seconds without anything due
_PAUSE = 0.02
_LANE_LOCKS = 0x5349  # the class of advisory locks, one for each worker


def work(*, linger: float = LINGER) -> bool:
    """Apply what is due until there is nothing for `linger` seconds. False where this worker is at it already."""
    with _lane() as is_ours:
        if not is_ours:
            return False
        end, quiet_since = time.monotonic() + SHIFT, time.monotonic()
        while time.monotonic() < end:
            if apply_due(now=timezone.now()):
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since >= linger:
                return True
            else:
                time.sleep(_PAUSE)
    # The shift is over and there may be more.
    transaction.on_commit(lambda: async_task("webhooks.tasks.apply_accepted"), robust=True)
    return True


@contextmanager
def _lane() -> Iterator[bool]:
    """This worker's lock, for as long as the block or the connection lives."""
    key = crc32(settings.WORKER_NAME.encode()) >> 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LANE_LOCKS, key])
        (is_ours,) = cursor.fetchone()
        if is_ours:
            cursor.execute("SELECT pg_advisory_lock_shared(%s)", [AT_WORK_LOCK])
    try:
        yield is_ours
    finally:
        if is_ours:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock_shared(%s)", [AT_WORK_LOCK])
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LANE_LOCKS, key])
