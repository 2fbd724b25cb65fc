"""What tells a worker that something was accepted; see `webhooks.lane` for the one that listens."""

from django.db import connection, transaction
from django_q.tasks import async_task

AT_WORK_LOCK = 0x5349  # the advisory lock that all share whose task is applying what was accepted
# Whether nobody is at work. Of several who ask at once one is told so, since it has the lock until its transaction
# ends. To look through the locks of the whole server, as `pg_locks` does, costs a quarter of storing a request.
IS_IDLE = f"pg_try_advisory_xact_lock({AT_WORK_LOCK})"


def wake() -> None:
    """Once it is committed, queue the task that applies, unless one is at work."""
    # What is stored is kept: where queueing fails, the sweep applies it.
    transaction.on_commit(_queue_if_idle, robust=True)


def queue() -> None:
    """As `wake`, for those who know that none is at work."""
    transaction.on_commit(_queue, robust=True)


def _queue_if_idle() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {IS_IDLE}")
        (is_idle,) = cursor.fetchone()
    if is_idle:
        _queue()


def _queue() -> None:
    async_task("webhooks.tasks.apply_accepted")
