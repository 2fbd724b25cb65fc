"""Wakes the sender when there is something to send.

A drain that is at work hears the notification. For when there is none, a task is queued on commit; the table of
deliveries is the truth either way, and the worker's watch looks at it, so that a lost wake-up loses nothing.
"""

from zlib import crc32

from django.db import connection, transaction
from django_q.brokers import get_broker
from django_q.tasks import async_task

DELIVERIES_CHANNEL = "stagehook_deliveries"
SLOT_LOCKS = 0x5347  # the class of advisory locks that say "a drain is at work for this worker"
_ENOUGH_QUEUED = 10  # wake-ups that wait while no worker runs; more would only wake more often for nothing


def wake() -> None:
    """Inside a transaction: notify the drains, and queue a drain once it is committed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [DELIVERIES_CHANNEL])
    # What is committed is kept: where queueing fails, the worker's watch finds the work.
    transaction.on_commit(queue_drain, robust=True)


def queue_drain(*, worker: str = "") -> None:
    """Queue the task that sends, unless a drain is at work, that of `worker` where one is named.

    Any worker may take a task from the queue, and those that have a drain do nothing with it. So for a worker that has
    none we queue one more than there are drains; its watch asks again, and in a few turns one of them comes its way.
    """
    at_work = drains_at_work()
    if (at_work and not worker) or slot_of(worker) in at_work:
        return
    for _ in range(min(len(at_work) + 1, _ENOUGH_QUEUED - get_broker().queue_size())):
        async_task("automations.tasks.drain")


def slot_of(worker: str) -> int:
    """The key of the advisory lock that a worker's drain holds: a number of 31 bits."""
    return crc32(worker.encode()) >> 1


def drain_is_at_work() -> bool:
    return bool(drains_at_work())


def drains_at_work() -> set[int]:
    """The slots of the workers that have a drain."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            [SLOT_LOCKS],
        )
        return {slot for (slot,) in cursor.fetchall()}
