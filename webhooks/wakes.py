"""What tells a worker that something was accepted; see `webhooks.lane` for the one that listens."""

from django.db import connection, transaction
from django_q.tasks import async_task

LANE_LOCKS = 0x5349  # the class of advisory locks that say "a task is applying what was accepted"
IS_AT_WORK = f"""EXISTS (
    SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = {LANE_LOCKS} AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)"""  # noqa: S608  # a constant of this module


def wake() -> None:
    """Once it is committed, queue the task that applies, unless one is at work."""
    # What is stored is kept: where queueing fails, the sweep applies it.
    transaction.on_commit(_queue_if_idle, robust=True)


def queue() -> None:
    """As `wake`, for those who know that none is at work."""
    transaction.on_commit(_queue, robust=True)


def _queue_if_idle() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {IS_AT_WORK}")
        (is_at_work,) = cursor.fetchone()
    if not is_at_work:
        _queue()


def _queue() -> None:
    async_task("webhooks.tasks.apply_accepted")
