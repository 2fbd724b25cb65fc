"""Wakes the sender when there is something to send.

A drain that is at work hears the notification. For when there is none, a task is queued on commit; the table of
deliveries is the truth either way, and the worker's watch looks at it, so that a lost wake-up loses nothing.
"""

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


def queue_drain() -> None:
    """Queue the task that sends, unless a drain is at work or enough of them are queued."""
    if not drain_is_at_work() and get_broker().queue_size() < _ENOUGH_QUEUED:
        async_task("automations.tasks.drain")


def drain_is_at_work() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
            [SLOT_LOCKS],
        )
        return bool(cursor.fetchone()[0])
