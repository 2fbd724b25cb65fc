"""Who has which deliveries in hand.

A drain takes an advisory lock named after itself for as long as its connection lives, and writes that name on what
it claims. When the process dies, PostgreSQL lets go of the lock, and whoever looks next sees that the holder is gone:
its deliveries are free again within seconds, not when their leases run out.
"""

import secrets
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from automations.models import Attempt, Delivery, Destination
from automations.schedule import next_delay

HOLDER_LOCKS = 0x5348  # the class of advisory locks that say "this holder of leases is alive"
LEASE_MARGIN = timedelta(seconds=15)  # on top of the time limit of the whole exchange
FREE_INTERRUPTIONS = 3  # in a row, that take no step of the retry schedule
INTERRUPTED = "interrupted"

_LIVE_HOLDERS = """
    SELECT objid::bigint FROM pg_locks
    WHERE locktype = 'advisory' AND classid = %(class)s AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def new_holder() -> int:
    """A name for a holder of leases: a positive number of 31 bits."""
    return secrets.randbelow(2**31 - 1) + 1


# What was in hand when its holder died says nothing of its receiver, so it takes no step of the retry schedule. Unless
# the attempts before it ended like that too: then the delivery may be what kills, and goes on by its schedule.
_FREE = f"""
    UPDATE automations_delivery AS delivery
    SET leased_until = NULL, leased_by = NULL,
        run_attempts = run_attempts - CASE WHEN interrupted.before < %(free)s THEN 1 ELSE 0 END
    FROM (
        SELECT id, (
            SELECT count(*) FROM automations_attempt
            WHERE delivery_id = taken.id AND error_code = 'interrupted'
            AND number >= taken.attempts_made - %(free)s AND number < taken.attempts_made
        ) AS before
        FROM automations_delivery AS taken
        WHERE leased_until IS NOT NULL
        AND (leased_until < %(now)s OR leased_by NOT IN ({_LIVE_HOLDERS}))
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS interrupted
    WHERE delivery.id = interrupted.id
    RETURNING delivery.id, interrupted.before >= %(free)s
"""  # noqa: S608  # a constant of this module


@transaction.atomic
def free_dead_leases(*, now: datetime) -> int:
    """Take back what dead or overdue holders had in hand and return how many that were.

    Their unfinished attempts are closed as interrupted: the request may or may not have arrived. They are due at once,
    save those that have been interrupted several times in a row.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FREE, {"now": now, "class": HOLDER_LOCKS, "free": FREE_INTERRUPTIONS})
        freed: list[tuple[str, bool]] = cursor.fetchall()
    if freed:
        unfinished = Attempt.objects.filter(delivery__in=[pk for pk, _ in freed], finished_at__isnull=True)
        unfinished.update(finished_at=now, error_code=INTERRUPTED)
    suspects = [pk for pk, is_suspect in freed if is_suspect]
    for delivery in Delivery.objects.filter(pk__in=suspects).select_related("destination").defer("body"):
        _put_off(delivery, now=now)
    return len(freed)


def _put_off(delivery: Delivery, *, now: datetime) -> None:
    """Treat an interrupted attempt as a failed one: to the next step of the schedule, given up after the last."""
    chance = 0.5  # the middle of the spread
    delay = next_delay(delivery.destination.retry_schedule, attempts=delivery.run_attempts, chance=chance)
    changes: dict[str, Any] = {"due_at": now + (delay or timedelta(0)), "error_code": INTERRUPTED}
    if delay is None:
        changes["state"] = Delivery.State.FAILED
        untold = F("given_up_untold") + 1
        Destination.objects.filter(pk=delivery.destination_id).update(given_up_untold=untold)
    Delivery.objects.filter(pk=delivery.pk).update(status_code=None, **changes)


def oldest_due(*, now: datetime) -> datetime | None:
    """When the delivery that has been waiting longest came due; None when nothing is due."""
    rows = Delivery.objects.filter(state=Delivery.State.PENDING, leased_until__isnull=True, due_at__lte=now)
    rows = rows.filter(destination__status="active")
    return rows.order_by("due_at").values_list("due_at", flat=True).first()
